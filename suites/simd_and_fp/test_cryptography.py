"""Cryptographic AES and SHA

AES, SHA1 and SHA256: whole algorithms as small programs, against FIPS 197 and Python's hashlib.
"""

import hashlib

import pytest

from assay64.harness.cases.authoring import DATA, asm, case, expect, given
from assay64.suites.simd_and_fp.blocks import (
    MESSAGES,
    TEMPORARIES,
    in_memory,
    octets,
    padded,
    registers,
    root_fractions,
    vectors,
)
from assay64.suites.simd_and_fp.elements import every, vector
from assay64.suites.simd_and_fp.features import with_features

pytestmark = [pytest.mark.crypto, pytest.mark.simd]

AES, SHA1, SHA256 = (with_features(f"FEAT_{name}") for name in ("AES", "SHA1", "SHA256"))


def aes_s_box():
    """The powers of 3 meet every element, the powers of its inverse each one's inverse (FIPS 197, 5.1.1)."""
    box, p, q = {0: 0x63}, 1, 1
    for _ in range(255):
        p ^= (p << 1 & 0xFF) ^ (0x1B if p & 0x80 else 0)
        for shift in (1, 2, 4):
            q ^= q << shift & 0xFF
        q ^= 0x09 if q & 0x80 else 0
        twice = q << 8 | q
        box[p] = 0x63 ^ q ^ (twice >> 7 ^ twice >> 6 ^ twice >> 5 ^ twice >> 4) & 0xFF
    return box


def aes_round_keys(key):
    """KeyExpansion of FIPS 197, section 5.2."""
    box, length, constant = aes_s_box(), len(key) // 4, 1
    words = [key[at : at + 4] for at in range(0, len(key), 4)]
    while len(words) < 4 * (length + 7):
        word = words[-1]
        if len(words) % length == 0:
            word = bytes(box[x] for x in (*word[1:], word[0]))
            word = bytes((word[0] ^ constant, *word[1:]))
            constant = constant << 1 ^ (0x11B if constant & 0x80 else 0)
        elif length > 6 and len(words) % length == 4:
            word = bytes(box[x] for x in word)
        words.append(bytes(a ^ b for a, b in zip(word, words[-length], strict=True)))
    return b"".join(words)


START = octets("193de3bea0f4e22b9ac68d2ae9f84808")  # FIPS 197, appendix B, round 1
SHIFTED = octets("d4bf5d30e0b452aeb84111f11e2798e5")
MIXED = octets("046681e5e0cb199a48f8d37a2806264c")


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("aese v0.16b, v1.16b", given(v0=START ^ 0x55, v1=0x55), expect(v0=SHIFTED), **AES),
            id="aese-adds-the-key-first",
        ),
        pytest.param(
            case("aesd v0.16b, v1.16b", given(v0=SHIFTED ^ 5 << 120, v1=5 << 120), expect(v0=START), **AES),
            id="aesd-adds-the-key-first",
        ),
        pytest.param(case("aesmc v0.16b, v1.16b", given(v1=SHIFTED), expect(v0=MIXED), **AES), id="aesmc"),
        pytest.param(
            case("aesimc v1.16b, v1.16b", given(v1=MIXED), expect(v1=SHIFTED), **AES), id="aesimc-onto-its-source"
        ),
        pytest.param(
            case("aese v2.16b, v2.16b", given(v2=START), expect(v2=octets("63" * 16)), **AES),
            id="aese-register-with-itself",
        ),
        pytest.param(
            case("aesd v2.16b, v2.16b", given(v2=START), expect(v2=octets("52" * 16)), **AES),
            id="aesd-register-with-itself",
        ),
    ],
)
def test_aes_steps(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    ("size", "encrypted"),
    [
        pytest.param(16, "69c4e0d86a7b0430d8cdb78070b4c55a", id="128"),
        pytest.param(24, "dda97ca4864cdfe06eaf70a0ec0d7191", id="192"),
        pytest.param(32, "8ea2b7ca516745bfeafc49904b496089", id="256"),
    ],
)
def test_aes_encrypts_and_decrypts_as_in_appendix_c(backend, size, encrypted):
    keys, rounds = aes_round_keys(bytes(range(size))), size // 4 + 6
    plain, secret, memory = octets("00112233445566778899aabbccddeeff"), octets(encrypted), {DATA: keys}
    case(
        """
        1: ldr q1, [x1], #16
        aese v0.16b, v1.16b
        subs x0, x0, #1
        b.eq 2f
        aesmc v0.16b, v0.16b
        b 1b
        2: ldr q1, [x1]
        eor v0.16b, v0.16b, v1.16b
        """,
        given(v0=plain, x0=rounds, x1=DATA, memory=memory),
        expect(v0=secret),
        ignore=["v1", *TEMPORARIES],
        **AES,
    ).check(backend)
    case(
        """
        ldr q1, [x1], #-16
        1: aesd v0.16b, v1.16b
        ldr q1, [x1], #-16
        subs x0, x0, #1
        b.eq 2f
        aesimc v0.16b, v0.16b
        aesimc v1.16b, v1.16b
        b 1b
        2: eor v0.16b, v0.16b, v1.16b
        """,
        given(v0=secret, x0=rounds, x1=DATA + 16 * rounds, memory=memory),
        expect(v0=plain),
        ignore=["v1", *TEMPORARIES],
        **AES,
    ).check(backend)


@pytest.mark.parametrize("message", MESSAGES)
def test_sha1(backend, message):
    schedule = asm(
        """
        sha1su0 v2.4s, v3.4s, v4.4s
        sha1su1 v2.4s, v5.4s
        mov v6.16b, v2.16b
        mov v2.16b, v3.16b
        mov v3.16b, v4.16b
        mov v4.16b, v5.16b
        mov v5.16b, v6.16b
        mov v1.16b, v7.16b
        """
    )
    four_rounds = (
        asm("add v6.4s, v2.4s, v20.4s; sha1h s7, s0; sha1c q0, s1, v6.4s"),
        asm("add v6.4s, v2.4s, v21.4s; sha1h s7, s0; sha1p q0, s1, v6.4s"),
        asm("add v6.4s, v2.4s, v22.4s; sha1h s7, s0; sha1m q0, s1, v6.4s"),
        asm("add v6.4s, v2.4s, v23.4s; sha1h s7, s0; sha1p q0, s1, v6.4s"),
    )
    code = [word for rounds in four_rounds for _ in range(5) for word in (*rounds, *schedule)]
    code += asm("add v0.4s, v0.4s, v18.4s; add v1.4s, v1.4s, v19.4s")
    state = vectors(bytes.fromhex("67452301efcdab8998badcfe10325476"), 32)[0]
    constants = (every(32, k) for k in (0x5A827999, 0x6ED9EBA1, 0x8F1BBCDC, 0xCA62C1D6))
    words = registers(2, vectors(padded(message, 64), 32))
    words |= registers(20, constants)
    digest = vectors(hashlib.sha1(message, usedforsecurity=False).digest(), 32)
    start = given(v0=state, v1=0xC3D2E1F0, v18=state, v19=0xC3D2E1F0, **words)
    case(code, start, expect(v0=digest[0], v1=digest[1]), ignore=TEMPORARIES, **SHA1).check(backend)


@pytest.mark.parametrize("message", MESSAGES)
def test_sha256(backend, message):
    code = """
        1: ldr q7, [x1], #16
        add v7.4s, v7.4s, v2.4s
        mov v6.16b, v0.16b
        sha256h q0, q1, v7.4s
        sha256h2 q1, q6, v7.4s
        sha256su0 v2.4s, v3.4s
        sha256su1 v2.4s, v4.4s, v5.4s
        mov v6.16b, v2.16b
        mov v2.16b, v3.16b
        mov v3.16b, v4.16b
        mov v4.16b, v5.16b
        mov v5.16b, v6.16b
        subs x0, x0, #1
        b.ne 1b
        add v0.4s, v0.4s, v16.4s
        add v1.4s, v1.4s, v17.4s
        """
    initial = root_fractions(8, 2, 32)
    low, high = vector(32, *initial[:4]), vector(32, *initial[4:])
    words = registers(2, vectors(padded(message, 64), 32))
    memory = {DATA: in_memory(root_fractions(64, 3, 32), 32)}
    digest = vectors(hashlib.sha256(message).digest(), 32)
    start = given(v0=low, v1=high, v16=low, v17=high, x0=16, x1=DATA, memory=memory, **words)
    case(code, start, expect(v0=digest[0], v1=digest[1]), ignore=TEMPORARIES, **SHA256).check(backend)
