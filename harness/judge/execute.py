"""Executes a case's actions on a backend through the contract and gives the outcome.

It runs inside a worker process and is the only place that talks to an Instance about cases. It compares nothing and
knows no permitted outcomes.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field

import msgspec
import numpy as np

from assay64.harness.backends.base import check_environment
from assay64.harness.backends.contract import Backend, Instance, Unsupported
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import (
    STACK_POINTER,
    Action,
    Alias,
    Case,
    ClearBreakpoint,
    ClearWatchpoint,
    FreeRun,
    Map,
    NotifyCode,
    Protect,
    Region,
    Run,
    Schedule,
    SetBreakpoint,
    SetWatchpoint,
    Step,
    StopRequest,
    Unmap,
    WriteMemory,
)
from assay64.harness.cases.layout import new_state, pack_state, unpack_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Exit, ExitKind, Outcome
from assay64.harness.cases.state import State
from assay64.harness.judge.image import Bytes, Layout, Window, changes, code_bytes, code_span, lay_region, lay_regions

# After these actions an instance is as it was, once its memory is restored and its states are loaded again. Mappings,
# breakpoints and stops in flight could outlive their case.
REUSABLE = (Run, Step, Schedule, WriteMemory, NotifyCode)
KEPT_INSTANCES = 4


@dataclass
class _Machine:
    """An instance with its memory. ``pristine`` holds the initial bytes of the case that it runs or ran last."""

    instance: Instance
    layout: Layout
    memories: list[HostMemory]
    pristine: list[Bytes]
    base: list[Bytes]
    base_key: object
    mapped: list[Window]
    ever_mapped: list[Window] = field(default_factory=list[Window])
    code: tuple[int, int, int] | None = None  # backing, offset, bytes

    def put(self, backing: int, offset: int, data: Bytes) -> None:
        """Make ``data`` the initial bytes there. The backend is told where code may have changed."""
        memory = self.memories[backing].bytes[offset : offset + len(data)]
        different = np.flatnonzero(memory != data)
        if len(different):
            memory[:] = data
            self.notify(backing, offset + int(different[0]), offset + int(different[-1]) + 1)
        self.pristine[backing][offset : offset + len(data)] = data

    def notify(self, backing: int, start: int, end: int) -> None:
        for window in self.mapped:
            low, high = max(start, window.offset), min(end, window.offset + window.size)
            if window.backing == backing and "x" in window.permissions and low < high:
                self.instance.notify_code(window.address + low - window.offset, high - low)

    def lay(self, case: Case) -> None:
        """Bring memory to the initial bytes of ``case``, which has this machine's regions."""
        key = _base_key(case)
        if key != self.base_key:
            self.base, self.base_key, self.code = lay_regions(case, self.layout), key, None
            for backing, image in enumerate(self.base):
                self.put(backing, 0, image)
        span, data = code_span(case, self.layout), code_bytes(case)
        new = None if span is None else (*span, len(data))
        if self.code is not None and self.code != new:
            backing, offset, size = self.code
            self.put(backing, offset, self.base[backing][offset : offset + size])
        if span is not None:
            self.put(*span, data)
        self.code = new

    def restore(self) -> None:
        """Undo what the case did to memory, so that the next finds only its own bytes and no translation of others."""
        for backing, image in enumerate(self.pristine):
            if not np.array_equal(image.view(np.uint64), self.memories[backing].words()):
                self.put(backing, 0, image)

    def map(self, window: Window) -> None:
        self.instance.map(
            window.address,
            self.memories[window.backing],
            window.offset,
            window.size,
            window.permissions,
            device=window.device,
            guarded=window.guarded,
        )
        self.mapped.append(window)
        self.ever_mapped.append(window)


class Executor:
    """Executes cases on one backend, one after the other, on instances that it keeps where a case leaves no trace in
    them.

    Making an instance costs up to 58 ms in a JIT. A case that changes mappings, breakpoints or watchpoints, and one
    that ended in a Python exception, does not hand its instance on.
    """

    def __init__(self, backend: Backend, *, kept_instances: int = KEPT_INSTANCES) -> None:
        self.backend = backend
        self.capabilities: Capabilities = backend.capabilities()
        self._kept_instances = kept_instances
        self._machines: OrderedDict[object, _Machine] = OrderedDict()

    def execute(self, case: Case, *, inspect: Callable[[Instance], None] | None = None) -> Outcome:
        """Run ``case`` to its end. Raises Unsupported for what the backend lacks, and whatever a faulty backend
        raises.
        """
        self._check(case)
        reusable = all(isinstance(action, REUSABLE) for action in case.actions)
        key = _machine_key(case)
        machine = self._machines.pop(key, None) if reusable else None
        if machine is None:
            machine = self._make(case)
        finished = False
        try:
            machine.lay(case)
            outcome = _Script(case, machine).play()
            if inspect is not None:
                inspect(machine.instance)
            if reusable:
                machine.restore()
            finished = True
        finally:
            if finished and reusable and self._kept_instances:
                self._machines[key] = machine
                if len(self._machines) > self._kept_instances:
                    self._machines.popitem(last=False)[1].instance.close()
            else:
                machine.instance.close()
        return outcome

    def close(self) -> None:
        while self._machines:
            self._machines.popitem()[1].instance.close()

    def _check(self, case: Case) -> None:
        has = self.capabilities
        for action in case.actions:
            name = action_name(action)
            if name != "run" and name not in has.actions:
                raise Unsupported(f"{has.name} has no action {name!r}")
        lacking = [feature for feature in case.requires if feature not in has.features]
        if lacking:
            raise Unsupported(f"{has.name} does not have {', '.join(lacking)}")
        check_environment(has, case.environment, len(case.states))
        for region in case.regions:
            if region.tagged:
                raise Unsupported(f"{has.name} has no tagged memory (region at {region.address:#x})")
            if any(number % has.page_size for number in (region.address, region.size, region.offset)):
                raise Unsupported(
                    f"{has.name} maps pages of {has.page_size:#x} bytes; "
                    f"the region at {region.address:#x} is not made of these"
                )

    def _make(self, case: Case) -> _Machine:
        layout = Layout(case)
        memories = [HostMemory(size) for size in layout.sizes]
        images = lay_regions(case, layout)
        machine = _Machine(
            instance=self.backend.create(case.environment, len(case.states)),
            layout=layout,
            memories=memories,
            pristine=[image.copy() for image in images],
            base=images,
            base_key=_base_key(case),
            mapped=[],
        )
        try:
            for memory, image in zip(memories, images, strict=True):
                memory.bytes[:] = image
            for window in layout.windows:
                machine.map(window)
        except BaseException:
            machine.instance.close()
            raise
        return machine


def execute(case: Case, backend: Backend) -> Outcome:
    """Run ``case`` on a fresh instance of ``backend``, in this process. A JIT belongs into a worker (pool.py)."""
    executor = Executor(backend, kept_instances=0)
    return executor.execute(case)


def action_name(action: Action) -> str:
    """The name of an action as case files and Capabilities.actions have it."""
    return str(action.__struct_config__.tag)


def executed_exits(case: Case) -> list[tuple[int, int]]:
    """(action index, vCPU) of every exit of an outcome, in order.

    Run, Step and StopRequest give one exit. Schedule and FreeRun give one for each vCPU that they name, in ascending
    order.
    """
    found: list[tuple[int, int]] = []
    for index, action in enumerate(case.actions):
        if isinstance(action, Run | Step | StopRequest):
            found.append((index, action.vcpu))
        elif isinstance(action, Schedule):
            found += [(index, vcpu) for vcpu in sorted({vcpu for vcpu, _ in action.turns})]
        elif isinstance(action, FreeRun):
            found += [(index, vcpu) for vcpu in sorted(set(action.vcpus))]
    return found


def _machine_key(case: Case) -> object:
    return case.environment, len(case.states), tuple(_shape(region) for region in case.regions)


def _shape(region: Region) -> object:
    """What of a region an instance is made with: all but its bytes."""
    return msgspec.structs.replace(region, fill=None, contents=())


def _base_key(case: Case) -> object:
    return tuple((region.fill, region.contents) for region in case.regions)


class _Script:
    """One case being played on a machine."""

    def __init__(self, case: Case, machine: _Machine) -> None:
        self.case, self.machine, self.instance = case, machine, machine.instance

    def play(self) -> Outcome:
        mode = self.case.environment.mode
        for vcpu, state in enumerate(self.case.states):
            record = pack_state(state, pc=self.case.code_address, sp=STACK_POINTER, mode=mode)
            self.instance.set_state(vcpu, record)
        exits: list[Exit] = []
        for action in self.case.actions:
            exits += self._perform(action)
        states = tuple(self._final_state(vcpu) for vcpu in range(len(self.case.states)))
        after = [memory.bytes for memory in self.machine.memories]
        return Outcome(
            exits=tuple(exits), states=states, memory=changes(self.machine.ever_mapped, self.machine.pristine, after)
        )

    def _final_state(self, vcpu: int) -> State:
        record = new_state()
        self.instance.get_state(vcpu, record)
        return unpack_state(record)

    def _until(self, until: int | None) -> int:
        return self.case.end if until is None else until

    def _perform(self, action: Action) -> list[Exit]:
        instance = self.instance
        match action:
            case Run():
                return [instance.run(action.vcpu, action.budget, self._until(action.until))]
            case Step():
                return [instance.step(action.vcpu)]
            case StopRequest():
                return [self._stop_request(action)]
            case Schedule():
                return self._schedule(action)
            case FreeRun():
                return self._free_run(action)
            case WriteMemory():
                self._write(action.address, bytes.fromhex(action.bytes))
            case Protect():
                instance.protect(action.address, action.size, action.permissions)
                self._replace(action.address, action.size, action.permissions)
            case Map():
                window = self.machine.layout.later(action.region)
                for image in (self.machine.pristine[window.backing], self.machine.memories[window.backing].bytes):
                    lay_region(action.region, image)
                self.machine.map(window)
            case Unmap():
                instance.unmap(action.address, action.size)
                self._replace(action.address, action.size, None)
            case Alias():
                self._alias(action)
            case NotifyCode():
                instance.notify_code(action.address, action.size)
            case SetBreakpoint():
                instance.set_breakpoint(action.address)
            case ClearBreakpoint():
                instance.clear_breakpoint(action.address)
            case SetWatchpoint():
                instance.set_watchpoint(action.address, action.size, action.access)
            case ClearWatchpoint():
                instance.clear_watchpoint(action.address)
            case _:
                raise Unsupported(f"the harness has no action {action_name(action)!r}")
        return []

    def _write(self, address: int, data: bytes) -> None:
        for index, value in enumerate(data):
            window = self._window(address + index, 1)
            self.machine.memories[window.backing].bytes[window.offset + address + index - window.address] = value

    def _window(self, address: int, size: int) -> Window:
        for window in self.machine.mapped:
            if window.address <= address and address + size <= window.end:
                return window
        raise ValueError(f"the case names memory at {address:#x} ({size:#x} bytes), and no region is there")

    def _alias(self, action: Alias) -> None:
        shown = self._window(action.address, action.size)
        self.machine.map(
            Window(
                address=action.at,
                size=action.size,
                backing=shown.backing,
                offset=shown.offset + action.address - shown.address,
                permissions=action.permissions,
                device=shown.device,
                guarded=shown.guarded,
            )
        )

    def _replace(self, address: int, size: int, permissions: str | None) -> None:
        """Note that ``size`` bytes at ``address`` have other permissions now, or (None) are no longer there."""
        end, mapped = address + size, list[Window]()
        for window in self.machine.mapped:
            for low, high, letters in (
                (window.address, min(window.end, address), window.permissions),
                (max(window.address, address), min(window.end, end), permissions),
                (max(window.address, end), window.end, window.permissions),
            ):
                if low < high and letters is not None:
                    offset = window.offset + low - window.address
                    mapped.append(
                        Window(low, high - low, window.backing, offset, letters, window.device, window.guarded)
                    )
        self.machine.mapped[:] = mapped

    def _stop_request(self, action: StopRequest) -> Exit:
        timer = threading.Timer(action.delay_us / 1e6, self.instance.stop, (action.vcpu,))
        timer.start()
        try:
            return self.instance.run(action.vcpu, action.budget, self.case.end)
        finally:
            timer.cancel()
            timer.join()

    def _schedule(self, action: Schedule) -> list[Exit]:
        exits = {vcpu: Exit() for vcpu, _ in action.turns}
        for vcpu, instructions in action.turns:
            if exits[vcpu].kind in (ExitKind.NONE, ExitKind.BUDGET):
                exits[vcpu] = self.instance.run(vcpu, instructions, self._until(action.until))
        return [exits[vcpu] for vcpu in sorted(exits)]

    def _free_run(self, action: FreeRun) -> list[Exit]:
        exits: dict[int, Exit] = {}
        failures: list[BaseException] = []
        start = threading.Barrier(len(set(action.vcpus)))

        def run(vcpu: int) -> Callable[[], None]:
            def body() -> None:
                try:
                    start.wait()
                    exits[vcpu] = self.instance.run(vcpu, action.budget, self._until(action.until))
                except BaseException as error:  # noqa: BLE001 - raised again in the thread that waits
                    failures.append(error)

            return body

        threads = [threading.Thread(target=run(vcpu)) for vcpu in set(action.vcpus)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if failures:
            raise failures[0]
        return [exits[vcpu] for vcpu in sorted(exits)]
