"""The backends `qemu-user` and `native` through their contract: signals as exits, and the state whole.

Everything here runs on whichever of the two is here; what QEMU does otherwise than Arm is not asserted.
"""

from __future__ import annotations

import numpy as np
import pytest

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.runner import NATIVE, QEMU_USER
from assay64.harness.backends.runner.program import BASE
from assay64.harness.cases.case import CODE_REGION, CPACR_EL1, SCTLR_EL1, Environment
from assay64.harness.cases.layout import new_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.suites.selftest._guest import (
    ADD_X0,
    BR_X1,
    CODE,
    DATA,
    LDR,
    LDR_POST,
    LDXR,
    NOP,
    STR,
    STR_PRE,
    SVC,
    UNMAPPED,
    Guest,
)

BACKEND = NATIVE if NATIVE.available() is None else QEMU_USER
pytestmark = pytest.mark.skipif(BACKEND.available() is not None, reason=str(BACKEND.available()))

BRK = 0xD4200000
UDF = 0x00000000
LDR_LITERAL = 0x58000020  # ldr x0, . + 4
MRS_TPIDRRO = 0xD53BD060  # mrs x0, tpidrro_el0
DC_ZVA = 0xD50B7421  # dc zva, x1
PACGA = 0x9AC23020  # pacga x0, x1, x2
BTI_C = 0xD503245F


@pytest.fixture
def guest():
    guest = Guest(BACKEND.create(Environment()))
    yield guest
    guest.instance.close()


def data_abort(access, address, fault=Fault.TRANSLATION):
    return Exit(kind=ExitKind.DATA_ABORT, access=access, fault=fault, address=address)


def with_feature(feature):
    if feature not in BACKEND.capabilities().features:
        pytest.skip(f"{BACKEND.name} has no {feature} here")
    return Guest(BACKEND.create(Environment(model=f"cortex-a57+{feature}")))


def test_a_run_ends_at_until_before_the_instruction_there(guest):
    guest.put([ADD_X0, ADD_X0])
    guest.load()
    assert guest.instance.run(0, 10, CODE + 4).kind is ExitKind.UNTIL
    assert (guest.pc, guest.x(0)) == (CODE + 4, 1)
    assert guest.instance.run(0, 10, CODE + 4).kind is ExitKind.UNTIL, "it begins at until"
    assert guest.x(0) == 1


def test_what_stands_at_until_is_read_as_it_is(guest):
    """Zero ends a run by itself. Another word is replaced while the guest runs, and is there again afterwards."""
    assert guest.run(LDR_LITERAL, x0=5).kind is ExitKind.UNTIL
    assert guest.x(0) == 0
    guest.put([ADD_X0, NOP])
    guest.load()
    guest.instance.run(0, 10, CODE + 4)
    offset = CODE - CODE_REGION[0]
    assert guest.code.bytes[offset : offset + 8].view("<u4").tolist() == [ADD_X0, NOP]


@pytest.mark.parametrize("immediate", [0, 1, 0x1234, 0xFFFF])
def test_svc_returns_to_the_next_instruction_with_its_immediate(guest, immediate):
    assert guest.run(ADD_X0, SVC | immediate << 5, ADD_X0, x8=94) == Exit(kind=ExitKind.SVC, immediate=immediate)
    assert (guest.pc, guest.x(0)) == (CODE + 8, 1)
    assert guest.instance.run(0, 10, guest.end).kind is ExitKind.UNTIL, "and it goes on from there"
    assert guest.x(0) == 2


@pytest.mark.parametrize("immediate", [0, 1, 0xA640, 0xFFFF])
def test_brk_returns_to_itself_with_its_immediate(guest, immediate):
    assert guest.run(NOP, BRK | immediate << 5, NOP) == Exit(kind=ExitKind.BRK, immediate=immediate)
    assert guest.pc == CODE + 4


@pytest.mark.parametrize("word", [UDF, 0xD4400060, 0xD4000062, 0xD4000063, 0xD5381000, 0xD69F03E0])
def test_what_el0_must_not_do_is_undefined(guest, word):
    assert guest.run(NOP, word, NOP).kind is ExitKind.UNDEFINED
    assert guest.pc == CODE + 4


@pytest.mark.parametrize(
    ("word", "address", "access", "fault"),
    [
        pytest.param(LDR, UNMAPPED, Access.READ, Fault.TRANSLATION, id="load"),
        pytest.param(STR, UNMAPPED, Access.WRITE, Fault.TRANSLATION, id="store"),
        pytest.param(STR, CODE + 64, Access.WRITE, Fault.PERMISSION, id="store-to-code"),
        pytest.param(STR, CODE, Access.WRITE, Fault.PERMISSION, id="store-to-itself"),
        pytest.param(STR, 0, Access.WRITE, Fault.TRANSLATION, id="store-to-zero"),
        pytest.param(LDR_POST, UNMAPPED + 8, Access.READ, Fault.TRANSLATION, id="no-write-back"),
        pytest.param(STR_PRE, UNMAPPED, Access.WRITE, Fault.TRANSLATION, id="no-write-back-before"),
        pytest.param(LDXR, DATA + 1, Access.READ, Fault.ALIGNMENT, id="exclusive"),
        pytest.param(0xA9400820, UNMAPPED, Access.READ, Fault.TRANSLATION, id="ldp"),
        pytest.param(0xA9000820, UNMAPPED, Access.WRITE, Fault.TRANSLATION, id="stp"),
        pytest.param(0x3D800020, UNMAPPED, Access.WRITE, Fault.TRANSLATION, id="str-q"),
        pytest.param(0x3DC00020, UNMAPPED, Access.READ, Fault.TRANSLATION, id="ldr-q"),
        pytest.param(0x0C400820, UNMAPPED, Access.READ, Fault.TRANSLATION, id="ld4"),
        pytest.param(0x0C000820, UNMAPPED, Access.WRITE, Fault.TRANSLATION, id="st4"),
    ],
)
def test_a_data_abort_is_precise(guest, word, address, access, fault):
    before = address - 8 if word == STR_PRE else address
    found = guest.run(NOP, word, x0=3, x1=before)
    assert (found.kind, found.access, found.fault) == (ExitKind.DATA_ABORT, access, fault)
    assert found.address == address
    assert (guest.pc, guest.x(0), guest.x(1)) == (CODE + 4, 3, before)


@pytest.mark.parametrize("word", [0xF8200022, 0xC8A07C22, 0xF8208022], ids=["ldadd", "cas", "swp"])
def test_an_update_aborts_as_a_write_only_where_it_could_have_read(word):
    guest = with_feature("FEAT_LSE")
    assert guest.run(word, x1=UNMAPPED) == data_abort(Access.READ, UNMAPPED)
    assert guest.run(word, x1=CODE) == data_abort(Access.WRITE, CODE, Fault.PERMISSION)
    guest.instance.close()


def test_instruction_aborts_and_unaligned_targets(guest):
    for target, fault in ((UNMAPPED, Fault.TRANSLATION), (DATA, Fault.PERMISSION)):
        found = guest.run(BR_X1, x1=target)
        assert found == Exit(kind=ExitKind.INSTRUCTION_ABORT, access=Access.FETCH, fault=fault, address=target)
        assert guest.pc == target
    assert guest.run(BR_X1, x1=CODE + 2).kind is ExitKind.PC_ALIGNMENT
    assert guest.pc == CODE + 2


def test_until_counts_before_the_abort_there(guest):
    guest.put([BR_X1])
    for target in (UNMAPPED, DATA, CODE + 2):
        guest.load(x1=target)
        assert guest.instance.run(0, 10, target).kind is ExitKind.UNTIL
        assert guest.pc == target


def test_a_guarded_page_refuses_other_targets_than_landing_pads():
    guest = with_feature("FEAT_BTI")
    guest.instance.map(CODE_REGION[0], guest.code, 0, CODE_REGION[1], "rx", guarded=True)
    target = CODE + 8
    for word, kind in (
        (BTI_C | 1 << 7, ExitKind.UNTIL),  # bti j, with `c` for a BR from guarded code
        (NOP, ExitKind.BRANCH_TARGET),
        (SVC, ExitKind.BRANCH_TARGET),
        (UDF, ExitKind.BRANCH_TARGET),
        (BRK, ExitKind.BRK),
    ):
        assert guest.run(BR_X1, NOP, word, x1=target).kind is kind, hex(word)
        assert guest.pc == (target + 4 if kind is ExitKind.UNTIL else target)
    guest.instance.close()


def test_every_register_goes_in_and_comes_out(guest):
    """The guest itself moves each register, so that what was set is what it had."""
    source = np.random.default_rng(4)
    guest.put([NOP])
    for _ in range(20):
        state = new_state()
        state["x"], state["v"] = (
            source.integers(0, 1 << 64, 31, np.uint64),
            source.integers(0, 1 << 64, (32, 2), np.uint64),
        )
        state["sp"], state["pc"] = int(source.integers(0, 1 << 60)) * 16, CODE
        state["pstate"] = int(source.integers(0, 16)) << 28
        state["fpcr"], state["fpsr"] = int(source.integers(0, 32)) << 22, 0x0800_0000 | int(source.integers(0, 32))
        state["tpidr_el0"] = source.integers(0, 1 << 64, dtype=np.uint64)
        guest.instance.set_state(0, state)
        assert guest.instance.run(0, 10, guest.end).kind is ExitKind.UNTIL
        state["pc"] = CODE + 4
        assert guest.state().tobytes() == state.tobytes()


def test_the_guest_uses_the_registers_that_were_set(guest):
    words = {
        0x8B02003E: ("x30", lambda s: s["x"][30], 1 + 2),  # add x30, x1, x2
        0x910003E0: ("sp", lambda s: s["x"][0], DATA + 64),  # mov x0, sp
        0xD53BD040: ("tpidr_el0", lambda s: s["x"][0], 77),  # mrs x0, tpidr_el0
        0xD53B4400: ("fpcr", lambda s: s["x"][0], 1 << 22),  # mrs x0, fpcr
        0xD53B4420: ("fpsr", lambda s: s["x"][0], 1 << 27),  # mrs x0, fpsr
        0xD53B4200: ("nzcv", lambda s: s["x"][0], 0b1010 << 28),  # mrs x0, nzcv
        0x4EA11C20: ("v0", lambda s: s["v"][0, 1], 9),  # mov v0.16b, v1.16b
        0xD51BD041: ("tpidr_el0", lambda s: s["tpidr_el0"], 1),  # msr tpidr_el0, x1
    }
    for word, (name, read, expected) in words.items():
        guest.run(word, x1=1, x2=2, v1=9 << 64, nzcv=0b1010, fpcr=1 << 22, fpsr=1 << 27, tpidr_el0=77, sp=DATA + 64)
        assert read(guest.state()) == expected, name


def test_pstate_bits_of_features():
    for feature, bits, word in (
        ("FEAT_DIT", 1 << 24, 0xD53B42A0),  # mrs x0, dit
        ("FEAT_SSBS", 1 << 12, 0xD53B42C0),  # mrs x0, ssbs
    ):
        guest = with_feature(feature)
        guest.put([word])
        for given in (0, bits):
            state = new_state()
            state["pc"], state["pstate"] = CODE, given
            guest.instance.set_state(0, state)
            assert guest.instance.run(0, 10, guest.end).kind is ExitKind.UNTIL
            assert (guest.x(0), int(guest.state()["pstate"])) == (given, given), feature
        guest.instance.close()


def test_what_only_a_kernel_can_set_is_unsupported(guest):
    with pytest.raises(Unsupported, match="TPIDRRO_EL0"):
        guest.run(MRS_TPIDRRO, tpidrro_el0=5)
    assert guest.run(MRS_TPIDRRO, x0=5).kind is ExitKind.UNTIL
    assert guest.x(0) == 0
    for environment, word, reason in (
        (Environment(model="apple-m1"), PACGA, "keys"),
        (Environment(dc_zva_size=2048), DC_ZVA, "DC ZVA clears"),
        (Environment(cntkctl_el1=0), 0xD53BE040, "virtual counter"),
        (Environment(cntkctl_el1=1), 0xD53BE020, "physical counter"),
        (Environment(cache_line_size=2048), 0xD53B0020, "CTR_EL0"),
    ):
        other = Guest(BACKEND.create(environment))
        assert other.run(ADD_X0).kind is ExitKind.UNTIL, "other words are not touched by it"
        with pytest.raises(Unsupported, match=reason):
            other.run(ADD_X0, word)
        assert other.run(ADD_X0, NOP).kind is ExitKind.UNTIL, "and it is forgotten with the word"
        other.instance.close()


@pytest.mark.parametrize(
    "environment",
    [
        Environment(exception_level=1),
        Environment(sctlr_el1=SCTLR_EL1 | 1 << 1),
        Environment(cpacr_el1=CPACR_EL1 ^ 1 << 20),
        Environment(tcr_el1=1),
    ],
    ids=["el1", "alignment checks", "no SIMD", "tcr"],
)
def test_other_environments_are_unsupported(environment):
    with pytest.raises(Unsupported):
        BACKEND.create(environment)


def test_memory_that_linux_does_not_give_is_unsupported(guest):
    memory = HostMemory(0x1_0000)
    for permissions in ("x", "w", "rwx"):
        with pytest.raises(Unsupported):
            guest.instance.map(UNMAPPED, memory, 0, 0x1_0000, permissions)
    with pytest.raises(Unsupported, match="executable and writable"):
        guest.instance.map(UNMAPPED, guest.code, 0, 0x1_0000, "rw")
    with pytest.raises(Unsupported, match="Device"):
        guest.instance.map(UNMAPPED, memory, 0, 0x1_0000, "rw", device=True)
    with pytest.raises(Unsupported, match="runner program"):
        guest.instance.map(BASE, memory, 0, 0x1_0000, "rw")
    with pytest.raises(Unsupported, match="nothing can be mapped"):
        guest.instance.map(1 << 60, memory, 0, 0x1_0000, "rw")
    with pytest.raises(ValueError, match="whole pages"):
        guest.instance.map(UNMAPPED + 1, memory, 0, 0x1_0000, "rw")
    assert guest.run(ADD_X0).kind is ExitKind.UNTIL


def test_protect_and_unmap_split_what_is_mapped(guest):
    page = BACKEND.capabilities().page_size
    guest.instance.protect(DATA + page, page, "r")
    guest.instance.unmap(DATA + 2 * page, page)
    for address, kind in (
        (DATA, ExitKind.UNTIL),
        (DATA + page, ExitKind.DATA_ABORT),
        (DATA + 3 * page, ExitKind.UNTIL),
    ):
        assert guest.run(STR, x0=7, x1=address).kind is kind
    assert guest.run(LDR, x1=DATA + 2 * page) == data_abort(Access.READ, DATA + 2 * page)
    assert (guest.doubleword(0), guest.doubleword(page), guest.doubleword(3 * page)) == (7, 0, 7)
    guest.instance.protect(DATA + page, page, "rw")
    assert guest.run(STR, x0=7, x1=DATA + page).kind is ExitKind.UNTIL
    with pytest.raises(ValueError, match="not all of its"):
        guest.instance.protect(DATA + page, 2 * page, "r")


def test_an_alias_shows_the_same_bytes(guest):
    guest.instance.map(UNMAPPED, guest.data, 0x8000, 0x8000, "rw")
    guest.run(STR, x0=0x55, x1=UNMAPPED + 8)
    assert guest.doubleword(0x8008) == 0x55
