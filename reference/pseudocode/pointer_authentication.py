"""Pointer authentication (FEAT_PAuth): AddPAC, Auth and Strip, and QARMA5, the algorithm that Arm architects.

TCR_EL1.TBID0 and TBID1 are taken as zero: an ignored top byte is ignored for instruction addresses too.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce

from assay64.reference.bits import Bits, If, bits
from assay64.reference.pseudocode.exceptions import PointerAuthenticationFailure
from assay64.reference.pseudocode.integer import Elem, IsZero, Ones, Select, Zeros, lanes
from assay64.reference.pseudocode.processor import PE, pseudocode
from assay64.reference.pseudocode.state import SCTLR_EL1, TCR_EL1, IsFeatureImplemented

APIAKEY, APIBKEY, APDAKEY, APDBKEY, APGAKEY = (bits(3, number) for number in range(5))

# R. Avanzi, "The QARMA Block Cipher Family", ToSC 2017(1): the round constants c, the reflection constant alpha, the
# S-box sigma2, and the permutations tau of the state's cells and h of the tweak's. Cell 0 is the highest.
_ROUND_CONSTANTS = tuple(
    bits(64, constant)
    for constant in (0, 0x13198A2E03707344, 0xA4093822299F31D0, 0x082EFA98EC4E6C89, 0x452821E638D01377)
)
_ALPHA = bits(64, 0xC0AC29B7C97C50DD)
_SIGMA2 = (11, 6, 8, 15, 12, 0, 9, 14, 3, 7, 4, 5, 13, 2, 1, 10)
_TAU = (0, 11, 6, 13, 10, 1, 12, 7, 5, 14, 3, 8, 15, 4, 9, 2)
_H = (6, 5, 14, 15, 0, 1, 2, 3, 7, 12, 13, 4, 8, 9, 10, 11)
_TWEAK_LFSR_CELLS = (0, 1, 3, 4, 8, 11, 13)


def _inverse(permutation: Sequence[int]) -> tuple[int, ...]:
    return tuple(permutation.index(number) for number in range(len(permutation)))


def _table(values: Sequence[int]) -> Bits:
    """Sixteen values of four bits as one constant, the first lowest."""
    return bits(64, sum(value << 4 * number for number, value in enumerate(values)))


_SUB, _INV_SUB = _table(_SIGMA2), _table(_inverse(_SIGMA2))


def _cells(x: Bits) -> list[Bits]:
    return [x[63 - 4 * number : 60 - 4 * number] for number in range(16)]


def _join(cells: Sequence[Bits]) -> Bits:
    return reduce(lambda high, low: high @ low, cells)


def _shuffle(x: Bits, permutation: Sequence[int]) -> Bits:
    cells = _cells(x)
    return _join([cells[source] for source in permutation])


def PACCellShuffle(x: Bits) -> Bits:
    return _shuffle(x, _TAU)


def PACCellInvShuffle(x: Bits) -> Bits:
    return _shuffle(x, _inverse(_TAU))


def _substitute(x: Bits, table: Bits) -> Bits:
    def substituted(cell: Bits) -> Bits:
        return Elem(table, cell, 4)

    return lanes(substituted, 4, x)


def PACSub(x: Bits) -> Bits:
    return _substitute(x, _SUB)


def PACInvSub(x: Bits) -> Bits:
    return _substitute(x, _INV_SUB)


def _rotate_cells(x: Bits, amount: int) -> Bits:
    """Every cell rotated left by 1 or 2."""
    low = bits(64, 0x1111_1111_1111_1111 * ((1 << amount) - 1))
    return (x << amount) & ~low | (x >> (4 - amount)) & low


def PACMult(x: Bits) -> Bits:
    """By the circulant matrix (0, rho, rho**2, rho) of rotations: each row, 16 bits, from the three others."""
    rows = [x[15:0] @ x[63:16], x[31:0] @ x[63:32], x[47:0] @ x[63:48]]
    return _rotate_cells(rows[0], 1) ^ _rotate_cells(rows[1], 2) ^ _rotate_cells(rows[2], 1)


def TweakShuffle(x: Bits) -> Bits:
    cells = _cells(_shuffle(x, _H))
    for number in _TWEAK_LFSR_CELLS:
        cells[number] = (cells[number][0] ^ cells[number][1]) @ cells[number][3:1]
    return _join(cells)


def TweakInvShuffle(x: Bits) -> Bits:
    cells = _cells(x)
    for number in _TWEAK_LFSR_CELLS:
        cells[number] = cells[number][2:0] @ (cells[number][3] ^ cells[number][0])
    return _shuffle(_join(cells), _inverse(_H))


@pseudocode
def ComputePACQARMA5(data: Bits, modifier: Bits, key0: Bits, key1: Bits) -> Bits:
    """ComputePAC with five iterations (FEAT_PACQARMA5); ``key0`` is the high half of the key."""
    modk0 = key0[0] @ key0[63:2] @ (key0[63] ^ key0[1])
    runningmod = modifier
    workingval = data ^ key0
    for number, constant in enumerate(_ROUND_CONSTANTS):
        workingval = workingval ^ key1 ^ runningmod ^ constant
        if number > 0:
            workingval = PACMult(PACCellShuffle(workingval))
        workingval = PACSub(workingval)
        runningmod = TweakShuffle(runningmod)
    workingval = PACSub(PACMult(PACCellShuffle(workingval ^ modk0 ^ runningmod)))
    workingval = PACMult(PACCellShuffle(workingval)) ^ key1
    workingval = PACInvSub(PACCellInvShuffle(workingval))
    workingval = PACCellInvShuffle(PACMult(workingval)) ^ key0 ^ runningmod
    for number, constant in enumerate(reversed(_ROUND_CONSTANTS)):
        workingval = PACInvSub(workingval)
        if number < 4:
            workingval = PACCellInvShuffle(PACMult(workingval))
        runningmod = TweakInvShuffle(runningmod)
        workingval = workingval ^ constant ^ key1 ^ runningmod ^ _ALPHA
    return workingval ^ modk0


def _key(number: Bits) -> Bits:
    return PE().read("APKey", number)


def ComputePAC(data: Bits, modifier: Bits, key: Bits) -> Bits:
    """The 64-bit code of ``data`` under a key of 128 bits.

    With FEAT_PACIMP the algorithm is IMPLEMENTATION DEFINED: the engine makes of QARMA5 what a program may know of it.
    """
    pac = ComputePACQARMA5(data, modifier, key[127:64], key[63:0])
    return PE().implementation_defined(pac) if IsFeatureImplemented("FEAT_PACIMP") else pac


def _extension(selbit: Bits) -> tuple[Bits, Bits]:
    """The bits above the address: <top_bit:bottom_PAC_bit>, by EffectiveTBI and CalculateBottomPACBit; and TBI.

    ``selbit`` says whose range it is, that of TTBR0 or TTBR1.
    """
    tcr = TCR_EL1()
    tsz, tbi = If(selbit, tcr[21:16], tcr[5:0]), If(selbit, tcr[38], tcr[37])
    above = Ones(64) << (64 - tsz.zero_extend(7))
    return If(tbi, above & bits(64, (1 << 56) - 1), above), tbi


_BIT_55 = bits(64, 1 << 55)


def AddPAC(ptr: Bits, modifier: Bits, key: Bits) -> Bits:
    """``ptr`` with the code in the bits above its address, but for bit 55, which tells the halves of the space."""
    tcr = TCR_EL1()
    selbit = If(tcr[37] | tcr[38], ptr[55], ptr[63])
    extension, tbi = _extension(selbit)
    ext_ptr = If(selbit, ptr | extension, ptr & ~extension)
    pac = ComputePAC(ext_ptr, modifier, key)
    unusual = ~IsZero(ptr & extension) & ((ptr & extension) != extension)
    if IsFeatureImplemented("FEAT_EPAC"):
        pac = If(unusual, Zeros(64), pac)
    elif not IsFeatureImplemented("FEAT_PAuth2"):
        # Bit <top_bit-1> says that the pointer was none.
        pac = pac ^ If(unusual, If(tbi, bits(64, 1 << 54), bits(64, 1 << 62)), Zeros(64))
    field = extension & ~_BIT_55
    inserted = (ptr ^ pac) & field if IsFeatureImplemented("FEAT_PAuth2") else pac & field
    return ptr & ~extension | inserted | ext_ptr & _BIT_55


def Strip(ptr: Bits) -> Bits:
    """``ptr`` without its code: bit 55 repeated above the address."""
    extension, _ = _extension(ptr[55])
    return If(ptr[55], ptr | extension, ptr & ~extension)


def Auth(ptr: Bits, modifier: Bits, key: Bits, key_number: Bits, enabled: Bits, *, is_combined: bool) -> Bits:
    """The address in ``ptr`` when its code is right.

    When it is wrong: without FEAT_PAuth2 an address that faults, with the number of the key in bits 62:61 (54:53 under
    TBI); with FEAT_PAuth2 the difference of the codes stays in the pointer; with FEAT_FPAC an exception, if
    ``enabled``.
    """
    extension, tbi = _extension(ptr[55])
    field = extension & ~_BIT_55
    original_ptr = If(ptr[55], ptr | extension, ptr & ~extension)
    pac = ComputePAC(original_ptr, modifier, key)
    if IsFeatureImplemented("FEAT_PAuth2"):
        return _auth2(ptr, pac, extension, enabled, is_combined=is_combined)
    error_code = key_number @ ~key_number
    position = If(tbi, bits(6, 53), bits(6, 61))
    poisoned = original_ptr & ~(bits(64, 3) << position) | error_code.zero_extend(64) << position
    return If(PE().authenticates(ptr & field, pac & field, field), original_ptr, poisoned)


def _auth2(ptr: Bits, pac: Bits, extension: Bits, enabled: Bits, *, is_combined: bool) -> Bits:
    field = extension & ~_BIT_55
    original_ptr = If(ptr[55], ptr | extension, ptr & ~extension)
    right = PE().authenticates(ptr & field, (original_ptr ^ pac) & field, field)
    faults = "FEAT_FPACCOMBINE" if is_combined else "FEAT_FPAC"
    if IsFeatureImplemented(faults) and enabled & ~right:
        raise PointerAuthenticationFailure
    return If(right, original_ptr, ptr ^ pac & field)


def _enabled(key: Bits) -> Bits:
    """SCTLR_EL1.EnIA, EnIB, EnDA or EnDB."""
    sctlr = SCTLR_EL1()
    return Select(key, sctlr[31], sctlr[30], sctlr[27], sctlr[13])


def AddPACKey(x: Bits, modifier: Bits, key: Bits) -> Bits:
    """AddPACIA, AddPACIB, AddPACDA and AddPACDB, by ``key`` 0 to 3: ``x`` itself where the key is not enabled."""
    return If(_enabled(key), AddPAC(x, modifier, _key(key.zero_extend(3))), x)


def AuthKey(x: Bits, modifier: Bits, key: Bits, *, is_combined: bool = False) -> Bits:
    """AuthIA, AuthIB, AuthDA and AuthDB, by ``key`` 0 to 3: ``x`` itself where the key is not enabled."""
    enabled = _enabled(key)
    return If(enabled, Auth(x, modifier, _key(key.zero_extend(3)), key[0], enabled, is_combined=is_combined), x)


def ComputeGenericPAC(x: Bits, y: Bits) -> Bits:
    """AddPACGA: the high 32 bits of the code under the generic key, which no control disables."""
    return ComputePAC(x, y, _key(APGAKEY))[63:32] @ Zeros(32)
