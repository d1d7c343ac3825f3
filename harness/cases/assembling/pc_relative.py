"""Puts the target of a branch, ADR, ADRP or literal load into its word, with the range check that belongs to it.

Sources: Arm ARM, C6.2 (B, BL, B.cond, BC.cond, CBZ, TBZ, ADR, ADRP, LDR (literal), LDRSW (literal), PRFM (literal)) and
C7.2 (LDR (literal, SIMD&FP)). This file must not know assembly text.
"""

from __future__ import annotations

from dataclasses import dataclass

ADDRESS_MASK = 0xFFFF_FFFF_FFFF_FFFF


@dataclass(frozen=True, slots=True)
class _Form:
    """Words with `word & mask == value` hold a signed offset of `bits` bits in units of `unit` bytes."""

    mask: int
    value: int
    bits: int
    unit: int


_FORMS = (
    _Form(0x7C00_0000, 0x1400_0000, 26, 4),  # B, BL
    _Form(0xFF00_0000, 0x5400_0000, 19, 4),  # B.cond, BC.cond
    _Form(0x7E00_0000, 0x3400_0000, 19, 4),  # CBZ, CBNZ
    _Form(0x7E00_0000, 0x3600_0000, 14, 4),  # TBZ, TBNZ
    _Form(0x3B00_0000, 0x1800_0000, 19, 4),  # LDR, LDRSW, PRFM (literal), of general and of SIMD&FP registers
    _Form(0x9F00_0000, 0x1000_0000, 21, 1),  # ADR
    _Form(0x9F00_0000, 0x9000_0000, 21, 4096),  # ADRP
)


def _form(word: int) -> _Form | None:
    return next((form for form in _FORMS if word & form.mask == form.value), None)


def _field_mask(form: _Form) -> int:
    if form.bits == 21:
        return 0x60FF_FFE0
    return ((1 << form.bits) - 1) << (0 if form.bits == 26 else 5)


def with_target(word: int, address: int, target: int) -> int:
    """The word, which lies at `address`, made to refer to `target`. ValueError says what does not fit."""
    form = _form(word)
    if form is None:
        raise ValueError("this instruction takes no target")
    origin = address & -form.unit if form.unit == 4096 else address
    goal = target & -form.unit if form.unit == 4096 else target
    distance = (goal - origin) & ADDRESS_MASK
    distance -= (distance & 1 << 63) << 1
    reach = form.unit << (form.bits - 1)
    if distance % form.unit:
        raise ValueError(f"the target {target:#x} is not a multiple of 4")
    if not -reach <= distance < reach:
        hint = f"; a number is an absolute address, and . + {target:#x} a distance" if target < reach else ""
        raise ValueError(f"the target {target:#x} is out of reach from {address:#x} (+-{_size(reach)}){hint}")
    offset = distance // form.unit & ((1 << form.bits) - 1)
    cleared = word & ~_field_mask(form)
    if form.bits == 21:
        return cleared | (offset & 3) << 29 | (offset >> 2) << 5
    return cleared | offset << (0 if form.bits == 26 else 5)


def target_of(word: int, address: int) -> int | None:
    """The address that a PC-relative word at `address` refers to, or None for other words."""
    form = _form(word)
    if form is None:
        return None
    if form.bits == 21:
        offset = (word >> 5 & 0x7FFFF) << 2 | word >> 29 & 3
    else:
        offset = word >> (0 if form.bits == 26 else 5) & ((1 << form.bits) - 1)
    offset -= (offset & 1 << (form.bits - 1)) << 1
    origin = address & -4096 if form.unit == 4096 else address
    return (origin + offset * form.unit) & ADDRESS_MASK


def _size(size_bytes: int) -> str:
    for unit, shift in (("GiB", 30), ("MiB", 20), ("KiB", 10)):
        if size_bytes >> shift:
            return f"{size_bytes >> shift} {unit}"
    return f"{size_bytes} bytes"
