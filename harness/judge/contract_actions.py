"""The contract checks of optional actions: one that is declared works, one that is not is refused."""

from __future__ import annotations

from collections.abc import Callable

from assay64.harness.backends.contract import Backend, Unsupported
from assay64.harness.cases.case import CODE_ADDRESS, DATA_REGION
from assay64.harness.cases.outcome import ExitKind
from assay64.harness.judge.contract_machine import ADD_X0, DATA, LOAD, STORE, UNMAPPED, Machine, Undeclared, Wrong


def _acts(backend: Backend, action: str, act: Callable[[Machine], str | None]) -> str | None:
    """An action that is declared works; one that is not raises Unsupported."""
    declared = action in backend.capabilities().actions
    with Machine(backend) as machine:
        try:
            problem = act(machine)
        except Unsupported as lacking:
            if declared:
                raise Wrong(f"{action} is declared and refused: {lacking}") from None
            return None
    if declared and problem:
        raise Wrong(problem)
    if not declared:
        raise Undeclared(f"it does not refuse {action}" + (f", though {problem}" if problem else ""))
    return ""


def steps(backend: Backend) -> str | None:
    """step executes one instruction"""

    def act(machine: Machine) -> str | None:
        machine.write_code(ADD_X0, ADD_X0)
        machine.set()
        found = machine.instance.step(0)
        state = machine.get()
        right = found.kind is ExitKind.STEP and state.get("x0") == 1 and state["pc"] == CODE_ADDRESS + 4
        return None if right else f"a step ends with {found}, x0={state.get('x0', 0)}, pc={state.get('pc', 0):#x}"

    return _acts(backend, "step", act)


def protects(backend: Backend) -> str | None:
    """protect takes rights away"""

    def act(machine: Machine) -> str | None:
        machine.instance.protect(DATA, DATA_REGION[1], "r")
        found = machine.run(STORE, x1=DATA)
        return None if found.kind is ExitKind.DATA_ABORT else f"a store to a page without w ends with {found}"

    return _acts(backend, "protect", act)


def unmaps(backend: Backend) -> str | None:
    """unmap takes memory away"""

    def act(machine: Machine) -> str | None:
        machine.run(LOAD, x1=DATA)
        machine.instance.unmap(DATA, DATA_REGION[1])
        found = machine.run(LOAD, x1=DATA)
        return None if found.kind is ExitKind.DATA_ABORT else f"a load from a page that is gone ends with {found}"

    return _acts(backend, "unmap", act)


def aliases(backend: Backend) -> str | None:
    """memory can be mapped at two addresses"""

    def act(machine: Machine) -> str | None:
        machine.instance.map(UNMAPPED, machine.data, 0, DATA_REGION[1], "rw")
        machine.run(STORE, x0=77, x1=UNMAPPED + 8)
        machine.run(LOAD, x1=DATA + 8)
        return None if machine.get().get("x0") == 77 else "a store at one address is not seen at the other"

    return _acts(backend, "alias", act)


def breaks(backend: Backend) -> str | None:
    """a breakpoint stops before its instruction"""

    def act(machine: Machine) -> str | None:
        end = machine.write_code(ADD_X0, ADD_X0)
        machine.instance.set_breakpoint(CODE_ADDRESS + 4)
        machine.set()
        found = machine.instance.run(0, 10, end)
        state = machine.get()
        if found.kind is not ExitKind.BREAKPOINT or state.get("x0") != 1 or state["pc"] != CODE_ADDRESS + 4:
            return f"the run ends with {found}, x0={state.get('x0', 0)}, pc={state.get('pc', 0):#x}"
        machine.instance.clear_breakpoint(CODE_ADDRESS + 4)
        machine.set()
        found = machine.instance.run(0, 10, end)
        return None if found.kind is ExitKind.UNTIL else f"after clear_breakpoint the run ends with {found}"

    return _acts(backend, "set_breakpoint", act)


def watches(backend: Backend) -> str | None:
    """a watchpoint stops an access"""

    def act(machine: Machine) -> str | None:
        machine.instance.set_watchpoint(DATA, 8, "rw")
        found = machine.run(STORE, x0=1, x1=DATA)
        if found.kind is not ExitKind.WATCHPOINT or found.address not in range(DATA, DATA + 8):
            return f"a store to a watched address ends with {found}"
        machine.instance.clear_watchpoint(DATA)
        found = machine.run(STORE, x0=1, x1=DATA)
        return None if found.kind is ExitKind.UNTIL else f"after clear_watchpoint the store ends with {found}"

    return _acts(backend, "set_watchpoint", act)
