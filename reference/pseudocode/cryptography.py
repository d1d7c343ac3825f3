"""The functions of the cryptographic instructions, under their names in Arm ARM J1.1 (shared/functions/crypto).

The substitution boxes are computed from what their standards say of them, inversion in GF(2**8) and an affine map, and
are constants from then on: a lookup is a shift of the whole table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, reduce

from assay64.reference.bits import Bits, If, bits
from assay64.reference.pseudocode.integer import ROL, ROR, Elem, Zeros, lanes
from assay64.reference.pseudocode.processor import pseudocode
from assay64.reference.pseudocode.vectors import from_elements


def _product(x: int, y: int, polynomial: int) -> int:
    """x * y in GF(2**8)."""
    result = 0
    for _ in range(8):
        result ^= x if y & 1 else 0
        x, y = x << 1 ^ (polynomial if x & 0x80 else 0), y >> 1
    return result


def _inverse(x: int, polynomial: int) -> int:
    """1 / x in GF(2**8), which is x**254, and 0 for 0."""
    result = 1
    for _ in range(7):
        x = _product(x, x, polynomial)
        result = _product(result, x, polynomial)
    return result


def _affine(x: int, row: int, constant: int) -> int:
    """Bit i is the parity of x under ``row`` rotated left by i, and bit i of the constant."""
    rows = (row << i | row >> (8 - i) for i in range(8))
    return sum(((x & row).bit_count() & 1) << i for i, row in enumerate(rows)) ^ constant


def _table(values: Sequence[int]) -> Bits:
    return bits(8 * len(values), int.from_bytes(bytes(values), "little"))


# FIPS 197, section 5.1.1: the field is modulo x**8 + x**4 + x**3 + x + 1.
_AES = [_affine(_inverse(x, 0x11B), 0xF1, 0x63) for x in range(256)]
# GB/T 32907-2016: the affine map before and after the inversion modulo x**8 + x**7 + x**6 + x**5 + x**4 + x**2 + 1.
_SM4 = [_affine(_inverse(_affine(x, 0xA7, 0xD3), 0x1F5), 0xA7, 0xD3) for x in range(256)]

_AES_SBOX, _AES_INVERSE_SBOX = _table(_AES), _table([_AES.index(x) for x in range(256)])
_SM4_SBOX = _table(_SM4)


def SM4Sbox(x: Bits) -> Bits:
    return _lookup(_SM4_SBOX, x)


def _lookup(table: Bits, index: Bits) -> Bits:
    return (table >> index @ Zeros(3))[7:0]


@pseudocode
def AESSubBytes(op: Bits) -> Bits:
    return lanes(partial(_lookup, _AES_SBOX), 8, op)


@pseudocode
def AESInvSubBytes(op: Bits) -> Bits:
    return lanes(partial(_lookup, _AES_INVERSE_SBOX), 8, op)


def AESShiftRows(op: Bits) -> Bits:
    """The state is four columns of four bytes; row r turns left by r."""
    return from_elements(Elem(op, (byte + 4 * (byte % 4)) % 16, 8) for byte in range(16))


def AESInvShiftRows(op: Bits) -> Bits:
    return from_elements(Elem(op, (byte - 4 * (byte % 4)) % 16, 8) for byte in range(16))


def _multiply(x: Bits, factor: int) -> Bits:
    """FFmul02 to FFmul0E: ``factor`` * x in the field of AES."""
    result = Zeros(8)
    while factor:
        result = result ^ x if factor & 1 else result
        x, factor = x << 1 ^ If(x[7], bits(8, 0x1B), 0), factor >> 1
    return result


def _mix(op: Bits, factors: Sequence[int]) -> Bits:
    """Each column times the polynomial whose coefficients are ``factors``, for row 0 onwards."""

    def mixed(column: Bits) -> Bits:
        rows = [Elem(column, row, 8) for row in range(4)]
        return from_elements(
            reduce(lambda x, y: x ^ y, (_multiply(rows[(row + i) % 4], factors[i]) for i in range(4)))
            for row in range(4)
        )

    return lanes(mixed, 32, op)


@pseudocode
def AESMixColumns(op: Bits) -> Bits:
    return _mix(op, (0x2, 0x3, 0x1, 0x1))


@pseudocode
def AESInvMixColumns(op: Bits) -> Bits:
    return _mix(op, (0xE, 0xB, 0xD, 0x9))


def SHAchoose(x: Bits, y: Bits, z: Bits) -> Bits:
    return ((y ^ z) & x) ^ z


def SHAparity(x: Bits, y: Bits, z: Bits) -> Bits:
    return x ^ y ^ z


def SHAmajority(x: Bits, y: Bits, z: Bits) -> Bits:
    return (x & y) | ((x | y) & z)


@pseudocode
def SHA1hash(function: Callable[[Bits, Bits, Bits], Bits], x: Bits, y: Bits, w: Bits) -> Bits:
    """Four rounds of SHA-1 (the operation of SHA1C, SHA1P and SHA1M): the hash state's A to D, of A to D and E."""
    for e in range(4):
        a, b, c, d = (Elem(x, i, 32) for i in range(4))
        t = function(b, c, d)
        x, y = c @ ROL(b, 30) @ a @ (y + ROL(a, 5) + t + Elem(w, e, 32)), d
    return x


@pseudocode
def SHA256hash(x: Bits, y: Bits, w: Bits, part1: bool) -> Bits:
    """Four rounds of SHA-256: the hash state's A to D, or E to H when ``part1`` does not hold."""
    for e in range(4):
        a, b, c, d = (Elem(x, i, 32) for i in range(4))
        f, g, h, i = (Elem(y, i, 32) for i in range(4))
        t = i + (ROR(f, 6) ^ ROR(f, 11) ^ ROR(f, 25)) + SHAchoose(f, g, h) + Elem(w, e, 32)
        first = t + (ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22)) + SHAmajority(a, b, c)
        x, y = c @ b @ a @ first, h @ g @ f @ (t + d)
    return x if part1 else y


def SHA256schedule(x: Bits, rotate: int, again: int, shift: int) -> Bits:
    """sigma0 and sigma1 of FIPS 180-4, for SHA-256 and SHA-512."""
    return ROR(x, rotate) ^ ROR(x, again) ^ x >> shift
