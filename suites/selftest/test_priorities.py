"""The order of exceptions where several are due (Arm ARM D1.3.5), and what Arm leaves open about Device memory."""

from __future__ import annotations

import mmap

import pytest

from assay64.harness.cases.authoring import asm
from assay64.harness.cases.batches import batch_of
from assay64.harness.cases.case import (
    CODE_ADDRESS,
    DATA_REGION,
    SCTLR_EL1,
    Case,
    Environment,
    MemoryType,
    Region,
    Run,
)
from assay64.harness.cases.outcome import Exit, ExitKind
from assay64.harness.cases.state import State
from assay64.harness.judge.expected import Oracle
from assay64.harness.judge.native_reference import NativeReference
from assay64.reference import Machine
from assay64.reference.engines.accesses import Controls
from assay64.reference.machine import DEFAULT_SCTLR
from assay64.reference.pseudocode.exceptions import (
    IllegalState,
    InstructionAbort,
    PCAlignmentFault,
    PointerAuthenticationFailure,
    SPAlignmentFault,
)

CODE, DATA = 0x1_0000, 0x2_0000
NOP = 0xD503_201F
ENGINES = ("golden", "native")


ENDA = 1 << 27


def machine(engine: str, model: str = "apple-m2") -> Machine:
    made = Machine(model, engine=engine, controls=Controls(SCTLR_EL1=DEFAULT_SCTLR | ENDA))
    made.map(CODE, 0x1000, "rx")
    made.write(CODE, NOP.to_bytes(4, "little"))
    made.set("PC", 0, CODE)
    return made


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("pc", "exception"), [(CODE, IllegalState), (CODE + 2, PCAlignmentFault), (DATA, InstructionAbort)]
)
def test_an_illegal_state_is_seen_after_the_fetch(engine, pc, exception):
    made = machine(engine)
    made.set("PSTATE.IL", 0, 1)
    made.set("PC", 0, pc)
    assert type(made.run(1).exception) is exception


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    ("features", "sp", "exception"),
    [
        ("FEAT_PAuth2+FEAT_FPAC+FEAT_FPACCOMBINE", 0x0012_0000_0002_0008, PointerAuthenticationFailure),
        ("FEAT_PAuth2", 0x0012_0000_0002_0008, SPAlignmentFault),
    ],
)
def test_ldraa_authenticates_sp_before_it_checks_its_alignment(engine, features, sp, exception):
    made = machine(engine, f"max+{features}")
    made.write(CODE, (0xF8200400 | 31 << 5).to_bytes(4, "little"))  # ldraa x0, [sp]
    made.set("SP_EL0", 0, sp)
    assert type(made.run(1).exception) is exception


def exits(text: str, environment: Environment, **registers: int) -> set[str]:
    case = Case(code=asm(text), states=(State.of(**registers),), environment=environment)
    return {str(permitted.outcome.exits[0]) for permitted in Oracle().permitted(case)}


@pytest.mark.parametrize(("text", "bit"), [("wfi", 16), ("wfe", 18)])
def test_waiting_may_be_trapped_and_completing_never_is(text, bit):
    waits, completes = str(Exit(kind=ExitKind.WAIT)), str(Exit(kind=ExitKind.UNTIL))
    assert exits(text, Environment()) == {waits, completes}
    trapped = exits(text, Environment(sctlr_el1=SCTLR_EL1 & ~(1 << bit)))
    assert trapped == {str(Exit(kind=ExitKind.TRAP)), completes}
    if text == "wfe":
        assert exits(text, Environment(sctlr_el1=SCTLR_EL1 & ~(1 << bit)), event_register=1) == {completes}


def test_device_memory_may_be_executed_or_not():
    address = 0x5000_0000
    region = Region(address=address, size=0x1000, permissions="rx", memory_type=MemoryType.DEVICE)
    case = Case(code=asm("br x1"), states=(State.of(x1=address),), regions=(*Case(code=(NOP,)).regions, region))
    found = [permitted.outcome.exits[0] for permitted in Oracle().permitted(case)]
    assert Exit(kind=ExitKind.UNDEFINED) in found  # the zeros there
    assert "instruction_abort fetch 0x50000000 (permission)" in map(str, found)


@pytest.mark.parametrize("engine", ENGINES)
def test_both_engines_execute_in_device_memory_where_the_model_does(engine):
    made = machine(engine)
    made.space.map(DATA, memoryview(mmap.mmap(-1, 0x1000)), 0, 0x1000, "rwx", device=True)
    made.write(DATA, NOP.to_bytes(4, "little"))
    made.set("PC", 0, DATA)
    assert made.run(1).reason == "budget"
    assert made.get("PC") == DATA + 4


@pytest.mark.parametrize(
    ("address", "parts"), [(DATA_REGION[0] - 4, 0), (sum(DATA_REGION) - 4, DATA_REGION[1] - 4), (0x100, None)]
)
def test_a_store_that_aborts_on_one_page_is_not_decided_by_the_native_engine(address, parts):
    """The bytes on the other page are UNKNOWN."""
    case = Case(code=asm("str x0, [x1]"), states=(State.of(x0=-1, x1=address),))
    found = NativeReference()(batch_of([case], (CODE_ADDRESS, Run().budget, None, Environment())))
    assert found.decided.tolist() == [parts is None]
    for permitted in Oracle().permitted(case):
        unknown = {byte for byte, _ in permitted.unknown.memory}
        assert unknown == (set() if parts is None else {DATA_REGION[0] + parts + n for n in range(4)})
