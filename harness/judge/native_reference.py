"""The native engine as the reference for batches: n answers in one call, where one outcome is all that Arm permits.

What the engine marks as open, or leaves to golden, stays undecided, and the oracle enumerates it.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import replace

import numpy as np

from assay64.harness.cases.case import CODE_REGION, DATA_REGION, Environment
from assay64.harness.cases.layout import ACCESSES, EXIT_DTYPE, EXIT_KINDS, FAULTS, STATE_DTYPE, Batch
from assay64.harness.cases.memory import fill_bytes
from assay64.harness.cases.outcome import Access, ExitKind, Fault
from assay64.harness.engine_choice import chosen_engine
from assay64.harness.judge.batch import BatchReference, Expected
from assay64.reference.engines.accesses import Controls
from assay64.reference.engines.native import build, layout
from assay64.reference.engines.native.batch import Batch as Cases
from assay64.reference.engines.native.batch import BatchMachine
from assay64.reference.engines.sizes import TableSizes
from assay64.reference.errors import EngineUnavailable

_KINDS = {
    layout.EXIT_UNTIL: ExitKind.UNTIL,
    layout.EXIT_UNDEFINED: ExitKind.UNDEFINED,
    layout.EXIT_SVC: ExitKind.SVC,
    layout.EXIT_BRK: ExitKind.BRK,
    layout.EXIT_DATA_ABORT: ExitKind.DATA_ABORT,
    layout.EXIT_BUDGET: ExitKind.BUDGET,
}
# From the engine's numbers to those of the exits' records; what is not in it stays undecided.
_KIND_NUMBERS = np.zeros(16, np.uint32)
_IS_EXIT = np.zeros(16, np.bool_)
for _native, _kind in _KINDS.items():
    _KIND_NUMBERS[_native], _IS_EXIT[_native] = EXIT_KINDS.index(_kind), True
_FAULT_NUMBERS = np.array([FAULTS.index(Fault[name]) for name in layout.FAULTS], np.uint32)
_READ, _WRITE = ACCESSES.index(Access.READ), ACCESSES.index(Access.WRITE)
_REMEMBERED_MACHINES = 8


def native_reference() -> BatchReference | None:
    """The native engine, unless ASSAY64_ENGINE=golden says that golden is to answer for everything."""
    return NativeReference() if chosen_engine() == "native" else None


def prepare() -> None:
    """Compile the engine if this user has none yet: once, before many processes would each want it.

    EngineUnavailable when that fails, as it would in each of them.
    """
    if chosen_engine() == "native":
        try:
            build.library()
        except EngineUnavailable as error:
            raise EngineUnavailable(f"{error}: ASSAY64_ENGINE=golden judges with that one") from error


class NativeReference:
    """Answers for batches. It keeps a machine for each of the last few environments."""

    def __init__(self) -> None:
        self._machines: OrderedDict[Environment, BatchMachine] = OrderedDict()

    def __call__(self, batch: Batch) -> Expected:
        cases = Cases(batch.code, batch.code_words, batch.initial, batch.budget)
        contents = None if batch.fill is None else fill_bytes(batch.fill, DATA_REGION[1])
        self._machine(batch.environment).run(cases, batch.code_address, contents, finish=False)
        kind = cases.ended["kind"]
        decided = (cases.open == 0) & _IS_EXIT[kind]
        answers = replace(batch, final=cases.final.view(STATE_DTYPE), exits=np.zeros(len(batch), EXIT_DTYPE))
        exits, aborted = answers.exits, kind == layout.EXIT_DATA_ABORT
        exits["kind"] = _KIND_NUMBERS[kind]
        exits["access"] = np.where(aborted, np.where(cases.ended["access"] != 0, _WRITE, _READ), 0)
        exits["fault"] = np.where(aborted, _FAULT_NUMBERS[cases.ended["fault"]], 0)
        for name in ("immediate", "address", "executed"):
            exits[name] = cases.ended[name]
        rows = cases.changes[decided[cases.changes["case"]]]
        answers.changes = rows.view(answers.changes.dtype)
        answers.n_changes = len(rows)
        return Expected(answers, decided)

    def _machine(self, environment: Environment) -> BatchMachine:
        machine = self._machines.get(environment)
        if machine is None:
            controls = Controls(
                SCTLR_EL1=environment.sctlr_el1,
                top_byte_ignore=environment.top_byte_ignore,
                address_bits=environment.address_bits,
                exclusives_granule=environment.exclusives_granule,
                CPACR_EL1=environment.cpacr_el1,
                CNTKCTL_EL1=environment.cntkctl_el1,
                dc_zva_size=environment.dc_zva_size,
                cache_line_size=environment.cache_line_size,
            )
            machine = BatchMachine(
                environment.model, CODE_REGION, DATA_REGION, controls=controls, sizes=TableSizes(code_pages=32)
            )
            self._machines[environment] = machine
            if len(self._machines) > _REMEMBERED_MACHINES:
                self._machines.popitem(last=False)
        self._machines.move_to_end(environment)
        return machine
