"""The columnar form: states, exits and changed memory as numpy structured arrays with the layout of assay64_backend.h.

Backends read and write these records; a million single-run cases are a few arrays. The offsets are checked against the
C header in the tests, so that the two cannot drift.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from assay64.harness.cases.case import Environment
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.harness.cases.state import PAC_KEYS, PSTATE_FIELDS, THREAD, General, Simd, State, System

ABI_VERSION = 1

# struct assay64_state
STATE_DTYPE = np.dtype(
    [
        ("size", "<u4"),
        ("version", "<u4"),
        ("x", "<u8", 31),
        ("sp", "<u8"),
        ("pc", "<u8"),
        ("pstate", "<u8"),
        ("v", "<u8", (32, 2)),
        ("fpcr", "<u8"),
        ("fpsr", "<u8"),
        ("tpidr_el0", "<u8"),
        ("tpidrro_el0", "<u8"),
        ("keys", "<u8", (5, 2)),
        ("event_register", "<u8"),
        ("reserved", "<u8", 4),
    ],
)

# struct assay64_exit; the enumerations are numbered in the order of outcome.py
EXIT_DTYPE = np.dtype(
    [
        ("kind", "<u4"),
        ("access", "<u4"),
        ("fault", "<u4"),
        ("flags", "<u4"),
        ("immediate", "<u8"),
        ("address", "<u8"),
        ("executed", "<u8"),
    ]
)

# struct assay64_change: eight bytes of memory, at a multiple of 8, that a case left different from the initial contents
CHANGE_DTYPE = np.dtype([("case", "<u4"), ("reserved", "<u4"), ("address", "<u8"), ("value", "<u8")])

EXECUTED_UNKNOWN = (1 << 64) - 1
EXIT_KINDS = tuple(ExitKind)
ACCESSES = tuple(Access)
FAULTS = tuple(Fault)
_KIND = {kind: number for number, kind in enumerate(EXIT_KINDS)}

StateRecord = npt.NDArray[Any]  # shape (), dtype STATE_DTYPE


@dataclass
class Batch:
    """n single-run cases over the same memory: the default code region and the default data region.

    ``code`` has shape (n, w) and ``code_words`` says how many of the w words each case has; the rest of a row is
    ignored. Every case starts from ``initial`` (n,) with the data region as ``fill`` makes it (see memory.py), stops at
    the end of its code, after ``budget`` instructions, or by an exit. The backend fills ``final``, ``exits`` and the
    first ``n_changes`` rows of ``changes``, in the order of the cases. ``done`` counts finished cases. The instance
    that runs it is made for ``environment``. Where a backend declares ``in_place``, ``final`` may be ``initial``.
    """

    code: npt.NDArray[np.uint32]
    code_words: npt.NDArray[np.uint32]
    code_address: int
    initial: npt.NDArray[Any]
    budget: int = 1000
    fill: int | None = None
    final: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, STATE_DTYPE))
    exits: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, EXIT_DTYPE))
    changes: npt.NDArray[Any] = field(default_factory=lambda: np.zeros(0, CHANGE_DTYPE))
    n_changes: int = 0
    done: int = 0
    environment: Environment = field(default_factory=Environment)

    def __post_init__(self) -> None:
        n = len(self.code)
        if len(self.final) != n:
            self.final = np.zeros(n, STATE_DTYPE)
        if len(self.exits) != n:
            self.exits = np.zeros(n, EXIT_DTYPE)

    def __len__(self) -> int:
        return len(self.code)


def new_state(count: int | None = None) -> npt.NDArray[Any]:
    """A zeroed state record, or an array of ``count`` of them, with size and version filled in."""
    record = np.zeros(() if count is None else (count,), STATE_DTYPE)
    record["size"], record["version"] = STATE_DTYPE.itemsize, ABI_VERSION
    return record


def pack_state(state: State, *, pc: int, sp: int, mode: int = 0) -> StateRecord:
    """The record of ``state``; ``pc``, ``sp`` and ``mode`` (PSTATE.M) are used where it gives none."""
    record = new_state()
    general, simd, system = state.general, state.simd, state.system
    for index, value in general.x.items():
        record["x"][index] = value
    record["sp"] = sp if general.sp is None else general.sp
    record["pc"] = pc if general.pc is None else general.pc
    for index, value in simd.v.items():
        record["v"][index] = (value & 0xFFFF_FFFF_FFFF_FFFF, value >> 64)
    record["fpcr"], record["fpsr"] = simd.fpcr, simd.fpsr
    pstate = 0
    for name, (low, _) in PSTATE_FIELDS.items():
        value = general.nzcv if name == "nzcv" else getattr(system, name)
        pstate |= (mode if value is None else value) << low
    record["pstate"] = pstate
    for name in THREAD:
        record[name] = getattr(system, name)
    for row, name in enumerate(PAC_KEYS):
        key = system.keys.get(name, 0)
        record["keys"][row] = (key & 0xFFFF_FFFF_FFFF_FFFF, key >> 64)
    record["event_register"] = system.event_register
    return record


def unpack_state(record: StateRecord) -> State:
    """The state that a record holds, complete: SP, PC and the mode always, every other register that is not zero."""
    x = {index: value for index, value in enumerate(record["x"].tolist()) if value}
    v = {index: low | high << 64 for index, (low, high) in enumerate(record["v"].tolist()) if low or high}
    pstate = int(record["pstate"])
    fields = {name: pstate >> low & (1 << width) - 1 for name, (low, width) in PSTATE_FIELDS.items()}
    nzcv = fields.pop("nzcv")
    keys = {
        name: low | high << 64
        for name, (low, high) in zip(PAC_KEYS, record["keys"].tolist(), strict=True)
        if low or high
    }
    return State(
        blocks=(
            General(x=x, sp=int(record["sp"]), pc=int(record["pc"]), nzcv=nzcv),
            Simd(v=v, fpcr=int(record["fpcr"]), fpsr=int(record["fpsr"])),
            System(
                **fields,
                **{name: int(record[name]) for name in THREAD},
                keys=keys,
                event_register=int(record["event_register"]),
            ),
        )
    )


def pack_exit(ended: Exit, executed: int = EXECUTED_UNKNOWN) -> npt.NDArray[Any]:
    record = np.zeros((), EXIT_DTYPE)
    record["kind"], record["access"], record["fault"] = (
        _KIND[ended.kind],
        ACCESSES.index(ended.access),
        FAULTS.index(ended.fault),
    )
    record["immediate"], record["address"], record["executed"] = ended.immediate, ended.address, executed
    return record


def unpack_exit(record: npt.NDArray[Any]) -> Exit:
    """The exit that a record holds. ValueError when a backend wrote a number that is no kind, access or fault."""
    kind, access, fault = int(record["kind"]), int(record["access"]), int(record["fault"])
    if kind >= len(EXIT_KINDS) or access >= len(ACCESSES) or fault >= len(FAULTS):
        raise ValueError(
            f"the backend reported an exit that does not exist (kind {kind}, access {access}, fault {fault})"
        )
    return Exit(
        kind=EXIT_KINDS[kind],
        access=ACCESSES[access],
        fault=FAULTS[fault],
        immediate=int(record["immediate"]),
        address=int(record["address"]),
    )
