"""The reference as a backend: the golden engine behind the contract that every backend meets."""

from __future__ import annotations

from assay64.harness.backends.base import OptionalActions, check_environment
from assay64.harness.backends.contract import Unsupported
from assay64.harness.cases.capabilities import Capabilities, ExclusiveMonitor
from assay64.harness.cases.case import Environment
from assay64.harness.cases.layout import StateRecord
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.harness.cases.state import PSTATE_FIELDS, THREAD
from assay64.reference import Machine, model, model_names
from assay64.reference.bits import Bits, Constant, UnknownDecision, unknown_mask
from assay64.reference.engines.accesses import Chooser, Controls
from assay64.reference.engines.golden import GoldenPE
from assay64.reference.pseudocode import exceptions as arm

_MASK64 = (1 << 64) - 1
_FAULTS = {
    arm.FaultKind.TRANSLATION: Fault.TRANSLATION,
    arm.FaultKind.PERMISSION: Fault.PERMISSION,
    arm.FaultKind.ALIGNMENT: Fault.ALIGNMENT,
}
_PLAIN_EXITS: dict[type[arm.ArchitecturalException], ExitKind] = {
    arm.Undefined: ExitKind.UNDEFINED,
    arm.PCAlignmentFault: ExitKind.PC_ALIGNMENT,
    arm.SPAlignmentFault: ExitKind.SP_ALIGNMENT,
    arm.BranchTargetException: ExitKind.BRANCH_TARGET,
    arm.PointerAuthenticationFailure: ExitKind.POINTER_AUTHENTICATION,
    arm.IllegalState: ExitKind.ILLEGAL_STATE,
    arm.Wait: ExitKind.WAIT,
    arm.SystemAccessTrap: ExitKind.TRAP,
}
# PSTATE's fields as SPSR lays them out, and the registers that hold them.
_PSTATE = {"tco": "TCO", "dit": "DIT", "ss": "SS", "il": "IL", "ssbs": "SSBS", "btype": "BTYPE", "daif": "DAIF"}


def exit_of(exception: arm.ArchitecturalException) -> Exit:
    """How the harness reports an exception of the specification."""
    match exception:
        case arm.SupervisorCall():
            return Exit(kind=ExitKind.SVC, immediate=int(exception.immediate))
        case arm.SoftwareBreakpoint():
            return Exit(kind=ExitKind.BRK, immediate=int(exception.immediate))
        case arm.DataAbort():
            access = Access.WRITE if exception.write else Access.READ
            return Exit(
                kind=ExitKind.DATA_ABORT, access=access, fault=_FAULTS[exception.fault], address=int(exception.address)
            )
        case arm.Watchpoint():
            access = Access.WRITE if exception.write else Access.READ
            return Exit(kind=ExitKind.WATCHPOINT, access=access, address=int(exception.address))
        case arm.InstructionAbort():
            return Exit(
                kind=ExitKind.INSTRUCTION_ABORT,
                access=Access.FETCH,
                fault=_FAULTS[exception.fault],
                address=int(exception.address),
            )
        case _:
            return Exit(kind=_PLAIN_EXITS[type(exception)])


class ReferenceInstance(OptionalActions):
    """A machine of the golden engine. ``chooser`` None: the CPU model chooses."""

    def __init__(self, environment: Environment, vcpus: int, chooser: Chooser | None = None) -> None:
        try:
            cpu = model(environment.model)
        except ValueError as error:
            raise Unsupported(f"the reference: {error}") from error
        if environment.cntkctl_el1 & ~3:
            raise Unsupported("the reference has no timers that EL0 may use: CNTKCTL_EL1 has bits 0 and 1 alone")
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
        self.machine = Machine(cpu, elements=vcpus, engine="golden", controls=controls, chooser=chooser)
        self._kept: list[HostMemory] = []

    def use(self, chooser: Chooser) -> None:
        """Let ``chooser`` decide from now on."""
        for element in self.machine.elements:
            element.chooser = chooser

    def map(
        self,
        address: int,
        memory: HostMemory,
        offset: int,
        size: int,
        permissions: str,
        *,
        device: bool = False,
        guarded: bool = False,
    ) -> None:
        self._kept.append(memory)
        self.machine.space.map(
            address,
            memoryview(memory.map),
            offset,
            size,
            permissions,
            device=device,
            guarded=guarded,
            identity=memory.address,
        )

    def protect(self, address: int, size: int, permissions: str) -> None:
        missing = [page for page in range(address >> 12, address + size >> 12) if page not in self.machine.space.pages]
        if missing:
            raise ValueError(f"protect {address:#x}: nothing is mapped at {missing[0] << 12:#x}")
        self.machine.space.protect(address, size, permissions)

    def unmap(self, address: int, size: int) -> None:
        self.machine.space.unmap(address, size)

    def set_state(self, vcpu: int, state: StateRecord) -> None:
        self.machine.forget_stop()
        pe = self.machine.elements[vcpu]
        registers = pe.registers
        registers["R"] = [Constant(64, value) for value in state["x"].tolist()]
        registers["V"] = [Constant(128, low | high << 64) for low, high in state["v"].tolist()]
        registers["APKey"] = [Constant(128, low | high << 64) for low, high in state["keys"].tolist()]
        pstate = int(state["pstate"])
        for position, flag in enumerate("VCZN", PSTATE_FIELDS["nzcv"][0]):
            registers[f"PSTATE.{flag}"] = [Constant(1, pstate >> position & 1)]
        for field, name in _PSTATE.items():
            low, width = PSTATE_FIELDS[field]
            registers[f"PSTATE.{name}"] = [Constant(width, pstate >> low & (1 << width) - 1)]
        registers["PSTATE.SP"], registers["PSTATE.EL"] = [Constant(1, pstate & 1)], [Constant(2, pstate >> 2 & 3)]
        for name in ("pc", "fpcr", "fpsr", *THREAD):
            registers[name.upper()] = [Constant(64, int(state[name]))]
        registers["EventRegister"] = [Constant(1, int(state["event_register"]))]
        registers[_stack_pointer(pe)] = [Constant(64, int(state["sp"]))]
        pe.clear_exclusive()
        pe.space.unknown.clear()
        pe.all_memory_unknown = pe.address_unknown = False

    def get_state(self, vcpu: int, state: StateRecord) -> None:
        pe = self.machine.elements[vcpu]
        registers = pe.registers
        state["x"] = [_known(value) for value in registers["R"]]
        for name, register in (("v", "V"), ("keys", "APKey")):
            state[name] = [(_known(value) & _MASK64, _known(value) >> 64) for value in registers[register]]
        pstate = sum(
            _known(registers[f"PSTATE.{flag}"][0]) << position
            for position, flag in enumerate("VCZN", PSTATE_FIELDS["nzcv"][0])
        )
        pstate |= sum(
            _known(registers[f"PSTATE.{name}"][0]) << PSTATE_FIELDS[field][0] for field, name in _PSTATE.items()
        )
        state["pstate"] = pstate | _known(registers["PSTATE.EL"][0]) << 2 | _known(registers["PSTATE.SP"][0])
        for name in ("pc", "fpcr", "fpsr", *THREAD):
            state[name] = _known(registers[name.upper()][0])
        state["event_register"] = _known(registers["EventRegister"][0])
        state["sp"] = _known(registers[_stack_pointer(pe)][0])

    def unknown_registers(self, vcpu: int) -> dict[str, int]:
        """The UNKNOWN bits of the final state, by register, as cases/state.py names them."""
        pe = self.machine.elements[vcpu]
        found: dict[str, int] = {}
        for prefix, register in (("x", "R"), ("v", "V")):
            for index, value in enumerate(pe.registers[register]):
                if unknown := unknown_mask(value):
                    found[f"{prefix}{index}"] = unknown
        if unknown := unknown_mask(pe.registers[_stack_pointer(pe)][0]):
            found["sp"] = unknown
        nzcv = sum(unknown_mask(pe.registers[f"PSTATE.{flag}"][0]) << bit for bit, flag in enumerate("VCZN"))
        return found | ({"nzcv": nzcv} if nzcv else {})

    def run(self, vcpu: int, budget: int, until: int | None) -> Exit:
        stop = self.machine.run(budget, until, element=vcpu)
        return Exit(kind=ExitKind(stop.reason)) if stop.exception is None else exit_of(stop.exception)

    def step(self, vcpu: int) -> Exit:
        stop = self.machine.step(element=vcpu)
        return Exit(kind=ExitKind.STEP) if stop.exception is None else exit_of(stop.exception)

    def notify_code(self, address: int, size: int) -> None:
        pass  # golden decodes what it fetches, every time

    def set_breakpoint(self, address: int) -> None:
        self.machine.breakpoints.add(address)

    def clear_breakpoint(self, address: int) -> None:
        self.machine.breakpoints.discard(address)

    def set_watchpoint(self, address: int, size: int, access: str) -> None:
        self.clear_watchpoint(address)
        self.machine.watch(address, size, access)

    def clear_watchpoint(self, address: int) -> None:
        for one in [one for one in self.machine.watchpoints if one.address == address]:
            self.machine.unwatch(address, one.size, "r" * one.read + "w" * one.write)

    def stop(self, vcpu: int) -> None:
        self.machine.stop()

    def close(self) -> None:
        self.machine.space.pages.clear()


def _stack_pointer(pe: GoldenPE) -> str:
    return "SP_EL1" if int(pe.registers["PSTATE.EL"][0]) and int(pe.registers["PSTATE.SP"][0]) else "SP_EL0"


def _known(value: Bits) -> int:
    """The value with its UNKNOWN bits zero."""
    try:
        return int(value)
    except UnknownDecision:
        return getattr(value, "value", 0) & ~unknown_mask(value)


class ReferenceBackend:
    """The specification under the golden engine."""

    name = "reference"

    def available(self) -> str | None:
        return None

    def capabilities(self) -> Capabilities:
        from assay64 import __version__

        return Capabilities(
            name=self.name,
            version=__version__,
            description="the specification, executed by the golden engine",
            features=frozenset[str]().union(*(model(name).features for name in model_names())),
            vcpus=64,
            actions=frozenset(
                [
                    "run",
                    "step",
                    "write",
                    "protect",
                    "map",
                    "unmap",
                    "alias",
                    "notify_code",
                    "set_breakpoint",
                    "clear_breakpoint",
                    "set_watchpoint",
                    "clear_watchpoint",
                    "stop_request",
                    "schedule",
                ]
            ),
            exclusive_monitor=ExclusiveMonitor.ARCHITECTURAL,
        )

    def create(self, environment: Environment, vcpus: int = 1) -> ReferenceInstance:
        check_environment(self.capabilities(), environment, vcpus)
        return ReferenceInstance(environment, vcpus)


BACKEND = ReferenceBackend()
