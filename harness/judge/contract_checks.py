"""What ``assay64 check-backend`` checks: does a backend keep the contract, and is what it declares true?

``python -m assay64.harness.judge.contract_checks BACKEND NAME...`` runs the checks in a process of their own, because a
backend under construction crashes and hangs; it prints a JSON line when a check begins and one when it ends. These
checks use the contract alone. What instructions must do is the suites' affair: a few of the plainest stand for all.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator
from typing import Any, cast

import msgspec

from assay64.harness.backends import registry
from assay64.harness.backends.contract import Backend, BackendDied, Unsupported
from assay64.harness.cases.capabilities import ExclusiveMonitor
from assay64.harness.cases.case import CODE_ADDRESS, CODE_REGION, AnyAction, Environment
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.harness.judge import contract_features
from assay64.harness.judge.contract_actions import aliases, breaks, protects, steps, unmaps, watches
from assay64.harness.judge.contract_batches import runs_batches
from assay64.harness.judge.contract_errors import (
    accepts_other_settings,
    keeps_what_it_does_not_touch,
    refuses_wrong_calls,
)
from assay64.harness.judge.contract_machine import (
    ADD_X0,
    BACK_ONE,
    BRK_7,
    DATA,
    LDXR,
    LOAD,
    NOP,
    STORE,
    STXR,
    SVC_5,
    UDF,
    UNMAPPED,
    Machine,
    Undeclared,
    Wrong,
)
from assay64.harness.judge.contract_registers import keeps_every_register, shows_registers_to_the_guest
from assay64.harness.judge.contract_threads import runs_freely, stops_on_request, works_in_other_threads

OK, FAILED, CRASHED = "ok", "failed", "crashed"
UNDECLARED, NOT_DECLARED = "undeclared", "not declared"
ROUND_TRIPS = 20
BUDGETS = (1, 2, 3, 4, 5, 8, 17, 64, 999)


class CheckResult(msgspec.Struct, frozen=True, kw_only=True):
    """``status`` is ok, failed, crashed, hung, undeclared (it can, and does not say so) or not declared."""

    name: str
    title: str
    status: str
    detail: str = ""


def declares_itself(backend: Backend) -> str:
    """capabilities are complete"""
    has = backend.capabilities()
    known = {kind.__struct_config__.tag for kind in cast(Any, AnyAction).__args__}
    for wrong, text in (
        (not has.name or not has.version, "name or version is empty"),
        ("run" not in has.actions, "the action run is not declared"),
        (bool(has.actions - known), f"there are no actions called {', '.join(sorted(has.actions - known))}"),
        (has.vcpus < 1, f"vcpus is {has.vcpus}"),
        (has.page_size < 4096 or bool(has.page_size & has.page_size - 1), f"page_size is {has.page_size}"),
        (any(not one.startswith("FEAT_") for one in has.features), "features are not called FEAT_..."),
        (bool(has.fixed.keys() - set(Environment.__struct_fields__)), "fixed names what is no field of Environment"),
    ):
        if wrong:
            raise Wrong(text)
    return f"{has.name} {has.version}"


def runs_and_stops(backend: Backend) -> str:
    """run executes code and stops at until"""
    with Machine(backend) as machine:
        machine.expect(machine.run(ADD_X0, ADD_X0, x0=40), ExitKind.UNTIL, CODE_ADDRESS + 8, x0=42)
        machine.expect(machine.run(NOP), ExitKind.UNTIL, CODE_ADDRESS + 4, x0=0)
    return ""


def reports_exceptions(backend: Backend) -> str:
    """exceptions arrive as exits with Arm's preferred return address"""
    undefined = ExitKind.UNDEFINED if backend.capabilities().distinguishes_undefined else ExitKind.DECLINED
    declined: list[str] = []
    with Machine(backend) as machine:
        for word, kind, pc, immediate in (
            (SVC_5, ExitKind.SVC, CODE_ADDRESS + 8, 5),
            (BRK_7, ExitKind.BRK, CODE_ADDRESS + 4, 7),
            (UDF, undefined, CODE_ADDRESS + 4, 0),
        ):
            found = machine.run(ADD_X0, word, ADD_X0)
            if found.kind is ExitKind.DECLINED and kind is not undefined:
                machine.expect(found, ExitKind.DECLINED, CODE_ADDRESS + 4, x0=1)
                declined.append(str(kind))
                continue
            machine.expect(found, kind, pc, x0=1)
            if found.immediate != immediate:
                raise Wrong(f"{kind} #{immediate} arrives with the immediate {found.immediate}")
        if undefined is ExitKind.DECLINED and machine.run(UDF).kind is ExitKind.UNDEFINED:
            raise Undeclared("distinguishes_undefined is declared false, and UDF arrives as undefined")
    if declined:
        return f"{' and '.join(declined)} not implemented"
    return "UNDEFINED arrives as declined" if undefined is ExitKind.DECLINED else ""


def reports_aborts(backend: Backend) -> str:
    """aborts arrive with address and access, and change nothing"""
    declares, faults = backend.capabilities().reports_fault_kind, list[bool]()
    with Machine(backend) as machine:
        for word, address, access in (
            (LOAD, UNMAPPED, Access.READ),
            (STORE, UNMAPPED, Access.WRITE),
            (STORE, CODE_REGION[0], Access.WRITE),
        ):
            found = machine.run(NOP, word, x0=3, x1=address)
            machine.expect(found, ExitKind.DATA_ABORT, CODE_ADDRESS + 4, x0=3, x1=address)
            if (found.address, found.access) != (address, access):
                raise Wrong(f"a {access} at {address:#x} is reported as {found}")
            faults.append(found.fault is (Fault.TRANSLATION if address == UNMAPPED else Fault.PERMISSION))
        machine.set(pc=UNMAPPED)
        found = machine.instance.run(0, 10, UNMAPPED + 4)
        machine.expect(found, ExitKind.INSTRUCTION_ABORT, UNMAPPED)
        faults.append(found.fault is Fault.TRANSLATION)
        machine.set(pc=CODE_ADDRESS + 2)
        machine.expect(machine.instance.run(0, 10, None), ExitKind.PC_ALIGNMENT, CODE_ADDRESS + 2)
    if declares and not all(faults):
        raise Wrong("reports_fault_kind is declared, and the fault of an abort is not the one that Arm gives")
    if not declares and all(faults):
        raise Undeclared("reports_fault_kind is declared false, and the faults are those that Arm gives")
    return "with the kind of fault" if declares else "without the kind of fault"


def shares_memory(backend: Backend) -> str:
    """guest and harness see the same memory"""
    with Machine(backend) as machine:
        machine.run(STORE, x0=0x1122_3344_5566_7788, x1=DATA + 8)
        if int(machine.data.words()[1]) != 0x1122_3344_5566_7788:
            raise Wrong("a store of the guest is not in the harness's memory after the run")
        machine.data.words()[2] = 0x99
        machine.expect(machine.run(LOAD, x1=DATA + 16), ExitKind.UNTIL, CODE_ADDRESS + 4, x0=0x99)
    return ""


def notices_new_code(backend: Backend) -> str:
    """code that the harness has changed runs after notify_code"""
    with Machine(backend) as machine:
        for expected, word in ((1, ADD_X0), (0, NOP), (1, ADD_X0)):
            machine.expect(machine.run(word), ExitKind.UNTIL, CODE_ADDRESS + 4, x0=expected)
    return ""


def repeats_itself(backend: Backend) -> str:
    """the same case gives the same outcome, in one instance and in a new one"""

    def outcome(machine: Machine) -> tuple[Exit, dict[str, int]]:
        found = machine.run(ADD_X0, STORE, LOAD, SVC_5, x0=7, x1=DATA, v3=1 << 100, nzcv=9)
        return found, machine.get()

    with Machine(backend) as machine:
        first = outcome(machine)
        again = [outcome(machine) for _ in range(3)]
    with Machine(backend) as machine:
        again.append(outcome(machine))
    if any(one != first for one in again):
        raise Wrong("five runs of one case had different outcomes")
    return ""


def keeps_instances_apart(backend: Backend) -> str:
    """two instances have nothing in common"""
    with Machine(backend) as one, Machine(backend) as other:
        one.write_code(ADD_X0)
        other.write_code(NOP)
        one.set(x0=10)
        other.set(x0=20, x1=DATA)
        one.instance.run(0, 10, CODE_ADDRESS + 4)
        other.instance.run(0, 10, CODE_ADDRESS + 4)
        if (one.get().get("x0"), other.get().get("x0")) != (11, 20):
            raise Wrong("registers or code of one instance show in the other")
        other.run(STORE, x0=5, x1=DATA)
        if one.data.words()[0] or int(other.data.words()[0]) != 5:
            raise Wrong("memory of one instance shows in the other")
    return ""


def spends_budgets(backend: Backend) -> str:
    """a run ends when its budget is spent"""
    exact = backend.capabilities().exact_budget
    with Machine(backend) as machine:
        for budget in BUDGETS:
            machine.write_code(ADD_X0, BACK_ONE)
            machine.set()
            found = machine.instance.run(0, budget, CODE_ADDRESS + 8)
            if found.kind is not ExitKind.BUDGET:
                raise Wrong(f"an endless loop with a budget of {budget} ends with {found}")
            if exact:
                machine.expect(found, ExitKind.BUDGET, CODE_ADDRESS + 4 * (budget % 2), x0=(budget + 1) // 2)
        if exact:
            _spends_to_the_end(machine)
    return "exact" if exact else "declared as not exact"


def _spends_to_the_end(machine: Machine) -> None:
    """Runs that go on where the last ended, and the order of budget, until and abort."""
    end = machine.write_code(ADD_X0, BACK_ONE)
    machine.set()
    for total in (3, 7, 8):
        found = machine.instance.run(0, {3: 3, 7: 4, 8: 1}[total], end)
        machine.expect(found, ExitKind.BUDGET, CODE_ADDRESS + 4 * (total % 2), x0=(total + 1) // 2)
    machine.expect(machine.run(ADD_X0, NOP, budget=2), ExitKind.UNTIL, CODE_ADDRESS + 8, x0=1)
    machine.expect(machine.run(NOP, LOAD, budget=2, x1=UNMAPPED), ExitKind.DATA_ABORT, CODE_ADDRESS + 4)
    machine.expect(machine.run(NOP, LOAD, budget=1, x1=UNMAPPED), ExitKind.BUDGET, CODE_ADDRESS + 4)
    machine.set(pc=UNMAPPED)
    machine.expect(machine.instance.run(0, 1, UNMAPPED), ExitKind.UNTIL, UNMAPPED)


def survives_many_instances(backend: Backend) -> str:
    """instances can be made and closed again and again"""
    for _ in range(ROUND_TRIPS):
        with Machine(backend) as machine:
            machine.run(ADD_X0)
    return f"{ROUND_TRIPS} instances"


def refuses_other_environments(backend: Backend) -> str:
    """an environment or number of vCPUs that it does not have is Unsupported"""
    has = backend.capabilities()
    attempts: list[tuple[str, Environment, int]] = [(f"{has.vcpus + 1} vCPUs", Environment(), has.vcpus + 1)]
    attempts += [(f"EL{el}", Environment(exception_level=el), 1) for el in (0, 1) if el not in has.exception_levels]
    if isinstance(size := has.fixed.get("dc_zva_size"), int):
        attempts.append(("another dc_zva_size", Environment(dc_zva_size=32 if size != 32 else 128), 1))
    for text, environment, vcpus in attempts:
        with contextlib.suppress(Unsupported):
            backend.create(environment, vcpus).close()
            raise Wrong(f"create with {text} does not raise Unsupported")
    return ", ".join(text for text, _, _ in attempts)


def has_several_vcpus(backend: Backend) -> str | None:
    """vCPUs have registers of their own and share memory"""
    if backend.capabilities().vcpus < 2:
        return None
    with Machine(backend, vcpus=2) as machine:
        end = machine.write_code(ADD_X0, STORE)
        machine.set(0, x0=1, x1=DATA)
        machine.set(1, x0=5, x1=DATA + 8)
        machine.instance.run(0, 10, end)
        machine.instance.run(1, 10, end)
        if (machine.get(0).get("x0"), machine.get(1).get("x0")) != (2, 6):
            raise Wrong("registers of one vCPU show in the other")
        if machine.data.words()[:2].tolist() != [2, 6]:
            raise Wrong("the vCPUs do not share memory")
    return f"up to {backend.capabilities().vcpus}"


def has_exclusives(backend: Backend) -> str | None:
    """the exclusive monitor starts open, and a pair succeeds"""
    if backend.capabilities().exclusive_monitor is ExclusiveMonitor.NONE:
        return None
    with Machine(backend) as machine:
        machine.expect(machine.run(STXR, x1=DATA, x3=9), ExitKind.UNTIL, CODE_ADDRESS + 4, x2=1)
        if machine.data.words()[0]:
            raise Wrong("a store-exclusive that failed wrote memory")
        statuses: set[int] = set()
        for _ in range(ROUND_TRIPS):
            machine.run(LDXR, STXR, x1=DATA, x3=9)
            statuses.add(machine.get().get("x2", 0))
        if 0 not in statuses:
            raise Wrong(f"of {ROUND_TRIPS} load-exclusive, store-exclusive pairs none succeeded")
    if backend.capabilities().vcpus > 1:
        _is_the_declared_monitor(backend)
    return str(backend.capabilities().exclusive_monitor)


def _is_the_declared_monitor(backend: Backend) -> None:
    """Another vCPU stores, and stores the old value again: that goes unnoticed by a monitor which compares values."""
    kind = backend.capabilities().exclusive_monitor
    with Machine(backend, vcpus=2) as machine:
        machine.write_code(LDXR, STXR, STORE)
        machine.set(0, x1=DATA, x3=9)
        machine.instance.run(0, 1, None)
        for value in (1, 0):
            machine.set(1, pc=CODE_ADDRESS + 8, x0=value, x1=DATA)
            machine.instance.run(1, 1, None)
        machine.instance.run(0, 1, None)
        succeeded = not machine.get(0).get("x2")
    if succeeded and kind is not ExclusiveMonitor.VALUE:
        raise Wrong(f"the monitor is declared as {kind}, and a store-exclusive succeeds after another vCPU's stores")
    if not succeeded and kind is ExclusiveMonitor.VALUE:
        raise Undeclared("the monitor is declared to compare values, and it notices stores of the same value")


CHECKS: dict[str, Callable[[Backend], str | None]] = {
    check.__name__: check
    for check in (
        declares_itself, keeps_every_register, shows_registers_to_the_guest, runs_and_stops, reports_exceptions,
        reports_aborts, shares_memory, keeps_what_it_does_not_touch, notices_new_code, repeats_itself,
        keeps_instances_apart, works_in_other_threads, spends_budgets, survives_many_instances, refuses_wrong_calls,
        refuses_other_environments, accepts_other_settings, has_several_vcpus, runs_freely, has_exclusives,
        runs_batches, steps, protects, unmaps, aliases, breaks, watches, stops_on_request,
    )
} | contract_features.checks()  # fmt: skip


def title(name: str) -> str:
    return (CHECKS[name].__doc__ or name).strip()


def perform(backend: Backend, names: list[str]) -> Iterator[CheckResult]:
    for name in names:
        try:
            detail = CHECKS[name](backend)
            status = NOT_DECLARED if detail is None else OK
        except Wrong as wrong:
            status, detail = FAILED, str(wrong)
        except Undeclared as found:
            status, detail = UNDECLARED, str(found)
        except Unsupported as lacking:
            status, detail = FAILED, f"Unsupported where the contract allows none: {lacking}"
        except BackendDied as died:
            status, detail = CRASHED, str(died)
        except Exception as error:  # noqa: BLE001 - a backend under construction fails in any way, and that is reported
            status, detail = FAILED, f"{type(error).__name__}: {error}"
        yield CheckResult(name=name, title=title(name), status=status, detail=" ".join((detail or "").split()))


def main() -> None:
    name, *checks = sys.argv[1:]
    # Native code that prints must not end up between the results.
    with os.fdopen(os.dup(1), "wb") as results:
        os.dup2(2, 1)
        backend = registry.load(name)
        for check in checks:
            results.write(msgspec.json.encode(check) + b"\n")
            results.flush()
            for result in perform(backend, [check]):
                results.write(msgspec.json.encode(result) + b"\n")
                results.flush()


if __name__ == "__main__":
    main()
