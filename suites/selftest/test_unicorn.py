"""The Unicorn backend through its contract: exits, precise faults, registers, and what it declares.

The words are written out with their assembly beside them, so that these tests need no assembler.
"""

from __future__ import annotations

import numpy as np
import pytest

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.unicorn import BACKEND, FEATURES
from assay64.harness.cases.case import (
    CODE_ADDRESS,
    CPACR_EL1,
    SCTLR_EL1,
    STACK_POINTER,
    Environment,
)
from assay64.harness.cases.layout import new_state, pack_state, unpack_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.harness.cases.state import State
from assay64.suites.selftest._unicorn_guest import DATA, NOP, RET_TO_X1, SVC_0, UNMAPPED, Guest, data_abort, movz

pytestmark = pytest.mark.skipif(BACKEND.available() is not None, reason=str(BACKEND.available()))


@pytest.fixture
def guest():
    guest = Guest()
    yield guest
    guest.instance.close()


# ---- exits ----


def test_a_run_ends_at_until_before_the_instruction_there(guest):
    assert guest.run(movz(0, 1), movz(0, 2), until=CODE_ADDRESS + 4).kind is ExitKind.UNTIL
    assert (guest.pc, guest.x(0)) == (CODE_ADDRESS + 4, 1)


def test_a_run_that_starts_at_until_executes_nothing(guest):
    assert guest.run(movz(0, 1), until=CODE_ADDRESS).kind is ExitKind.UNTIL
    assert guest.x(0) == 0


def test_svc_returns_to_the_next_instruction_with_its_immediate(guest):
    assert guest.run(NOP, SVC_0 | 0x1234 << 5, NOP) == Exit(kind=ExitKind.SVC, immediate=0x1234)
    assert guest.pc == CODE_ADDRESS + 8


def test_brk_returns_to_itself_with_its_immediate(guest):
    assert guest.run(NOP, 0xD4200000 | 0xBEEF << 5) == Exit(kind=ExitKind.BRK, immediate=0xBEEF)
    assert guest.pc == CODE_ADDRESS + 4


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x00000000, id="udf #0"),
        pytest.param(0xD4400060, id="hlt #3"),
        pytest.param(0xD4000062, id="hvc #3"),
        pytest.param(0xD4000063, id="smc #3"),
        pytest.param(0xD50341DF, id="msr daifset, #1"),
        pytest.param(0xD5381000, id="mrs x0, sctlr_el1"),
        pytest.param(0xD5384240, id="mrs x0, currentel"),
        pytest.param(0xD69F03E0, id="eret"),
    ],
)
def test_what_el0_must_not_do_is_undefined(guest, word):
    assert guest.run(NOP, word).kind is ExitKind.UNDEFINED
    assert guest.pc == CODE_ADDRESS + 4


def test_pointer_authentication_is_locked_unless_the_cpu_model_has_it():
    pacga = 0x9AC23020  # pacga x0, x1, x2
    guest = Guest(Environment(model="cortex-a57+FEAT_LSE"))
    assert guest.run(NOP, pacga).kind is ExitKind.UNDEFINED
    assert guest.pc == CODE_ADDRESS + 4
    assert Guest(Environment(model="cortex-a57+FEAT_PAuth")).run(NOP, pacga).kind is ExitKind.UNTIL


def test_wfi_waits_behind_itself_and_wfe_goes_on(guest):
    assert guest.run(NOP, 0xD503207F, movz(0, 1)).kind is ExitKind.WAIT
    assert (guest.pc, guest.x(0)) == (CODE_ADDRESS + 8, 0)
    assert guest.go().kind is ExitKind.UNTIL
    assert guest.x(0) == 1
    assert guest.run(0xD503205F, movz(0, 2)).kind is ExitKind.UNTIL  # wfe
    assert guest.x(0) == 2


def test_system_registers_trap_when_the_environment_says_so():
    guest = Guest(Environment(sctlr_el1=SCTLR_EL1 & ~(1 << 15 | 1 << 26 | 1 << 14), cntkctl_el1=0))
    for word in (
        0xD53B0020,  # mrs x0, ctr_el0: UCT
        0xD50B7521,  # ic ivau, x1: UCI
        0xD50B7421,  # dc zva, x1: DZE
        0xD53BE040,  # mrs x0, cntvct_el0: EL0VCTEN
    ):
        assert guest.run(word, x1=DATA).kind is ExitKind.TRAP, hex(word)
        assert guest.pc == CODE_ADDRESS
    guest.instance.close()


def test_the_default_environment_allows_what_linux_allows(guest):
    for word in (0x1E622820, 0xD53B0020, 0xD50B7521, 0xD50B7421, 0xD53BE040, 0xD50B7B21):
        assert guest.run(word, x1=DATA).kind is ExitKind.UNTIL, hex(word)


# ---- aborts ----

FAULTING = [
    # word, assembly, x1, access, lowest byte that faults
    pytest.param(0xF9400020, UNMAPPED, Access.READ, UNMAPPED, id="ldr x0, [x1]"),
    pytest.param(0xF8408420, UNMAPPED, Access.READ, UNMAPPED, id="ldr x0, [x1], #8"),
    pytest.param(0xF8408C20, UNMAPPED, Access.READ, UNMAPPED + 8, id="ldr x0, [x1, #8]!"),
    pytest.param(0xF9000020, UNMAPPED, Access.WRITE, UNMAPPED, id="str x0, [x1]"),
    pytest.param(0xF8008420, UNMAPPED, Access.WRITE, UNMAPPED, id="str x0, [x1], #8"),
    pytest.param(0xF8008C20, UNMAPPED, Access.WRITE, UNMAPPED + 8, id="str x0, [x1, #8]!"),
    pytest.param(0xA8C10820, UNMAPPED, Access.READ, UNMAPPED, id="ldp x0, x2, [x1], #16"),
    pytest.param(0xA8810820, UNMAPPED, Access.WRITE, UNMAPPED, id="stp x0, x2, [x1], #16"),
    pytest.param(0xC85F7C20, UNMAPPED, Access.READ, UNMAPPED, id="ldxr x0, [x1]"),
    pytest.param(0x3DC00020, UNMAPPED, Access.READ, UNMAPPED, id="ldr q0, [x1]"),
    pytest.param(0xF8200022, UNMAPPED, Access.READ, UNMAPPED, id="ldadd x0, x2, [x1]"),
    pytest.param(0xD50B7421, UNMAPPED, Access.WRITE, UNMAPPED, id="dc zva, x1"),
    pytest.param(0x4C9F2020, UNMAPPED, Access.WRITE, UNMAPPED, id="st1 {v0.16b-v3.16b}, [x1], #64"),
    pytest.param(0x4C9F2020, DATA + 0xFFE0, Access.WRITE, DATA + 0x10000, id="st1 four into the next page"),
    pytest.param(0xAD810420, UNMAPPED, Access.WRITE, UNMAPPED + 32, id="stp q0, q1, [x1, #32]!"),
    pytest.param(0xF9400020, DATA + 0xFFFC, Access.READ, DATA + 0x10000, id="ldr x0 into the next page"),
    pytest.param(0xF9400020, DATA + 0xFFF9, Access.READ, DATA + 0x10000, id="ldr x0 by one byte into the next page"),
    pytest.param(0xF9000020, DATA + 0xFFFC, Access.WRITE, DATA + 0x10000, id="str x0 into the next page"),
    pytest.param(0xA9400820, DATA + 0xFFF8, Access.READ, DATA + 0x10000, id="ldp x0, x2 into the next page"),
    pytest.param(0x3DC00020, DATA + 0xFFF8, Access.READ, DATA + 0x10000, id="ldr q0 into the next page"),
    pytest.param(0xF9400020, DATA - 4, Access.READ, DATA - 4, id="ldr x0 from the page before"),
    pytest.param(0xF9000020, DATA - 4, Access.WRITE, DATA - 4, id="str x0 from the page before"),
    pytest.param(
        0xF9400020, 0xFFFF_0000_0000_0000, Access.READ, 0xFFFF_0000_0000_0000, id="ldr x0 from the upper half"
    ),
]


@pytest.mark.parametrize(("word", "x1", "access", "address"), FAULTING)
def test_a_fault_leaves_every_register_and_says_the_lowest_byte(guest, word, x1, access, address):
    registers = {"x0": 5, "x1": x1, "x2": 7, "x3": 9, "v0": 11, "nzcv": 6}
    assert guest.run(movz(3, 1), word, movz(3, 2), **registers) == data_abort(access, address)
    assert guest.state() == unpack_state(
        pack_state(State.of(**{**registers, "x3": 1}), pc=CODE_ADDRESS + 4, sp=STACK_POINTER)
    )


def test_an_instruction_goes_on_after_its_page_is_there(guest):
    assert guest.run(0xF9000020, movz(2, 1), x0=5, x1=UNMAPPED) == data_abort(Access.WRITE, UNMAPPED)
    memory = HostMemory(0x1000)
    guest.instance.map(UNMAPPED, memory, 0, 0x1000, "rw")
    assert guest.go().kind is ExitKind.UNTIL
    assert (guest.x(2), memory.words()[0]) == (1, 5)


def test_an_unaligned_exclusive_is_an_alignment_fault_with_its_address(guest):
    assert guest.run(0xC85F7C20, x0=3, x1=DATA + 1) == data_abort(Access.READ, DATA + 1, Fault.ALIGNMENT)
    assert (guest.pc, guest.x(0)) == (CODE_ADDRESS, 3)


def test_a_branch_to_nothing_is_an_instruction_abort_at_its_target(guest):
    expected = Exit(kind=ExitKind.INSTRUCTION_ABORT, access=Access.FETCH, fault=Fault.TRANSLATION, address=UNMAPPED)
    assert guest.run(RET_TO_X1, x1=UNMAPPED) == expected
    assert guest.pc == UNMAPPED


def test_a_branch_to_data_is_a_permission_fault(guest):
    expected = Exit(kind=ExitKind.INSTRUCTION_ABORT, access=Access.FETCH, fault=Fault.PERMISSION, address=DATA)
    assert guest.run(RET_TO_X1, x1=DATA) == expected


@pytest.mark.parametrize("target", [CODE_ADDRESS + 0x102, CODE_ADDRESS + 0x101, UNMAPPED + 2, DATA + 3])
def test_a_branch_to_an_unaligned_address_is_a_pc_alignment_fault_every_time(guest, target):
    # The halves of these words make `nop` at an unaligned address: executing it would go unnoticed.
    guest.write(*[0xD503D503, 0x201F201F] * 16, address=CODE_ADDRESS + 0xF8)
    for _ in range(3):
        assert guest.run(movz(0, 1), RET_TO_X1, x1=target).kind is ExitKind.PC_ALIGNMENT
        assert (guest.pc, guest.x(0)) == (target, 1)
    assert guest.go().kind is ExitKind.PC_ALIGNMENT  # and again when it starts there


def test_the_budget_is_spent_before_an_unaligned_pc_or_a_missing_page_is_noticed(guest):
    for target in (CODE_ADDRESS + 0x102, UNMAPPED, DATA):
        assert guest.run(RET_TO_X1, x1=target, budget=1).kind is ExitKind.BUDGET
        assert guest.pc == target


def test_the_top_byte_is_ignored_when_the_environment_says_so(guest):
    tagged = 0xAB << 56 | DATA
    assert guest.run(0xF9400020, x1=tagged) == data_abort(Access.READ, tagged)
    ignoring = Guest(Environment(top_byte_ignore=True))
    ignoring.data.words()[0] = 5
    assert ignoring.run(0xF9400020, x1=tagged).kind is ExitKind.UNTIL
    assert ignoring.x(0) == 5
    assert ignoring.run(0xF9400020, x1=1 << 50) == data_abort(Access.READ, 1 << 50)
    assert ignoring.run(RET_TO_X1, x1=1 << 50, budget=1).kind is ExitKind.BUDGET
    assert ignoring.run(RET_TO_X1, x1=1 << 50).kind is ExitKind.INSTRUCTION_ABORT
    with pytest.raises(Unsupported, match="top byte"):
        ignoring.instance.map(1 << 47, HostMemory(0x1000), 0, 0x1000, "rw")


@pytest.mark.parametrize("address", [1 << 44, (1 << 48) - 0x1000, 0xFFFF_8000_0000_0000])
def test_memory_can_be_mapped_at_every_address_that_arm_has(guest, address):
    page = HostMemory(0x1000)
    page.bytes[:4].view("<u4")[:] = SVC_0 | 9 << 5
    guest.instance.map(address, page, 0, 0x1000, "rwx")
    # str x2, [x1, #8]; ldr x3, [x1, #8]; br x1
    assert guest.run(0xF9000422, 0xF9400423, RET_TO_X1, x1=address, x2=77) == Exit(kind=ExitKind.SVC, immediate=9)
    assert guest.x(3) == 77


# ---- state ----


def test_every_register_comes_back_as_it_was_given(guest):
    generator = np.random.default_rng(64)
    for _ in range(20):
        record = new_state()
        for name in ("x", "v"):
            record[name] = generator.integers(0, 1 << 64, record[name].shape, np.uint64)
        for name in ("sp", "tpidr_el0", "tpidrro_el0"):
            record[name] = generator.integers(0, 1 << 64, dtype=np.uint64)
        record["pc"] = int(generator.integers(0, 1 << 64, dtype=np.uint64))
        record["pstate"] = int(generator.integers(0, 16)) << 28 | int(generator.integers(0, 4)) << 10
        record["fpcr"] = int(generator.integers(0, 1 << 64, dtype=np.uint64)) & 0x07C8_0000  # AHP DN FZ RMode FZ16
        record["fpsr"] = int(generator.integers(0, 1 << 64, dtype=np.uint64)) & 0x0800_009F
        guest.instance.set_state(0, record)
        back = new_state()
        guest.instance.get_state(0, back)
        assert back.tobytes() == record.tobytes()


def test_the_guest_sees_the_registers_that_are_loaded(guest):
    value = {"tpidr_el0": 0x1234_5678_9ABC_DEF0, "tpidrro_el0": 0xFEDC, "fpcr": 1 << 24, "fpsr": 1 << 27, "nzcv": 9}
    # mrs x0..x4 of TPIDR_EL0, TPIDRRO_EL0, FPCR, FPSR, NZCV; mov x5, sp; mov x6, v31.d[1]
    words = (0xD53BD040, 0xD53BD061, 0xD53B4402, 0xD53B4423, 0xD53B4204, 0x910003E5, 0x4E183FE6)
    assert guest.run(*words, sp=0xABC0, v31=5 << 64, **value).kind is ExitKind.UNTIL
    seen = [guest.x(register) for register in range(7)]
    assert seen == [0x1234_5678_9ABC_DEF0, 0xFEDC, 1 << 24, 1 << 27, 9 << 28, 0xABC0, 5]


def test_keys_are_kept_by_a_cpu_model_with_pointer_authentication(guest):
    keys = {"apia": 5, "apib": 1 << 127, "apda": 7 << 64, "apdb": 9, "apga": (1 << 128) - 1}
    guest.set(**keys)
    assert guest.state().system.keys == keys


def test_registers_that_this_cpu_does_not_have_read_as_zero():
    guest = Guest(Environment(model="cortex-a57+FEAT_LSE"))
    guest.set(btype=1, apia=5, event_register=1, ssbs=1, dit=1, nzcv=4)
    state = guest.state()
    assert (state.system.keys, state.system.event_register, state.system.ssbs, state.system.dit) == ({}, 0, 0, 0)
    assert state.system.btype == 0
    assert state.general.nzcv == 4


def test_loading_a_state_opens_the_exclusive_monitor(guest):
    guest.write(0xC85F7C20, 0xC8027C20)  # ldxr x0, [x1]; stxr w2, x0, [x1]
    guest.set(x1=DATA)
    assert guest.go().kind is ExitKind.UNTIL
    assert guest.x(2) == 0
    guest.set(x1=DATA)
    assert guest.instance.step(0).kind is ExitKind.STEP
    guest.set(x1=DATA, pc=CODE_ADDRESS + 4)
    assert guest.instance.step(0).kind is ExitKind.STEP
    assert guest.x(2) == 1


def test_btype_of_a_branch_is_in_pstate(guest):
    assert guest.run(RET_TO_X1, x1=UNMAPPED).kind is ExitKind.INSTRUCTION_ABORT
    assert guest.state().system.btype == 1  # br from a page that is not guarded


# ---- what is declared ----

EXAMPLES = {
    "FEAT_AES": 0x4E284820,  # aese v0.16b, v1.16b
    "FEAT_BTI": 0xD503245F,  # bti c
    "FEAT_CRC32": 0x9AC24C20,  # crc32x w0, w1, x2
    "FEAT_DotProd": 0x2E829420,  # udot v0.2s, v1.8b, v2.8b
    "FEAT_DPB": 0xD50B7C21,  # dc cvap, x1
    "FEAT_DPB2": 0xD50B7D21,  # dc cvadp, x1
    "FEAT_FCMA": 0x6E82C420,  # fcmla v0.4s, v1.4s, v2.4s, #0
    "FEAT_FHM": 0x0E22EC20,  # fmlal v0.2s, v1.2h, v2.2h
    "FEAT_FlagM": 0xD500401F,  # cfinv
    "FEAT_FlagM2": 0xD500403F,  # xaflag
    "FEAT_FP16": 0x1EE22820,  # fadd h0, h1, h2
    "FEAT_FRINTTS": 0x1E684020,  # frint32z d0, d1
    "FEAT_JSCVT": 0x1E7E0020,  # fjcvtzs w0, d1
    "FEAT_LOR": 0x88DF7C20,  # ldlar w0, [x1]
    "FEAT_LRCPC": 0xF8BFC020,  # ldapr x0, [x1]
    "FEAT_LRCPC2": 0xD9400020,  # ldapur x0, [x1]
    "FEAT_LSE": 0xF8208022,  # swp x0, x2, [x1]
    "FEAT_PACQARMA5": 0x9AC23020,  # pacga x0, x1, x2
    "FEAT_PAuth": 0xDAC10020,  # pacia x0, x1
    "FEAT_PMULL": 0x0EE2E020,  # pmull v0.1q, v1.1d, v2.1d
    "FEAT_RDM": 0x2E828420,  # sqrdmlah v0.2s, v1.2s, v2.2s
    "FEAT_RNG": 0xD53B2400,  # mrs x0, rndr
    "FEAT_SB": 0xD50330FF,  # sb
    "FEAT_SHA1": 0x5E020020,  # sha1c q0, s1, v2.4s
    "FEAT_SHA256": 0x5E024020,  # sha256h q0, q1, v2.4s
    "FEAT_SHA3": 0xCE020C20,  # eor3 v0.16b, v1.16b, v2.16b, v3.16b
    "FEAT_SHA512": 0xCE628020,  # sha512h q0, q1, v2.2d
    "FEAT_SM3": 0xCE62C020,  # sm3partw1 v0.4s, v1.4s, v2.4s
    "FEAT_SM4": 0xCEC08420,  # sm4e v0.4s, v1.4s
}


def test_every_declared_feature_has_an_example():
    assert set(EXAMPLES) == FEATURES


@pytest.mark.parametrize("feature", sorted(EXAMPLES))
def test_a_declared_feature_executes(guest, feature):
    assert guest.run(EXAMPLES[feature], x0=1, x1=DATA).kind is ExitKind.UNTIL


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x04206820, id="sve: add z0.b, z1.b, z0.b"),
        pytest.param(0xD5032900 | 0xD0000, id="unallocated system instruction"),
        pytest.param(0x5AC02020, id="cssc: abs w0, w1"),
        pytest.param(0x4E82A420, id="i8mm: smmla v0.4s, v1.16b, v2.16b"),
        pytest.param(0xD53B42C0, id="mrs x0, ssbs"),
        pytest.param(0xD53B42A0, id="mrs x0, dit"),
    ],
)
def test_an_undeclared_feature_does_not_execute(guest, word):
    assert guest.run(word).kind is ExitKind.UNDEFINED


@pytest.mark.parametrize(
    "settings",
    [
        {"exception_level": 1},
        {"dc_zva_size": 512},
        {"sctlr_el1": SCTLR_EL1 | 1 << 1},  # A: QEMU 5 does not check the alignment of plain accesses
        {"sctlr_el1": SCTLR_EL1 & ~(1 << 16)},  # nTWI
        {"sctlr_el1": SCTLR_EL1 | 1 << 31},  # EnIA
        {"cpacr_el1": CPACR_EL1 | 3 << 16},  # ZEN
        {"cpacr_el1": 0},  # FPEN: Unicorn never traps floating point
    ],
    ids=str,
)
def test_an_environment_that_unicorn_would_ignore_is_refused(settings):
    with pytest.raises(Unsupported):
        BACKEND.create(Environment(**settings))


def test_what_is_missing_says_so(guest):
    with pytest.raises(Unsupported, match="one vCPU"):
        guest.instance.run(1, 1, None)
    with pytest.raises(Unsupported, match="watchpoint"):
        guest.instance.set_watchpoint(DATA, 8, "rw")
    with pytest.raises(Unsupported, match="Device"):
        guest.instance.map(UNMAPPED, HostMemory(0x1000), 0, 0x1000, "rw", device=True)
    with pytest.raises(Unsupported):
        BACKEND.create(Environment(), vcpus=2)


def test_without_the_package_one_line_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    reason = BACKEND.available()
    assert reason is not None
    assert "pip install" in reason
    assert "\n" not in reason
    assert BACKEND.capabilities().name == "unicorn"
