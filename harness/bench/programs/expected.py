"""The checksum that each program must end with, computed from what the program is for.

Numpy, hashlib, sorted() and integers compute it, written from the algorithms and not from the instructions, so that an
engine, the compiler and the reference are all held against something else. No engine is used here.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice

import numpy as np

MASK64 = (1 << 64) - 1
SEED = 88172645463325252


def checksum(name: str, repeats: int, size: int) -> int:
    """What x0 holds at the end of a run. KeyError for a program that has none of its own (``remapping``)."""
    if name in _SAME_EACH_TIME:
        # The sum of value * 31**k for k below `repeats`, modulo 2**64.
        return _SAME_EACH_TIME[name](size) * ((pow(31, repeats, 30 << 64) - 1) // 30) & MASK64
    return _WHOLE[name](repeats, size)


def combine(checksum: int, value: int) -> int:
    """As in program.h."""
    return checksum * 31 + value & MASK64


def _random_numbers() -> Iterator[int]:
    state = SEED
    while True:
        state ^= state << 13 & MASK64
        state ^= state >> 7
        state ^= state << 17 & MASK64
        yield state


def _call_loop(repeats: int, _size: int) -> int:
    return repeats * (repeats + 1) // 2 & 0xFFFF_FFFF


@cache
def _sieve(size: int) -> int:
    primes = [n for n in range(2, size) if _is_prime(n)] if size < 1000 else _sieved(size)
    return len(primes) << 32 | primes[-1]


def _is_prime(number: int) -> bool:
    return all(number % divisor for divisor in range(2, int(number**0.5) + 1))


def _sieved(size: int) -> list[int]:
    numbers = np.ones(size, np.bool_)
    numbers[:2] = False
    for number in range(2, int(size**0.5) + 1):
        if numbers[number]:
            numbers[number * number :: number] = False
    return np.flatnonzero(numbers).tolist()


@cache
def _matrix_multiply(size: int) -> int:
    a = [(i * 7919 % 1009 + 1) / 3.0 for i in range(size * size)]
    b = [(i * 104729 % 997 + 1) / 7.0 for i in range(size * size)]
    value = 0
    for i in range(size):
        for j in range(size):
            total = 0.0
            for k in range(size):
                total = _fused(a[i * size + k], b[k * size + j], total)
            value ^= int.from_bytes(struct.pack("<d", total), "little")
    return value


def _fused(left: float, right: float, addend: float) -> float:
    """left * right + addend, rounded once: exact on integers, and the division of two integers rounds correctly."""
    (p, q), (r, s), (t, u) = left.as_integer_ratio(), right.as_integer_ratio(), addend.as_integer_ratio()
    return (p * r * u + t * q * s) / (q * s * u)


@cache
def _memory_mix(size: int) -> int:
    from_, to, value = bytearray(0x10400), bytearray(0x10400), 0
    for drawn in islice(_random_numbers(), size):
        source, target = drawn & 0xFFFF, drawn >> 16 & 0xFFFF
        count, letter = drawn >> 32 & 0xFF, (drawn >> 40 | 1) & 0xFF
        from_[source : source + count + 1] = bytes([letter]) * count + b"\0"
        to[target : target + count + 1] = from_[source : source + count + 1]
        to[target + count // 2] ^= drawn >> 50 & 1
        pairs = zip(from_[source : source + count + 1], to[target : target + count + 1], strict=True)
        value = combine(value, count + next((left - right for left, right in pairs if left != right), 0))
    return value


def _sha256(repeats: int, size: int) -> int:
    message = bytearray(struct.pack(f"<{size // 4}I", *(i * 2654435761 & 0xFFFF_FFFF for i in range(size // 4))))
    result = 0
    for _ in range(repeats):
        digest = hashlib.sha256(message).digest()
        message[:8] = digest[:8]
        for part in struct.unpack(">4Q", digest):
            result = combine(result, part)
    return result


def _bytecode(size: int) -> int:
    steps = 0
    for start in range(1, size + 1):
        while start != 1:
            start = start // 2 if start % 2 == 0 else 3 * start + 1
            steps += 1
    return steps


@cache
def _quicksort(size: int) -> int:
    numbers = sorted(number & 0xFFFF_FFFF for number in islice(_random_numbers(), size))
    return sum(number * place for place, number in enumerate(numbers, 1)) & MASK64


@cache
def _image_blur(size: int) -> int:
    index = np.arange(size * 256, dtype=np.uint64)
    image = (index * np.uint64(2654435761) >> np.uint64(24) & np.uint64(0xFF)).astype(np.int64).reshape(size, 256)
    columns = image[:, :-2] + 2 * image[:, 1:-1] + image[:, 2:]
    inner = (columns[:-2] + 2 * columns[1:-1] + columns[2:] + 8) >> 4
    rows = np.concatenate([image[1:-1, :1], inner, image[1:-1, -1:]], axis=1).astype(np.uint8)
    words = rows.view("<u8") ^ np.arange(1, size - 1, dtype=np.uint64)[:, None]
    return int(words.sum(dtype=np.uint64))


_SALE, _REFUND, _TRANSFER, _STOCKTAKING = range(4)


@cache
def _dhrystone_mix(size: int) -> int:
    count = 64
    names = [bytearray(b"DHRYSTONE-LIKE ACCOUNT") for _ in range(count)]
    for i, name in enumerate(names):
        name[i % 22] = ord("a") + i % 26
    kinds, amounts, balance = [_SALE] * count, list(range(count)), [0] * count
    history = [[0] * 16 for _ in range(count)]
    at = equal = 0
    for order in range(size):
        amount = amounts[at] = (amounts[at] * 7 + order) % 251
        match kinds[at]:
            case 0:
                kind = _REFUND if amount > 100 else _TRANSFER
            case 1:
                kind = _SALE if amount % 2 else _STOCKTAKING
            case 2:
                kind = _STOCKTAKING
            case _:
                kind = _SALE
        kinds[at] = kind
        match kind:
            case 0:
                balance[at] += amount
            case 1:
                balance[at] -= amount // 2
            case 2:
                balance[at] += amount * 3 % 17
            case _:
                balance[at] ^= 0x55
        history[at][order % 16] += balance[at]
        following = (at * 5 + 1) % count
        if names[at] > names[following]:
            names[at] = names[following][:]
            equal += 1
        else:
            names[at][order % 22] = ord("A") + order % 26
        at = following
    value = equal
    for i in range(count):
        value = combine(value, balance[i] + kinds[i]) + sum(history[i]) + (sum(names[i]) << (i & 7))
    return value & MASK64


def _self_writing(repeats: int, size: int) -> int:
    additions = [sum((turn * 13 + i) % 4096 for i in range(size)) for turn in range(min(repeats, 4096))]
    result = 0
    for repetition in range(repeats):
        result = result * 3 + additions[repetition % 4096] & MASK64
    return result


_SAME_EACH_TIME: dict[str, Callable[[int], int]] = {
    "sieve": _sieve,
    "matrix_multiply": _matrix_multiply,
    "memory_mix": _memory_mix,
    "bytecode": _bytecode,
    "quicksort": _quicksort,
    "image_blur": _image_blur,
    "dhrystone_mix": _dhrystone_mix,
}
_WHOLE: dict[str, Callable[[int, int], int]] = {
    "call_loop": _call_loop,
    "call_loop_unoptimised": _call_loop,
    "sha256": _sha256,
    "sha256_crypto": _sha256,
    "self_writing": _self_writing,
}
