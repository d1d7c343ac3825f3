"""The contract checks of error paths: a call that is wrong is answered with an error, and leaves the machine usable."""

from __future__ import annotations

from collections.abc import Callable

from assay64.harness.backends.contract import Backend, Unsupported
from assay64.harness.cases.case import CODE_ADDRESS, CPACR_EL1, SCTLR_EL1, Environment
from assay64.harness.cases.layout import new_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import ExitKind
from assay64.harness.judge.contract_machine import ADD_X0, DATA, UNMAPPED, Machine, Wrong

PAGE = 0x1_0000
NO_VCPU = 63


def refuses_wrong_calls(backend: Backend) -> str:
    """a call that is wrong is an error, and the machine goes on"""
    with Machine(backend) as machine:
        instance, memory, state = machine.instance, HostMemory(PAGE), new_state()
        attempts: list[tuple[str, Callable[[], object]]] = [
            ("map at an address inside a page", lambda: instance.map(UNMAPPED + 8, memory, 0, PAGE, "rw")),
            ("map of half a page", lambda: instance.map(UNMAPPED, memory, 0, 0x800, "rw")),
            ("run of a vCPU that is not there", lambda: instance.run(NO_VCPU, 1, None)),
            ("set_state of a vCPU that is not there", lambda: instance.set_state(NO_VCPU, state)),
            ("get_state of a vCPU that is not there", lambda: instance.get_state(NO_VCPU, state)),
        ]
        if "protect" in backend.capabilities().actions:
            attempts.append(("protect of a page that is not mapped", lambda: instance.protect(UNMAPPED, PAGE, "r")))
        for text, attempt in attempts:
            if not _is_refused(attempt):
                raise Wrong(f"{text} is no error")
            machine.expect(machine.run(ADD_X0, x0=1), ExitKind.UNTIL, CODE_ADDRESS + 4, x0=2)
        if "unmap" in backend.capabilities().actions:
            instance.unmap(UNMAPPED, PAGE)  # what is not mapped is passed over
            machine.expect(machine.run(ADD_X0, x0=1), ExitKind.UNTIL, CODE_ADDRESS + 4, x0=2)
    return f"{len(attempts)} wrong calls"


def _is_refused(attempt: Callable[[], object]) -> bool:
    try:
        attempt()
    except Exception:  # noqa: BLE001 - the contract asks for an error, not for a certain one
        return True
    return False


def accepts_other_settings(backend: Backend) -> str:
    """a setting of the environment that is not declared as fixed can be changed"""
    has = backend.capabilities()
    others: dict[str, Environment] = {
        "sctlr_el1": Environment(sctlr_el1=SCTLR_EL1 & ~(1 << 4)),  # SA0: no check of SP
        "cpacr_el1": Environment(cpacr_el1=CPACR_EL1 & ~(3 << 20)),  # floating point trapped
        "cntkctl_el1": Environment(cntkctl_el1=0),
        "top_byte_ignore": Environment(top_byte_ignore=True),
        "dc_zva_size": Environment(dc_zva_size=128),
        "cache_line_size": Environment(cache_line_size=128),
        "exclusives_granule": Environment(exclusives_granule=16),
    }
    tried = [name for name in others if name not in has.fixed]
    for name in tried:
        try:
            backend.create(others[name], 1).close()
        except Unsupported as lacking:
            raise Wrong(
                f"{name} is not declared as fixed, and another value than the default is refused: {lacking}"
            ) from None
    return ", ".join(tried) or "all are fixed"


def keeps_what_it_does_not_touch(backend: Backend) -> str:
    """mapping, unmapping and running change no other memory"""
    with Machine(backend) as machine:
        machine.data.words()[:] = 0x5A5A_5A5A_5A5A_5A5A
        other = HostMemory(PAGE)
        other.words()[:] = 0x7777_7777_7777_7777
        machine.instance.map(UNMAPPED, other, 0, PAGE, "rw")
        machine.run(ADD_X0, x0=1, x1=DATA)
        if (machine.data.words() != 0x5A5A_5A5A_5A5A_5A5A).any() or (other.words() != 0x7777_7777_7777_7777).any():
            raise Wrong("memory changed that the guest did not write")
    return ""
