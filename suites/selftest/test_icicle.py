"""The Icicle backend through its contract: exits, precise faults, fresh code, whole vector registers, copied memory."""

from __future__ import annotations

import random

import pytest

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.icicle import BACKEND
from assay64.harness.cases.case import CODE_ADDRESS, CODE_REGION, Environment
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.harness.judge.contract_machine import ADD_X0, BRK_7, DATA, LOAD, NOP, STORE, SVC_5, UDF, UNMAPPED, Machine

instance = pytest.importorskip("assay64.harness.backends.icicle.instance", reason=str(BACKEND.available()))

CODE_LAST_WORD = CODE_REGION[0] + CODE_REGION[1] - 4


@pytest.fixture
def guest():
    with Machine(BACKEND) as machine:
        yield machine


def test_the_guest_sees_all_vector_registers_as_they_were_set(guest):
    source = random.Random(5)
    values = {f"v{index}": source.getrandbits(128) for index in range(32)}
    stores = [0x3D80_0020 | index << 10 | index for index in range(32)]  # str q.., [x1, #16 * ..]
    assert guest.run(*stores, x1=DATA, **values).kind is ExitKind.UNTIL
    found = [int(low) | int(high) << 64 for low, high in guest.data.words()[:64].reshape(32, 2)]
    assert found == list(values.values())
    state = guest.get()
    assert {name: state[name] for name in values} == values


def test_vector_registers_that_the_guest_loads_come_back(guest):
    source = random.Random(6)
    values = [source.getrandbits(128) for _ in range(32)]
    guest.data.bytes[:512] = list(b"".join(value.to_bytes(16, "little") for value in values))
    loads = [0x3DC0_0020 | index << 10 | index for index in range(32)]  # ldr q.., [x1, #16 * ..]
    assert guest.run(*loads, x1=DATA).kind is ExitKind.UNTIL
    state = guest.get()
    assert [state[f"v{index}"] for index in range(32)] == values


def test_a_virtual_machine_that_has_compiled_much_is_replaced_and_nobody_sees_it(guest, monkeypatch):
    monkeypatch.setattr(instance, "MAX_RESETS", 3)
    stop = CODE_ADDRESS + 4
    guest.instance.set_breakpoint(stop)
    machines = list[object]()
    for number in range(8):
        # Other code each time: only a reset lets Icicle forget what it has translated.
        ended = guest.run(*[ADD_X0] * (number + 1), NOP, x0=number, v3=number << 100)
        assert ended.kind is ExitKind.BREAKPOINT
        state = guest.get()
        assert (state["pc"], state.get("x0", 0), state.get("v3", 0)) == (stop, number + 1, number << 100)
        machines.append(guest.instance._vm)
    assert 1 < len(set(map(id, machines))) < len(machines)


@pytest.mark.parametrize(
    ("word", "ended", "pc"),
    [
        (SVC_5, Exit(kind=ExitKind.SVC, immediate=5), CODE_ADDRESS + 8),
        (BRK_7, Exit(kind=ExitKind.BRK, immediate=7), CODE_ADDRESS + 4),
        (UDF, Exit(kind=ExitKind.DECLINED), CODE_ADDRESS + 4),
        (0x4E28_4820, Exit(kind=ExitKind.DECLINED), CODE_ADDRESS + 4),  # aese v0.16b, v1.16b: not implemented
        (0x1AC2_0C20, Exit(kind=ExitKind.TRAP), CODE_ADDRESS + 4),  # sdiv w0, w1, w2 that overflows
    ],
)
def test_exits(guest, word, ended, pc):
    assert guest.run(ADD_X0, word, ADD_X0, x1=0x8000_0000, x2=0xFFFF_FFFF) == ended
    assert guest.get()["pc"] == pc
    assert guest.get()["x0"] == 1


@pytest.mark.parametrize(
    ("word", "address", "access", "fault"),
    [
        (LOAD, UNMAPPED, Access.READ, Fault.TRANSLATION),
        (STORE, UNMAPPED, Access.WRITE, Fault.TRANSLATION),
        (STORE, CODE_REGION[0], Access.WRITE, Fault.PERMISSION),
        (STORE, CODE_ADDRESS, Access.WRITE, Fault.PERMISSION),  # where it has translated code
    ],
)
def test_aborts_are_precise(guest, word, address, access, fault):
    found = guest.run(NOP, word, x0=3, x1=address)
    assert found == Exit(kind=ExitKind.DATA_ABORT, access=access, fault=fault, address=address)
    assert guest.get()["pc"] == CODE_ADDRESS + 4


def test_a_run_goes_on_where_an_abort_ended_it(guest):
    assert guest.run(ADD_X0, LOAD, x0=3, x1=UNMAPPED).kind is ExitKind.DATA_ABORT
    memory = HostMemory(0x1000)
    memory.words()[0] = 99
    guest.instance.map(UNMAPPED, memory, 0, 0x1000, "r")
    assert guest.instance.run(0, 10, CODE_ADDRESS + 8).kind is ExitKind.UNTIL
    assert guest.get()["x0"] == 99


def test_code_that_ends_with_the_last_word_of_its_region(guest):
    guest.code.bytes[-4:] = list(NOP.to_bytes(4, "little"))
    guest.instance.notify_code(CODE_LAST_WORD, 4)
    guest.set(pc=CODE_LAST_WORD)
    assert guest.instance.run(0, 10, CODE_LAST_WORD + 4).kind is ExitKind.UNTIL


def test_a_closed_instance_leaves_nothing_to_the_next():
    with Machine(BACKEND) as first:
        first.instance.set_breakpoint(CODE_ADDRESS + 4)
        first.run(ADD_X0, STORE, x0=4, x1=DATA, v7=1 << 100)
    with Machine(BACKEND) as second:
        assert second.run(ADD_X0, ADD_X0, x1=DATA).kind is ExitKind.UNTIL
        assert second.get()["x0"] == 2
        assert "v7" not in second.get()
        assert second.run(LOAD, x1=DATA).kind is ExitKind.UNTIL
        assert "x0" not in second.get()


def test_what_it_lacks_is_unsupported(guest):
    with pytest.raises(Unsupported, match="no alias"):
        guest.instance.map(UNMAPPED, guest.data, 0, 0x1000, "rw")
    with pytest.raises(Unsupported, match="permissions 'w'"):
        guest.instance.map(UNMAPPED, HostMemory(0x1000), 0, 0x1000, "w")
    with pytest.raises(Unsupported, match="Device"):
        guest.instance.map(UNMAPPED, HostMemory(0x1000), 0, 0x1000, "rw", device=True)
    with pytest.raises(Unsupported, match="sctlr_el1"):
        BACKEND.create(Environment(sctlr_el1=0))
    guest.instance.map(UNMAPPED, HostMemory(0x1000), 0, 0x1000, "rwx")
    guest.code.bytes[0x1_0000:0x1_0008] = list((STORE).to_bytes(4, "little") + NOP.to_bytes(4, "little"))
    guest.instance.map(CODE_REGION[0], guest.code, 0, CODE_REGION[1], "rwx")
    guest.set(x1=CODE_ADDRESS)
    with pytest.raises(Unsupported, match="store into code"):
        guest.instance.run(0, 10, CODE_ADDRESS + 8)
