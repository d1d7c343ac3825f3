"""What a case says of the machine before it runs: tagged blocks of registers that list only what differs from the
default.

This module knows names, ranges and defaults. It knows nothing of how a backend stores a register: layout.py does.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from assay64.harness.errors import UsageError

MASK64 = (1 << 64) - 1
MASK128 = (1 << 128) - 1

PAC_KEYS = ("apia", "apib", "apda", "apdb", "apga")

# PSTATE as SPSR_EL1 lays it out (Arm ARM, D1.7 and C5.2.19): name -> (lowest bit, width).
PSTATE_FIELDS: Mapping[str, tuple[int, int]] = {
    "nzcv": (28, 4),
    "tco": (25, 1),
    "dit": (24, 1),
    "ss": (21, 1),
    "il": (20, 1),
    "ssbs": (12, 1),
    "btype": (10, 2),
    "daif": (6, 4),
    "mode": (0, 5),
}

# Writable bits of FPCR and FPSR in the models that we have: AHP DN FZ RMode FZ16 (AFP's NEP, AH, FIZ); QC IDC IXC UFC
# OFC DZC IOC.
FPCR_MASK = 0x07F8_0007
FPSR_MASK = 0x0800_009F


class General(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="general"):
    """General-purpose registers, SP, PC and the flags. ``None`` is the case's default (see case.py)."""

    x: dict[int, int] = {}
    sp: int | None = None
    pc: int | None = None
    nzcv: int = 0

    def __post_init__(self) -> None:
        for index, value in self.x.items():
            _within("x", index, 30)
            _unsigned(f"x{index}", value, MASK64)
        for name in ("sp", "pc"):
            if (value := getattr(self, name)) is not None:
                _unsigned(name, value, MASK64)
        _unsigned("nzcv", self.nzcv, 15)


class Simd(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="simd"):
    """V registers (128-bit integers, element 0 lowest), FPCR and FPSR."""

    v: dict[int, int] = {}
    fpcr: int = 0
    fpsr: int = 0

    def __post_init__(self) -> None:
        for index, value in self.v.items():
            _within("v", index, 31)
            _unsigned(f"v{index}", value, MASK128)
        # After an MSR they may hold bits beyond the masks, whose storage is IMPLEMENTATION DEFINED.
        _unsigned("fpcr", self.fpcr, MASK64)
        _unsigned("fpsr", self.fpsr, MASK64)


class System(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, tag="system"):
    """The rest of PSTATE, the thread registers, the PAC keys (128-bit) and the event register.

    ``mode`` is PSTATE's EL and SP as SPSR.M gives them: 0 is EL0, 4 EL1t, 5 EL1h. It and DAIF come from the environment
    unless they are given here.
    """

    btype: int = 0
    ssbs: int = 0
    dit: int = 0
    tco: int = 0
    ss: int = 0
    il: int = 0
    daif: int = 0
    mode: int | None = None
    tpidr_el0: int = 0
    tpidrro_el0: int = 0
    keys: dict[str, int] = {}
    event_register: int = 0

    def __post_init__(self) -> None:
        for name, (_, width) in PSTATE_FIELDS.items():
            value = 0 if name == "nzcv" else getattr(self, name)
            _unsigned(name, value or 0, (1 << width) - 1)
        for name in ("tpidr_el0", "tpidrro_el0"):
            _unsigned(name, getattr(self, name), MASK64)
        for name, key in self.keys.items():
            if name not in PAC_KEYS:
                raise ValueError(f"no PAC key is called {name!r}: they are {', '.join(PAC_KEYS)}")
            _unsigned(f"keys.{name}", key, MASK128)
        _unsigned("event_register", self.event_register, 1)


Block = General | Simd | System
_BLOCKS: Mapping[str, type[Block]] = {"general": General, "simd": Simd, "system": System}


class State(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """One vCPU's registers as blocks.

    A block that is absent, or a register that a block does not list, has its default.
    """

    blocks: tuple[Block, ...] = ()

    def __post_init__(self) -> None:
        kinds = [type(block) for block in self.blocks]
        if len(set(kinds)) != len(kinds):
            raise ValueError("a state lists the same block twice")

    def _block(self, kind: type[Any]) -> Any:
        return next((block for block in self.blocks if isinstance(block, kind)), kind())

    @property
    def general(self) -> General:
        return self._block(General)

    @property
    def simd(self) -> Simd:
        return self._block(Simd)

    @property
    def system(self) -> System:
        return self._block(System)

    @staticmethod
    def of(**registers: int | None) -> State:
        """``State.of(x1=5, sp=..., v0=..., nzcv=..., fpcr=..., btype=..., apia=...)``: negative values are two's
        complement.

        Raises UsageError for a name that is no register and for a value that does not fit.
        """
        groups: dict[str, dict[str, Any]] = {"general": {}, "simd": {}, "system": {}}
        for name, value in registers.items():
            if value is None:
                continue
            block, field, index, mask = locate(name)
            if not -(mask + 1) // 2 <= value <= mask:
                raise UsageError(f"{name}={value:#x} does not fit: {name} has {mask.bit_length()} bits")
            value &= mask
            if index is None:
                groups[block][field] = value
            elif value:  # zero is every register's default
                groups[block].setdefault(field, {})[index] = value
        try:
            return State(blocks=tuple(_BLOCKS[name](**fields) for name, fields in groups.items() if fields))
        except ValueError as error:
            raise UsageError(str(error)) from error

    def registers(self) -> Iterator[tuple[str, int]]:
        """The registers that differ from their default, as ``State.of`` names them."""
        general, simd, system = self.general, self.simd, self.system
        yield from ((f"x{index}", general.x[index]) for index in sorted(general.x))
        for name in ("sp", "pc"):
            if (value := getattr(general, name)) is not None:
                yield name, value
        if general.nzcv:
            yield "nzcv", general.nzcv
        yield from ((f"v{index}", simd.v[index]) for index in sorted(simd.v))
        for block, names in ((simd, ("fpcr", "fpsr")), (system, (*PSTATE_FIELDS, *THREAD, "event_register"))):
            for name in names:
                if name != "nzcv" and (value := getattr(block, name)):
                    yield name, value
        yield from ((name, system.keys[name]) for name in PAC_KEYS if system.keys.get(name))


THREAD = ("tpidr_el0", "tpidrro_el0")


def locate(name: str) -> tuple[str, str, int | str | None, int]:
    """Where a register called ``name`` lives: block, field, index in that field (or None), and the mask of its bits."""
    if name[:1] in "xv" and name[1:].isdecimal():
        index = int(name[1:])
        if index <= (30 if name[0] == "x" else 31):
            return ("general", "x", index, MASK64) if name[0] == "x" else ("simd", "v", index, MASK128)
    match name:
        case "sp" | "pc":
            return "general", name, None, MASK64
        case "nzcv":
            return "general", name, None, 15
        case "fpcr" | "fpsr":
            return "simd", name, None, FPCR_MASK if name == "fpcr" else FPSR_MASK
        case "tpidr_el0" | "tpidrro_el0":
            return "system", name, None, MASK64
        case "event_register":
            return "system", name, None, 1
        case _ if name in PAC_KEYS:
            return "system", "keys", name, MASK128
        case _ if name in PSTATE_FIELDS:
            return "system", name, None, (1 << PSTATE_FIELDS[name][1]) - 1
        case _:
            pass
    others = (*(field for field in PSTATE_FIELDS if field != "nzcv"), *THREAD, *PAC_KEYS, "event_register")
    raise UsageError(
        f"no register is called {name!r}: there are x0-x30, sp, pc, nzcv, v0-v31, fpcr, fpsr, {', '.join(others)}"
    )


def _within(name: str, index: int, highest: int) -> None:
    if not 0 <= index <= highest:
        raise ValueError(f"there is no {name}{index}: {name}0 to {name}{highest} exist")


def _unsigned(name: str, value: int, mask: int) -> None:
    if value < 0 or value & ~mask:
        raise ValueError(f"{name}={value:#x} is outside the bits {mask:#x} that it has")
