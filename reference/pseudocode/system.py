"""System registers and system instructions as EL0 reaches them. The registers are data: system_registers.toml.

What is read, written and trapped is decided here from a row of that table; which value an implementation has (cache
sizes, counters) is the engine's.
"""

from __future__ import annotations

import itertools
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from assay64.reference.bits import Bits, bits
from assay64.reference.pseudocode.exceptions import SystemAccessTrap, Undefined
from assay64.reference.pseudocode.processor import PE, Constraint
from assay64.reference.pseudocode.unpredictable import ConstrainUnpredictable

_WIDTHS = (2, 3, 4, 4, 3)  # op0, op1, CRn, CRm, op2


@dataclass(frozen=True, kw_only=True)
class SystemRow:
    """A System register or system instruction, as a row of the table says; ``encoding`` is op0:op1:CRn:CRm:op2."""

    name: str
    encoding: int
    access: str = "read write"
    feature: str = ""
    enabled_by: Mapping[str, int] = field(default_factory=dict[str, int])
    trap: str = ""
    fields: Mapping[str, int] = field(default_factory=dict[str, int])
    mask: int = 0
    features: Mapping[str, int] = field(default_factory=dict[str, int])
    choices: Mapping[str, int] = field(default_factory=dict[str, int])
    source: str = ""


def _rows(kind: str) -> Iterator[SystemRow]:
    data = tomllib.loads(Path(__file__).with_name("system_registers.toml").read_text(encoding="utf-8"))
    for name, row in data[kind].items():
        ranges = [part.partition("-") for part in row.pop("encoding").split()]
        for numbers in itertools.product(*(range(int(low), int(high or low) + 1) for low, _, high in ranges)):
            encoding = 0
            for number, width in zip(numbers, _WIDTHS, strict=True):
                encoding = encoding << width | number
            yield SystemRow(name=name, encoding=encoding, **row)


SYSTEM_REGISTERS = tuple(_rows("register"))
SYSTEM_INSTRUCTIONS = tuple(_rows("instruction"))


def SystemRegister(encoding: Bits, access: str) -> SystemRow:
    """The register that MRS ("read") or MSR ("write") names, once the access is allowed."""
    row = _allowed(encoding, tuple(row for row in SYSTEM_REGISTERS if access in row.access))
    if row is not None:
        return row
    # The feature ID space: op0 3, op1 0, 1 or 3, CRn 0, CRm 0 to 7.
    op0, op1, CRn, CRm = encoding[15:14], encoding[13:11], encoding[10:7], encoding[6:3]
    is_id_register = (op0 == 3) & (op1 != 2) & (op1 < 4) & (CRn == 0) & (CRm < 8)
    if access == "read" and is_id_register and PE().has_feature("FEAT_IDST"):
        raise SystemAccessTrap(0x18)
    raise Undefined


def SystemInstruction(encoding: Bits) -> SystemRow:
    """The instruction that SYS names, once it is allowed."""
    row = _allowed(encoding, SYSTEM_INSTRUCTIONS)
    if row is None:
        raise Undefined
    return row


def _allowed(encoding: Bits, rows: tuple[SystemRow, ...]) -> SystemRow | None:
    for row in rows:
        if encoding == row.encoding:
            if row.feature and not PE().has_feature(row.feature):
                raise Undefined
            for control, mask in row.enabled_by.items():
                PE().check_system_access(control, mask)
            if row.trap:
                PE().check_fp_enabled()
            return row
    return None


def AArch64_SysRegRead(register: SystemRow) -> Bits:
    """The value that MRS reads. Bits that the register does not have are RES0."""
    if register.source:
        return PE().read_implementation(register.name)
    if register.mask:
        return PE().read(register.name, None)
    value = bits(64, 0)
    for name, low in register.fields.items():
        value = value | PE().read(f"PSTATE.{name}", None).zero_extend(64) << low
    return value


def AArch64_SysRegWrite(register: SystemRow, value: Bits) -> None:
    """MSR: bits that the register does not have are ignored."""
    for name, low in register.fields.items():
        width = 4 if name == "DAIF" else 1
        PE().write(f"PSTATE.{name}", None, value[low + width - 1 : low])
    mask = register.mask
    for feature, more in register.features.items():
        mask |= more if PE().has_feature(feature) else 0
    for choice, more in register.choices.items():
        mask |= more if ConstrainUnpredictable(choice) is Constraint.TRUE else 0
    if register.mask:
        PE().write(register.name, None, value & mask)


def CheckSystemAccess(control: str, mask: int) -> None:
    """A trap to EL1 unless the control register allows EL0 to do this."""
    PE().check_system_access(control, mask)
