"""Cryptographic SHA 512, SHA3, SM3 and SM4

Whole algorithms as small programs, against Python's hashlib and the examples in GB/T 32905 (SM3) and GB/T 32907 (SM4).
"""

import hashlib
from itertools import pairwise

import pytest

from assay64.harness.cases.authoring import DATA, asm, case, expect, given, undefined
from assay64.suites.simd_and_fp.blocks import (
    MESSAGES,
    TEMPORARIES,
    in_memory,
    padded,
    registers,
    root_fractions,
    vectors,
)
from assay64.suites.simd_and_fp.elements import vector
from assay64.suites.simd_and_fp.features import with_features

pytestmark = [pytest.mark.crypto, pytest.mark.simd]

SHA512, SHA3, SM3, SM4 = (with_features(f"FEAT_{name}") for name in ("SHA512", "SHA3", "SM3", "SM4"))


@pytest.mark.parametrize("message", MESSAGES)
def test_sha512(backend, message):
    code = """
        1: ldr q4, [x1], #16
        add v4.2d, v4.2d, v16.2d
        ext v4.16b, v4.16b, v4.16b, #8
        ext v5.16b, v2.16b, v3.16b, #8
        ext v6.16b, v1.16b, v2.16b, #8
        add v7.2d, v3.2d, v4.2d
        sha512h q7, q5, v6.2d
        mov v3.16b, v2.16b
        add v2.2d, v1.2d, v7.2d
        sha512h2 q7, q1, v0.2d
        mov v1.16b, v0.16b
        mov v0.16b, v7.16b
        ext v4.16b, v20.16b, v21.16b, #8
        sha512su0 v16.2d, v17.2d
        sha512su1 v16.2d, v23.2d, v4.2d
        mov v4.16b, v16.16b
        mov v16.16b, v17.16b
        mov v17.16b, v18.16b
        mov v18.16b, v19.16b
        mov v19.16b, v20.16b
        mov v20.16b, v21.16b
        mov v21.16b, v22.16b
        mov v22.16b, v23.16b
        mov v23.16b, v4.16b
        subs x0, x0, #1
        b.ne 1b
        add v0.2d, v0.2d, v24.2d
        add v1.2d, v1.2d, v25.2d
        add v2.2d, v2.2d, v26.2d
        add v3.2d, v3.2d, v27.2d
        """
    initial = root_fractions(8, 2, 64)
    state = [vector(64, *initial[at : at + 2]) for at in range(0, 8, 2)]
    words = registers(0, state)
    words |= registers(16, vectors(padded(message, 128), 64))
    words |= registers(24, state)
    digest = registers(0, vectors(hashlib.sha512(message).digest(), 64))
    memory = {DATA: in_memory(root_fractions(80, 3, 64), 64)}
    start = given(x0=40, x1=DATA, memory=memory, **words)
    ignored = [name for name in TEMPORARIES if name not in digest]
    case(code, start, expect(**digest), ignore=ignored, budget=2000, **SHA512).check(backend)


def eor3(d, n, m, a):
    return 0xCE00_0000 | m << 16 | a << 10 | n << 5 | d


def bcax(d, n, m, a):
    return 0xCE20_0000 | m << 16 | a << 10 | n << 5 | d


def rax1(d, n, m):
    return 0xCE60_8C00 | m << 16 | n << 5 | d


def xar(d, n, m, amount):
    return 0xCE80_0000 | m << 16 | amount << 10 | n << 5 | d


def move(d, n):
    return 0x4EA0_1C00 | n << 16 | n << 5 | d


def keccak_round():
    """FIPS 202, section 3.2: lane (x, y) is in v(5y + x), the round constant is loaded from [x1]."""
    code = list[int]()
    for x in range(5):  # theta
        code += [eor3(25 + x, x, x + 5, x + 10), eor3(25 + x, 25 + x, x + 15, x + 20)]
    d = (30, 25, 26, 27, 28)
    code += [rax1(30, 29, 26), rax1(26, 26, 28), rax1(28, 28, 25), rax1(25, 25, 27), rax1(27, 27, 29)]
    code += [0x6E20_1C00 | d[0] << 16]  # eor v0.16b, v0.16b, v30.16b
    path, x, y, amount = list[tuple[int, int, int]](), 1, 0, 0  # rho and pi, along the one cycle of the lanes
    for t in range(24):
        amount += t + 1
        path.append((5 * y + x, x, amount % 64))
        x, y = y, (2 * x + 3 * y) % 5
    code.append(move(29, path[-1][0]))
    for (source, x, amount), (target, _, _) in reversed(list(pairwise(path))):
        code.append(xar(target, source, d[x], -amount % 64))
    code.append(xar(path[0][0], 29, d[path[-1][1]], -path[-1][2] % 64))
    for row in range(0, 25, 5):  # chi
        code += [move(29, row), move(31, row + 1)]
        lanes = [*range(row, row + 5), 29, 31]
        code += [bcax(row + x, row + x, lanes[x + 2], lanes[x + 1]) for x in range(5)]
    return (*code, *asm("ldr d29, [x1], #8"), *asm("eor v0.16b, v0.16b, v29.16b"))


def keccak_constants():
    """The round constants, from the linear feedback shift register of FIPS 202, section 3.2.5."""
    register, found = 1, list[int]()
    for _ in range(24):
        constant = 0
        for j in range(7):
            constant |= (register & 1) << (1 << j) - 1
            register = register << 1 ^ (0x171 if register & 0x80 else 0)
        found.append(constant)
    return found


@pytest.mark.parametrize("message", MESSAGES)
def test_sha3_256(backend, message):
    rounds = keccak_round()
    back = 0x5400_0001 | (-len(rounds) - 1 & 0x7_FFFF) << 5  # b.ne to the first round's start
    code = (*rounds, *asm("subs x0, x0, #1"), back)
    block = bytearray(message + b"\x06" + bytes(135 - len(message)))
    block[135] |= 0x80
    words = registers(0, (int.from_bytes(block[at : at + 8], "little") for at in range(0, 136, 8)))
    digest = hashlib.sha3_256(message).digest()
    result = registers(0, (int.from_bytes(digest[at : at + 8], "little") for at in range(0, 32, 8)))
    memory = {DATA: in_memory(keccak_constants(), 64)}
    ignored = [name for name in TEMPORARIES if name not in result]
    start = given(x0=24, x1=DATA, memory=memory, **words)
    case(code, start, expect(**result), ignore=ignored, budget=3000, **SHA3).check(backend)


def test_sm3_of_abc(backend):
    early = asm(
        """
        sm3ss1 v7.4s, v0.4s, v6.4s, v1.4s; sm3tt1a v0.4s, v7.4s, v10.s[0]; sm3tt2a v1.4s, v7.4s, v2.s[0]
        shl v7.4s, v6.4s, #1; sri v7.4s, v6.4s, #31; mov v6.16b, v7.16b
        sm3ss1 v7.4s, v0.4s, v6.4s, v1.4s; sm3tt1a v0.4s, v7.4s, v10.s[1]; sm3tt2a v1.4s, v7.4s, v2.s[1]
        shl v7.4s, v6.4s, #1; sri v7.4s, v6.4s, #31; mov v6.16b, v7.16b
        sm3ss1 v7.4s, v0.4s, v6.4s, v1.4s; sm3tt1a v0.4s, v7.4s, v10.s[2]; sm3tt2a v1.4s, v7.4s, v2.s[2]
        shl v7.4s, v6.4s, #1; sri v7.4s, v6.4s, #31; mov v6.16b, v7.16b
        sm3ss1 v7.4s, v0.4s, v6.4s, v1.4s; sm3tt1a v0.4s, v7.4s, v10.s[3]; sm3tt2a v1.4s, v7.4s, v2.s[3]
        shl v7.4s, v6.4s, #1; sri v7.4s, v6.4s, #31; mov v6.16b, v7.16b
        """
    )
    late = asm(
        """
        sm3ss1 v7.4s, v0.4s, v6.4s, v1.4s; sm3tt1b v0.4s, v7.4s, v10.s[0]; sm3tt2b v1.4s, v7.4s, v2.s[0]
        shl v7.4s, v6.4s, #1; sri v7.4s, v6.4s, #31; mov v6.16b, v7.16b
        sm3ss1 v7.4s, v0.4s, v6.4s, v1.4s; sm3tt1b v0.4s, v7.4s, v10.s[1]; sm3tt2b v1.4s, v7.4s, v2.s[1]
        shl v7.4s, v6.4s, #1; sri v7.4s, v6.4s, #31; mov v6.16b, v7.16b
        sm3ss1 v7.4s, v0.4s, v6.4s, v1.4s; sm3tt1b v0.4s, v7.4s, v10.s[2]; sm3tt2b v1.4s, v7.4s, v2.s[2]
        shl v7.4s, v6.4s, #1; sri v7.4s, v6.4s, #31; mov v6.16b, v7.16b
        sm3ss1 v7.4s, v0.4s, v6.4s, v1.4s; sm3tt1b v0.4s, v7.4s, v10.s[3]; sm3tt2b v1.4s, v7.4s, v2.s[3]
        shl v7.4s, v6.4s, #1; sri v7.4s, v6.4s, #31; mov v6.16b, v7.16b
        """
    )
    differences = asm("eor v10.16b, v2.16b, v3.16b")
    expansion = asm(
        """
        ext v7.16b, v3.16b, v4.16b, #12
        mov v8.16b, v2.16b
        sm3partw1 v8.4s, v7.4s, v5.4s
        ext v7.16b, v4.16b, v5.16b, #8
        ext v9.16b, v2.16b, v3.16b, #12
        sm3partw2 v8.4s, v7.4s, v9.4s
        mov v2.16b, v3.16b
        mov v3.16b, v4.16b
        mov v4.16b, v5.16b
        mov v5.16b, v8.16b
        """
    )
    code = 4 * (*differences, *early, *expansion) + asm("mov v6.16b, v11.16b")
    code += 12 * (*differences, *late, *expansion) + asm("eor v0.16b, v0.16b, v16.16b; eor v1.16b, v1.16b, v17.16b")
    # The state has its first word in the highest lane, as the bytes of a big-endian number.
    low = int("7380166f4914b2b9172442d7da8a0600", 16)
    high = int("a96f30bc163138aae38dee4db0fb0e4e", 16)
    words = registers(2, vectors(padded(b"abc", 64), 32))
    start = given(v0=low, v1=high, v16=low, v17=high, v6=0x79CC_4519 << 96, v11=0x9D8A_7A87 << 96, **words)
    result = expect(v0=int("66c7f0f462eeedd9d1f2d46bdc10e4e2", 16), v1=int("4167c4875cf2f7a2297da02b8f4ba8e0", 16))
    case(code, start, result, ignore=TEMPORARIES, **SM3).check(backend)


def test_sm4_of_the_standards_example(backend):
    code = """
        eor v2.16b, v2.16b, v4.16b
        1: ldr q3, [x1], #16
        sm4ekey v2.4s, v2.4s, v3.4s
        sm4e v0.4s, v2.4s
        subs x0, x0, #1
        b.ne 1b
        """
    (block,) = vectors(bytes.fromhex("0123456789abcdeffedcba9876543210"), 32)
    family_key = vector(32, 0xA3B1_BAC6, 0x56AA_3350, 0x677D_9197, 0xB270_22DC)
    constants = [int.from_bytes(bytes((4 * i + j) * 7 & 0xFF for j in range(4)), "big") for i in range(32)]
    start = given(v0=block, v2=block, v4=family_key, x0=8, x1=DATA, memory={DATA: in_memory(constants, 32)})
    result = int("681edf34d206965e86b3e94f536e4246", 16)  # the last rounds' words come first
    case(code, start, expect(v0=result), ignore=TEMPORARIES, **SM4).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("eor3 v3.16b, v3.16b, v1.16b, v3.16b", given(v1=7, v3=1 << 127 | 5), expect(v3=7), **SHA3),
            id="eor3-of-a-register-with-itself",
        ),
        pytest.param(
            case(
                "bcax v0.16b, v1.16b, v2.16b, v3.16b",
                given(v1=0b0011, v2=0b0101 | 1 << 127, v3=0b0110),
                expect(v0=0b0010 | 1 << 127),
                **SHA3,
            ),
            id="bcax-clears-where-the-last-is-set",
        ),
        pytest.param(
            case(
                "rax1 v0.2d, v1.2d, v2.2d",
                given(v1=1, v2=vector(64, 1 << 63, 3 << 62)),
                expect(v0=vector(64, 0, 1 << 63 | 1)),
                **SHA3,
            ),
            id="rax1-rotates-each-doubleword-left",
        ),
        pytest.param(
            case("xar v0.2d, v1.2d, v2.2d, #0", given(v1=5, v2=1 << 127 | 1), expect(v0=1 << 127 | 4), **SHA3),
            id="xar-by-0",
        ),
        pytest.param(
            case(
                "xar v0.2d, v1.2d, v2.2d, #63",
                given(v1=1 << 63, v2=vector(64, 1, 3)),
                expect(v0=vector(64, 3, 6)),
                **SHA3,
            ),
            id="xar-by-63",
        ),
        pytest.param(
            case("sm3ss1 v0.4s, v1.4s, v2.4s, v3.4s", given(v0=9, v1=9, v2=9, v3=1 << 96), expect(v0=1 << 103), **SM3),
            id="sm3ss1-clears-the-other-lanes",
        ),
    ],
)
def test_single_steps(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xCE62_8020, id="sha512h"),
        pytest.param(0xCEC0_8020, id="sha512su0"),
        pytest.param(0xCE02_0C20, id="eor3"),
        pytest.param(0xCE62_8C20, id="rax1"),
        pytest.param(0xCE82_1420, id="xar"),
        pytest.param(0xCE42_0C20, id="sm3ss1"),
        pytest.param(0xCE42_9020, id="sm3tt1a"),
        pytest.param(0xCE62_C020, id="sm3partw1"),
        pytest.param(0xCEC0_8420, id="sm4e"),
        pytest.param(0xCE62_C820, id="sm4ekey"),
    ],
)
def test_undefined_without_the_feature(backend, word):
    case(word, given(v0=1, v1=2, v2=3, v3=4), expect(exit=undefined())).check(backend)
