"""What the suites of the cryptographic instructions share: padding, constants, and words in registers and memory."""

from collections.abc import Iterable
from typing import Any

import pytest

from assay64.suites.simd_and_fp.elements import vector

TEMPORARIES = [*(f"v{number}" for number in range(2, 32)), "x0", "x1", "nzcv"]
MESSAGES = [
    pytest.param(b"", id="empty"),
    pytest.param(b"abc", id="abc"),
    pytest.param(bytes(range(55)), id="55-bytes"),
]


def octets(text):
    """The bytes as a register holds them, the first one lowest."""
    return int.from_bytes(bytes.fromhex(text), "little")


def vectors(data, size):
    """Registers of big-endian words of ``size`` bits."""
    step = size // 8
    words = [int.from_bytes(data[at : at + step], "big") for at in range(0, len(data), step)]
    return [vector(size, *words[at : at + 128 // size]) for at in range(0, len(words), 128 // size)]


def in_memory(words, size):
    return b"".join(word.to_bytes(size // 8, "little") for word in words)


def padded(message, size_bytes):
    """One block of FIPS 180-4: a one bit, zeros, the length in bits."""
    return message + b"\x80" + (8 * len(message)).to_bytes(size_bytes - len(message) - 1, "big")


def root_fractions(count, power, size):
    """The first ``size`` fractional bits of the square or cube roots of the first primes (FIPS 180-4, 4.2 and 5.3)."""
    primes = [n for n in range(2, 500) if all(n % d for d in range(2, n))][:count]
    found = list[int]()
    for prime in primes:
        low, high = 0, 32 << size
        while high - low > 1:
            middle = (low + high) // 2
            low, high = (middle, high) if middle**power <= prime << power * size else (low, middle)
        found.append(low & (1 << size) - 1)
    return found


def registers(first: int, values: Iterable[int]) -> dict[str, Any]:
    """The values as arguments of ``given`` and ``expect``: v<first> and those that follow."""
    return {f"v{number}": value for number, value in enumerate(values, first)}
