"""How many instructions golden executes in a second of processor time here:
``python -m assay64.reference.engines.measure``.

A loop for each kind of instruction, and one of all kinds. No test asserts these numbers: they say what a check in
continuous integration can afford.
"""

from __future__ import annotations

import statistics
import sys
import time

from assay64.reference.machine import Machine

CODE, DATA = 0x1000, 0x10000
COUNT, ROUNDS = 3000, 5
LOOPS: dict[str, tuple[int, ...]] = {
    # add x0, x0, x1; eor x2, x2, x0, lsl #3; subs x3, x3, #1; csel x4, x5, x6, ne; madd x7, x0, x1, x2; clz x8, x7
    "integer": (0x8B010000, 0xCA000C42, 0xF1000463, 0x9A8610A4, 0x9B010807, 0xDAC010E8),
    # ldr x0, [x9]; str x0, [x9, #8]; ldp x1, x2, [x9]; ldrb w3, [x9, #3]
    "loads and stores": (0xF9400120, 0xF9000520, 0xA9400921, 0x39400D23),
    # fadd d0, d1, d2; fmul s3, s4, s5; fmadd d0, d1, d2, d0; fcvtzs x0, d0; scvtf d1, x0; fcmp d1, d2
    "floating point": (0x1E622820, 0x1E250883, 0x1F420020, 0x9E780000, 0x9E620001, 0x1E622020),
    # add v0.16b, v1.16b, v2.16b; sqadd v3.8h, v0.8h, v1.8h; mla v4.4s, v0.4s, v3.4s; zip1 v5.4s, v4.4s, v0.4s
    "Advanced SIMD, integer": (0x4E228420, 0x4E610C03, 0x4EA39404, 0x4E803885),
    # fadd v0.4s, v1.4s, v2.4s; fmla v3.2d, v1.2d, v2.2d
    "Advanced SIMD, floating point": (0x4E22D420, 0x4E62CC23),
    # aese v0.16b, v1.16b; sha256h q2, q3, v4.4s
    "cryptography": (0x4E284820, 0x5E044062),
    # pacia x0, x1
    "pointer authentication": (0xDAC10020,),
}
_BRANCH = 0x1400_0000


def instructions_per_second(words: tuple[int, ...]) -> float:
    """The median over rounds of a loop of ``words`` and the branch back."""
    machine = Machine("max", engine="golden")
    machine.map(CODE, 0x1000, "rx")
    machine.map(DATA, 0x1000, "rw")
    back = _BRANCH | -len(words) & 0x3FF_FFFF
    machine.write(CODE, b"".join(word.to_bytes(4, "little") for word in (*words, back)))
    for number in range(31):
        machine.set("X", number, DATA if number == 9 else 0x9E37_79B9_7F4A_7C15 * (number + 1) & (1 << 64) - 1)
    for number in range(32):
        machine.set("V", number, 0x3FF5_5555_4048_F5C3_4009_21FB_3F9D_70A4 + number)
    machine.set("PC", 0, CODE)
    rates: list[float] = []
    for _ in range(ROUNDS):
        begin = time.process_time()
        stop = machine.run(COUNT)
        rates.append(COUNT / (time.process_time() - begin))
        if stop.reason != "budget":
            raise RuntimeError(f"the loop ended early: {stop}")
    return statistics.median(rates)


def main() -> None:
    everything = tuple(word for words in LOOPS.values() for word in words)
    for name, words in (*LOOPS.items(), ("all of these", everything)):
        sys.stdout.write(f"{name:32}{instructions_per_second(words):10,.0f} instructions/s\n")


if __name__ == "__main__":
    main()
