"""The contract checks of threads: an instance belongs to the thread that made it; only ``stop`` comes from others."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from assay64.harness.backends.contract import Backend, Unsupported
from assay64.harness.cases.case import CODE_ADDRESS
from assay64.harness.cases.outcome import Exit, ExitKind
from assay64.harness.judge.contract_machine import ADD_X0, BACK_ONE, DATA, STORE, Machine, Undeclared, Wrong

ENDLESS = 1 << 40
STOP_DELAY_S, STOP_LIMIT_S = 0.05, 5.0


def works_in_other_threads(backend: Backend) -> str:
    """instances made in other threads work there, two at once"""

    def body(first: int) -> Callable[[], None]:
        def run() -> None:
            with Machine(backend) as machine:
                for value in range(first, first + 200):
                    machine.expect(machine.run(ADD_X0, x0=value), ExitKind.UNTIL, CODE_ADDRESS + 4, x0=value + 1)

        return run

    _in_threads([body(100), body(1000)])
    return "two threads, an instance each"


def _in_threads(bodies: list[Callable[[], None]]) -> None:
    failures: list[BaseException] = []

    def guarded(body: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            try:
                body()
            except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                failures.append(error)

        return run

    threads = [threading.Thread(target=guarded(body)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]


def stops_on_request(backend: Backend) -> str | None:
    """stop ends a run from another thread, and one that comes before a run ends that"""
    declared = "stop_request" in backend.capabilities().actions
    with Machine(backend) as machine:
        end = machine.write_code(ADD_X0, BACK_ONE)
        machine.set()
        try:
            machine.instance.stop(0)
        except Unsupported as lacking:
            if declared:
                raise Wrong(f"stop_request is declared and refused: {lacking}") from None
            return None
        problem = _stop_problem(machine, end)
    if declared and problem:
        raise Wrong(problem)
    if not declared:
        raise Undeclared("it does not refuse stop" + (f", though {problem}" if problem else ""))
    return ""


def _stop_problem(machine: Machine, end: int) -> str:
    found = machine.instance.run(0, ENDLESS, end)
    if found.kind is not ExitKind.STOPPED:
        return f"after stop, the next run ends with {found}"
    machine.instance.stop(0)
    machine.set()
    found = machine.instance.run(0, 10, end)
    if found.kind is not ExitKind.BUDGET:
        return f"set_state does not forget a stop that is pending: the run ends with {found}"
    timer = threading.Timer(STOP_DELAY_S, machine.instance.stop, (0,))
    began = time.monotonic()
    timer.start()
    try:
        found = machine.instance.run(0, ENDLESS, end)
    finally:
        timer.cancel()
        timer.join()
    took = time.monotonic() - began
    if found.kind is not ExitKind.STOPPED:
        return f"a run that is stopped ends with {found}"
    return f"it took {took:.1f} s to stop" if took > STOP_LIMIT_S else ""


def runs_freely(backend: Backend) -> str | None:
    """vCPUs run at once in threads of their own (free_run)"""
    if "free_run" not in backend.capabilities().actions:
        return None
    with Machine(backend, vcpus=2) as machine:
        end = machine.write_code(ADD_X0, STORE)
        for vcpu in (0, 1):
            machine.set(vcpu, x0=10 * vcpu, x1=DATA + 8 * vcpu)
        exits: dict[int, Exit] = {}

        def body(vcpu: int) -> Callable[[], None]:
            def run() -> None:
                exits[vcpu] = machine.instance.run(vcpu, 100, end)

            return run

        _in_threads([body(0), body(1)])
        if any(one.kind is not ExitKind.UNTIL for one in exits.values()):
            raise Wrong(f"the runs end with {exits[0]} and {exits[1]}")
        if machine.data.words()[:2].tolist() != [1, 11]:
            raise Wrong("what the vCPUs stored is not what they computed")
    return ""
