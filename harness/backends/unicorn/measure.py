"""What a case costs on Unicorn here: ``python -m assay64.harness.backends.unicorn.measure``.

Every case has code of its own, is given every register and returns every register; memory is compared and restored. No
test asserts these times: they are for whoever changes the batch.
"""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np

from assay64.harness.backends.unicorn.batch import Regions, run
from assay64.harness.backends.unicorn.machine import Machine
from assay64.harness.cases.case import CODE_ADDRESS, STACK_POINTER, Environment
from assay64.harness.cases.layout import Batch, new_state
from assay64.harness.cases.memory import HostMemory

CASES, ROUNDS = 2000, 15
ADD, LOAD, STORE = 0x9100_0400, 0xF940_03E0, 0xF900_03E0  # add x0, x0, #1; ldr x0, [sp]; str x0, [sp]


def microseconds_per_case(machine: Machine, regions: Regions, first: int, words: int) -> list[float]:
    """One time for each round: ``first`` and then additions, no two cases in a row alike."""
    code = np.full((CASES, words), ADD, np.uint32)
    code |= (np.arange(CASES, dtype=np.uint32) % 4096 << 10)[:, None]
    if first != ADD:
        code[:, 0] = first
    initial = new_state(CASES)
    initial["pc"], initial["sp"], initial["x"][:, 0] = CODE_ADDRESS, STACK_POINTER, 7
    times: list[float] = []
    for _ in range(ROUNDS):
        batch = Batch(code, np.full(CASES, words, np.uint32), CODE_ADDRESS, initial, fill=1)
        begin = time.perf_counter()
        run(machine, regions, batch, HostMemory(0x1000))
        times.append((time.perf_counter() - begin) / CASES * 1e6)
    return times


def main() -> None:
    machine, regions = Machine(Environment()), Regions()
    for name, first in (("add", ADD), ("ldr", LOAD), ("str", STORE)):
        for words in (1, 4, 16):
            times = microseconds_per_case(machine, regions, first, words)
            middle = statistics.median(times)
            sys.stdout.write(f"{name} and {words - 1:2} additions: min {min(times):5.1f} us, median {middle:5.1f} us\n")


if __name__ == "__main__":
    main()
