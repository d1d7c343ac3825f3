"""The contract checks of registers: what is set comes back, and guest code and harness see the same."""

from __future__ import annotations

import random

from assay64.harness.backends.contract import Backend, Unsupported
from assay64.harness.cases.case import CODE_ADDRESS, STACK_POINTER, Environment
from assay64.harness.cases.outcome import ExitKind
from assay64.harness.cases.state import PAC_KEYS, PSTATE_FIELDS, locate
from assay64.harness.judge.contract_machine import DATA, LOAD, LOAD_Q, STORE, STORE_Q, Machine, Wrong

ROUND_TRIPS = 20
# What a register beyond Armv8.0 needs; without the feature a backend need not keep it.
FEATURE_OF = {"btype": "FEAT_BTI", "ssbs": "FEAT_SSBS", "dit": "FEAT_DIT", "tco": "FEAT_MTE"} | dict.fromkeys(
    PAC_KEYS, "FEAT_PAuth"
)
FPCR_ARMV8_0 = 0x07C0_0000
FPSR_ARMV8_0 = 0x0800_009F


def keeps_every_register(backend: Backend) -> str:
    """set_state and get_state agree for every register"""
    has = backend.capabilities()
    source = random.Random(1)
    plain = [*(f"x{i}" for i in range(31)), *(f"v{i}" for i in range(32)), "sp", "nzcv", "tpidr_el0", "tpidrro_el0"]
    with Machine(backend) as machine:
        for _ in range(ROUND_TRIPS):
            state = {name: source.randrange(locate(name)[3] + 1) for name in plain}
            state |= {"pc": source.randrange(1 << 46) * 4, "fpcr": source.getrandbits(32) & FPCR_ARMV8_0}
            state["fpsr"] = source.getrandbits(32) & FPSR_ARMV8_0
            machine.set(**state)
            _same(state, machine.get())
        for name in plain:
            machine.set(**{name: locate(name)[3]})
            _same({"sp": STACK_POINTER, "pc": CODE_ADDRESS, name: locate(name)[3]}, machine.get())
    optional = [*(name for name in PSTATE_FIELDS if name in FEATURE_OF), *PAC_KEYS]
    lost = [name for name in optional if not _keeps(backend, name)]
    broken = [name for name in lost if FEATURE_OF[name] in has.features]
    if broken:
        raise Wrong(
            f"{', '.join(broken)}: lost, although {', '.join({FEATURE_OF[name] for name in broken})} is declared"
        )
    return f"not kept: {', '.join(lost)}" if lost else "all"


def shows_registers_to_the_guest(backend: Backend) -> str:
    """guest code sees the registers that were set, and get_state those that it wrote"""
    source = random.Random(2)
    unseen: list[str] = []
    for prefix, count, bits, store, load in (("x", 31, 64, STORE, LOAD), ("v", 32, 128, STORE_Q, LOAD_Q)):
        with Machine(backend) as machine:
            base = 1 if prefix == "x" else -1
            values = {f"{prefix}{i}": source.getrandbits(bits) for i in range(count) if i != base}
            for index, name in enumerate(values):
                found = machine.run(_transfer(store, int(name[1:]), index), **values, x1=DATA)
                if found.kind is ExitKind.DECLINED:
                    break
                machine.expect(found, ExitKind.UNTIL, CODE_ADDRESS + 4, **values)
                size = bits // 8
                if (seen := machine.data.bytes[index * size :][:size].tobytes()) != values[name].to_bytes(
                    size, "little"
                ):
                    raise Wrong(f"{name} was set to {values[name]:#x}, and the guest stores {seen[::-1].hex()}")
                machine.expect(
                    machine.run(_transfer(load, int(name[1:]), index), x1=DATA),
                    ExitKind.UNTIL, CODE_ADDRESS + 4, **{name: values[name]},
                )  # fmt: skip
            else:
                continue
            unseen.append(prefix)
    return f"no such store, so not seen: {', '.join(unseen)}" if unseen else "x and v"


def _transfer(word: int, register: int, index: int) -> int:
    """The load or store with base X1 of ``register`` at the offset ``index``, in units of the register's size."""
    return word & ~31 | register | index << 10


def _same(wanted: dict[str, int], found: dict[str, int]) -> None:
    for name, value in wanted.items():
        if found.get(name, 0) != value:
            raise Wrong(f"{name} was set to {value:#x} and reads as {found.get(name, 0):#x}")
    extra = {name: value for name, value in found.items() if value and name not in wanted and name != "mode"}
    if extra:
        name, value = next(iter(extra.items()))
        raise Wrong(f"{name} was set to 0 and reads as {value:#x}")


def _keeps(backend: Backend, name: str) -> bool:
    """Whether a register is kept by a CPU model that has it."""
    try:
        with Machine(backend, Environment(model=f"{Environment().model}+{FEATURE_OF[name]}")) as machine:
            machine.set(**{name: locate(name)[3]})
            return machine.get().get(name, 0) == locate(name)[3]
    except Unsupported:
        return False
