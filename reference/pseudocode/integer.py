"""Shared functions on bit vectors and integers, under their names in Arm ARM J1.1 (shared/functions/common and
integer).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce

from assay64.reference.bits import Bits, Constant, If, SInt, UInt, apply, bits
from assay64.reference.pseudocode.exceptions import Undefined
from assay64.reference.pseudocode.processor import pseudocode
from assay64.reference.pseudocode.state import PSTATE


def Zeros(width: int) -> Bits:
    return bits(width, 0)


def Ones(width: int) -> Bits:
    return bits(width, (1 << width) - 1)


def ZeroExtend(x: Bits, width: int) -> Bits:
    return x.zero_extend(width)


def SignExtend(x: Bits, width: int) -> Bits:
    return x.sign_extend(width)


def IsZero(x: Bits) -> Bits:
    return x == 0


def Replicate(x: Bits, count: int) -> Bits:
    """``count`` copies of x, side by side."""
    result = x
    for _ in range(count - 1):
        result = result @ x
    return result


def LSL(x: Bits, shift: Bits | int) -> Bits:
    return x << shift


def LSR(x: Bits, shift: Bits | int) -> Bits:
    return x >> shift


def ASR(x: Bits, shift: Bits | int) -> Bits:
    return x.shift_right_arithmetic(shift)


def ROR(x: Bits, shift: Bits | int) -> Bits:
    """Rotate right by ``shift``, which is less than the width of x."""
    amount = shift.zero_extend(max(shift.width, 8)) if isinstance(shift, Bits) else bits(8, shift)
    return x >> amount | x << (x.width - amount)


def ROL(x: Bits, shift: int) -> Bits:
    return ROR(x, x.width - shift)


def ReverseLanes(x: Bits, size: int) -> Bits:
    """The lanes of ``size`` bits in reverse order: BitReverse for 1, Reverse (of bytes) for 8."""
    return apply("reverse_lanes", x.width, x, size)


def BitCount(x: Bits) -> Bits:
    """The bits that are set, counted in as many bits as x has."""
    return apply("count_ones", x.width, x)


def LowestSetBit(x: Bits) -> int:
    """The number of the lowest bit that is set, the width when none is. Shapes the definition: a Python int."""
    return next((position for position in range(x.width) if x[position]), x.width)


def CountLeadingZeroBits(x: Bits) -> Bits:
    """In as many bits as x has."""
    return apply("count_leading_zeros", x.width, x)


def CountLeadingSignBits(x: Bits) -> Bits:
    """The bits below the sign that equal it."""
    return CountLeadingZeroBits(x[x.width - 1 : 1] ^ x[x.width - 2 : 0]).zero_extend(x.width)


def HighestSetBit(x: Bits) -> int:
    """The number of the highest bit that is set, -1 when none is. Shapes the definition: a Python int."""
    for position in reversed(range(x.width)):
        if x[position]:
            return position
    return -1


def Elem(vector: Bits, e: Bits | int, size: int) -> Bits:
    """Elem[vector, e, size]: element ``e``, counted from the lowest.

    A number from the encoding is a shift, no branch.
    """
    if isinstance(e, int):
        return vector[(e + 1) * size - 1 : e * size]
    return (vector >> e.zero_extend(8) * size)[size - 1 : 0]


def Select(index: Bits, *options: Bits) -> Bits:
    """``options[index]``, without a branch. There are as many options as the index has values."""
    if isinstance(index, Constant):
        return options[index.value]
    top = index.width - 1
    half = len(options) // 2
    if top == 0:
        return If(index, options[1], options[0])
    rest = index[top - 1 : 0]
    return If(index[top], Select(rest, *options[half:]), Select(rest, *options[:half]))


@pseudocode
def lanes(
    function: Callable[..., Bits],
    size: int,
    *vectors: Bits,
    predicate: Bits | None = None,
    inactive: Bits | None = None,
) -> Bits:
    """``function`` on each lane of ``size`` bits of the vectors, the results side by side: Arm's element loops.

    The vectors have one width, the vector length. ``predicate`` has one bit for each lane; a lane whose bit is clear
    takes its part of ``inactive`` (zero when there is none).
    """
    results = list[Bits]()
    for lane, low in enumerate(range(0, vectors[0].width, size)):
        result = function(*(vector[low + size - 1 : low] for vector in vectors))
        if predicate is not None:
            other = (
                Zeros(result.width)
                if inactive is None
                else inactive[(lane + 1) * result.width - 1 : lane * result.width]
            )
            result = If(predicate[lane], result, other)
        results.append(result)
    return reduce(lambda low, high: high @ low, results)


@pseudocode
def AddWithCarry(x: Bits, y: Bits, carry_in: Bits) -> tuple[Bits, Bits]:
    """The sum, and its condition flags N:Z:C:V."""
    unsigned_sum = UInt(x) + UInt(y) + UInt(carry_in)
    signed_sum = SInt(x) + SInt(y) + UInt(carry_in)
    result = unsigned_sum[x.width - 1 : 0]
    n = result[x.width - 1]
    z = IsZero(result)
    c = UInt(result) != unsigned_sum
    v = SInt(result) != signed_sum
    return result, n @ z @ c @ v


def ShiftReg(x: Bits, shift_type: Bits, amount: Bits) -> Bits:
    """DecodeShift and ShiftReg: LSL, LSR, ASR, ROR of x by ``amount``, which is less than the width of x."""
    if shift_type == 0b00:
        return LSL(x, amount)
    if shift_type == 0b01:
        return LSR(x, amount)
    if shift_type == 0b10:
        return ASR(x, amount)
    return ROR(x, amount)


def ExtendReg(x: Bits, option: Bits, shift: Bits | int, width: int) -> Bits:
    """DecodeRegExtend and ExtendReg: the low 8, 16, 32 or 64 bits of x (UXTB ...

    SXTX), extended and shifted left by 0 to 4.
    """
    length = min(8 << int(option[1:0]), width)
    value = x[length - 1 : 0]
    return (value.sign_extend(width) if option[2] else value.zero_extend(width)) << shift


def DecodeBitMasks(immN: Bits, imms: Bits, immr: Bits, immediate: bool, width: int) -> tuple[Bits, Bits]:
    """The bitmask immediates: wmask rotates a run of ones within its element, tmask is that run at the element's top
    and bottom.
    """
    length = HighestSetBit(immN @ ~imms)
    if length < 1 or 1 << length > width:
        raise Undefined
    levels = bits(6, (1 << length) - 1)
    # For logical immediates an all-ones value of S is reserved, since it would generate a useless all-ones result.
    if immediate and (imms & levels) == levels:
        raise Undefined
    s, r = imms & levels, immr & levels
    esize = 1 << length
    d = (s - r)[length - 1 : 0]
    welem = Ones(esize) >> (esize - 1 - s.zero_extend(8))
    telem = Ones(esize) >> (esize - 1 - d.zero_extend(8))
    return Replicate(ROR(welem, r), width // esize), Replicate(telem, width // esize)


def ConditionHolds(cond: Bits) -> Bits:
    """Whether the flags satisfy the condition. AL and NV (0b1111) always hold."""
    n, z, c, v = PSTATE.N, PSTATE.Z, PSTATE.C, PSTATE.V
    result = Select(cond[3:1], z, c, n, v, c & ~z, n == v, (n == v) & ~z, bits(1, 1))
    return result ^ (cond[0] & (cond != 0b1111))


def DivideUnsigned(x: Bits, y: Bits) -> Bits:
    """Rounded towards zero; by zero gives zero."""
    return apply("udiv", x.width, x, y)


def DivideSigned(x: Bits, y: Bits) -> Bits:
    """Rounded towards zero; by zero gives zero; the most negative by -1 overflows to itself."""
    top = x.width - 1
    quotient = DivideUnsigned(If(x[top], -x, x), If(y[top], -y, y))
    return If(x[top] ^ y[top], -quotient, quotient)


def SquareRoot(x: Bits) -> Bits:
    """Of an unsigned integer, rounded towards zero."""
    return apply("isqrt", x.width, x)


@pseudocode
def Poly32Mod2(data: Bits, poly: Bits) -> Bits:
    """The remainder of ``data`` divided by 2**32 + ``poly`` as polynomials over {0,1}."""
    divisor = bits(1, 1) @ poly
    for position in reversed(range(32, data.width)):
        aligned = divisor.zero_extend(data.width) << (position - 32)
        data = If(data[position], data ^ aligned, data)
    return data[31:0]
