"""Cases are executed through the contract as they are written: memory, states, actions, reuse of instances. Knows no
worker.
"""

from __future__ import annotations

import pytest

from assay64.harness.backends.contract import Unsupported
from assay64.harness.cases.case import (
    CODE_ADDRESS,
    DATA_REGION,
    DEFAULT_REGIONS,
    STACK_POINTER,
    Alias,
    Case,
    Environment,
    FreeRun,
    Map,
    NotifyCode,
    Protect,
    Region,
    Run,
    Schedule,
    SetBreakpoint,
    Step,
    Unmap,
    WriteMemory,
)
from assay64.harness.cases.memory import fill_bytes
from assay64.harness.cases.outcome import ExitKind, MemoryChange
from assay64.harness.cases.state import State
from assay64.harness.judge.execute import Executor, execute
from assay64.suites.selftest.judge_backends import SVC, Tiny, add, adds, movz, str_

DATA = DATA_REGION[0]


def final(case: Case, backend: Tiny | None = None) -> dict[str, int]:
    return dict(execute(case, backend or Tiny()).states[0].registers())


def test_one_instruction_changes_its_destination_and_the_pc():
    outcome = execute(Case(code=(add(0, 1, 2),), states=(State.of(x1=5, x2=7),)), Tiny())
    assert dict(outcome.states[0].registers()) == {
        "x0": 12, "x1": 5, "x2": 7, "sp": STACK_POINTER, "pc": CODE_ADDRESS + 4,
    }  # fmt: skip
    assert [exit_.kind for exit_ in outcome.exits] == [ExitKind.UNTIL]
    assert outcome.memory == ()


def test_memory_changes_are_coalesced_by_address():
    code = (movz(0, 0xBBAA), str_(0, 1), str_(0, 1, 8))
    outcome = execute(Case(code=code, states=(State.of(x1=DATA + 0x100),)), Tiny())
    assert outcome.memory == (MemoryChange(DATA + 0x100, "aabb"), MemoryChange(DATA + 0x108, "aabb"))


def test_fill_and_contents_lie_under_the_stores():
    region = Region(address=DATA, size=DATA_REGION[1], fill=7, contents=((0, "0102030405060708"),))
    regions = (DEFAULT_REGIONS[0], region)
    outcome = execute(Case(code=(str_(31, 1), str_(31, 1, 8)), states=(State.of(x1=DATA),), regions=regions), Tiny())
    written = {c.address + i for c in outcome.memory for i in range(len(bytes.fromhex(c.bytes)))}
    nonzero = {DATA + 8 + i for i, byte in enumerate(fill_bytes(7, DATA_REGION[1])[8:16]) if byte}
    assert written == set(range(DATA, DATA + 8)) | nonzero


def test_an_alias_is_reported_at_its_lowest_address():
    low = Region(address=0x3000_0000, size=0x10000, backing="shared")
    high = Region(address=0x4000_0000, size=0x10000, backing="shared")
    case = Case(code=(str_(0, 1),), states=(State.of(x0=0x11, x1=0x4000_0010),), regions=(*DEFAULT_REGIONS, high, low))
    assert execute(case, Tiny()).memory == (MemoryChange(0x3000_0010, "11"),)


def test_permissions_are_those_of_the_exception_level():
    readonly_at_el0 = Region(address=DATA, size=0x10000, permissions="r", el1_permissions="rw")
    case = Case(code=(str_(0, 1),), states=(State.of(x0=1, x1=DATA),), regions=(DEFAULT_REGIONS[0], readonly_at_el0))
    assert execute(case, Tiny()).exits[0].kind is ExitKind.DATA_ABORT


def test_exits_follow_the_actions_that_execute():
    code = (movz(0, 1), SVC | 7 << 5, movz(1, 2))
    case = Case(code=code, actions=(Step(), Run(), Run(budget=1)))
    outcome = execute(case, Tiny())
    assert [str(exit_) for exit_ in outcome.exits] == ["step", "svc #0x7", "budget"]


def test_a_schedule_passes_over_a_vcpu_that_has_left():
    code = (movz(0, 1), SVC, movz(0, 2))
    case = Case(code=code, states=(State(), State()), actions=(Schedule(turns=((1, 1), (0, 5), (0, 5), (1, 1))),))
    outcome = execute(case, Tiny())
    assert [exit_.kind for exit_ in outcome.exits] == [ExitKind.SVC, ExitKind.SVC]
    assert [dict(state.registers())["x0"] for state in outcome.states] == [1, 1]


def test_free_running_vcpus_each_have_a_thread():
    case = Case(code=(movz(0, 9),), states=(State(), State.of(x1=1)), actions=(FreeRun(vcpus=(0, 1)),))
    outcome = execute(case, Tiny())
    assert [exit_.kind for exit_ in outcome.exits] == [ExitKind.UNTIL] * 2
    assert [dict(state.registers())["x0"] for state in outcome.states] == [9, 9]


def test_memory_is_mapped_unmapped_and_aliased_while_the_case_runs():
    new = Region(address=0x5000_0000, size=0x10000, contents=((0, "ff"),))
    case = Case(
        code=(str_(0, 1), str_(0, 2)),
        states=(State.of(x0=3, x1=0x5000_0000, x2=0x1_0000),),
        actions=(
            Map(region=new),
            Alias(address=0x5000_0000, size=0x1000, at=0x1_0000),
            Unmap(address=0x5000_0000, size=0x10000),
            Run(),
            Map(region=new),
            Run(),
        ),
    )
    with pytest.raises(Unsupported, match="'set_breakpoint'"):
        execute(Case(code=case.code, actions=(SetBreakpoint(address=0), Run())), Tiny())
    exits = execute(case, Tiny()).exits
    assert exits[0].kind is ExitKind.DATA_ABORT
    assert exits[1].kind is ExitKind.UNTIL
    assert execute(case, Tiny()).memory == (MemoryChange(0x1_0000, "03"),)


@pytest.mark.parametrize(
    ("changes", "names"),
    [
        ({"requires": ("FEAT_SVE", "FEAT_LSE")}, "FEAT_SVE"),
        ({"actions": (Protect(address=DATA, size=0x1000, permissions="r"),)}, "'protect'"),
        ({"environment": Environment(exception_level=1)}, "EL1"),
        ({"states": (State(),) * 3}, "vCPU"),
    ],
)
def test_what_a_backend_lacks_is_named(changes, names):
    with pytest.raises(Unsupported, match=names):
        execute(Case(code=(movz(0, 1),), **changes), Tiny())


def test_reused_instances_give_what_fresh_ones_give():
    """Self-modified code, code written from outside without notice, other fills, other code: nothing may linger."""
    first, second = movz(0, 1), movz(0, 2)
    code_region = Region(address=DEFAULT_REGIONS[0].address, size=DEFAULT_REGIONS[0].size, permissions="rwx")
    writable = (code_region, DEFAULT_REGIONS[1])
    filled = (DEFAULT_REGIONS[0], Region(address=DATA, size=0x10000, fill=1))
    notify = NotifyCode(address=CODE_ADDRESS, size=4)
    rewrite = WriteMemory(address=CODE_ADDRESS, bytes=second.to_bytes(4, "little").hex())
    again = State.of(x5=CODE_ADDRESS, x6=first | movz(3, 3) << 32)
    cases = [
        Case(code=(first,), regions=writable),
        Case(code=(first,), regions=writable, actions=(Run(), rewrite)),
        Case(code=(second,), regions=writable),
        Case(code=(first,), regions=writable, actions=(rewrite, Run())),
        Case(code=(first,), regions=writable, actions=(Run(budget=1), rewrite, notify)),
        Case(code=(second, str_(6, 5)), regions=writable, states=(again,)),
        Case(code=(first, movz(3, 3)), regions=writable),
        Case(code=(second, movz(4, 4)), regions=writable),
        Case(regions=writable, states=(State.of(pc=CODE_ADDRESS),), actions=(Run(budget=1),)),
        Case(code=(str_(0, 1),), states=(State.of(x0=1, x1=DATA),)),
        Case(code=(str_(0, 1),), states=(State.of(x0=2, x1=DATA),)),
        Case(code=(str_(0, 1),), states=(State.of(x1=DATA),), regions=filled),
    ]  # fmt: skip
    backend = Tiny()
    executor = Executor(backend)
    for case in [*cases, *reversed(cases), *cases]:
        assert executor.execute(case) == execute(case, Tiny())
    assert backend.created == 2  # one for each set of regions
    executor.close()
    assert backend.closed == backend.created


def test_an_instance_that_raised_is_not_used_again():
    backend = Tiny()
    executor = Executor(backend)
    executor.execute(Case(code=(adds(0, 1, 2),)))
    with pytest.raises(ValueError, match="no region is there"):
        executor.execute(Case(code=(movz(0, 1),), actions=(WriteMemory(address=0x10, bytes="00"), Run())))
    assert backend.closed == 1
    assert final(Case(code=(movz(0, 1),)), backend)["x0"] == 1
