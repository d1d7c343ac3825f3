"""The Dynarmic adapter's exits: kind, immediate, PC, faults, the registers beside them; and what it declares."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.dynarmic import BACKEND
from assay64.harness.backends.library import LibraryError
from assay64.harness.cases.case import CODE_REGION, Environment
from assay64.harness.cases.layout import EXECUTED_UNKNOWN
from assay64.harness.cases.outcome import Access, Exit, ExitKind, Fault
from assay64.suites.selftest._guest import (
    ADD_X0,
    ALL_ONES,
    BR_X1,
    CLREX,
    CODE,
    DATA,
    DATA_END,
    LDR,
    LDR_POST,
    LDXR,
    NOP,
    STR,
    STR_PRE,
    STXR,
    UNMAPPED,
    Guest,
)

if reason := BACKEND.available():
    pytest.skip(reason, allow_module_level=True)


@pytest.fixture
def guest() -> Iterator[Guest]:
    instance = BACKEND.create(Environment())
    yield Guest(instance)
    instance.close()


@pytest.fixture
def pair() -> Iterator[Guest]:
    """Two vCPUs on one memory."""
    instance = BACKEND.create(Environment(), vcpus=2)
    yield Guest(instance)
    instance.close()


# ---- exits and the PC that goes with them ----


@pytest.mark.parametrize(
    ("word", "kind", "immediate", "pc_offset"),
    [
        pytest.param(0xD4024681, ExitKind.SVC, 0x1234, 4, id="svc #0x1234"),
        pytest.param(0xD43579A0, ExitKind.BRK, 0xABCD, 0, id="brk #0xabcd"),
        pytest.param(0x00000007, ExitKind.DECLINED, 0, 0, id="udf #7"),
        pytest.param(0xD4000022, ExitKind.DECLINED, 0, 0, id="hvc #1"),
        pytest.param(0xD4000023, ExitKind.DECLINED, 0, 0, id="smc #1"),
        pytest.param(0xD4400020, ExitKind.DECLINED, 0, 0, id="hlt #1"),
        pytest.param(0xD69F03E0, ExitKind.DECLINED, 0, 0, id="eret"),
        pytest.param(0xD5380000, ExitKind.DECLINED, 0, 0, id="mrs x0, midr_el1"),
        pytest.param(0x2B22B420, ExitKind.UNDEFINED, 0, 0, id="adds w0, w1, w2, sxth #5 (reserved shift)"),
        pytest.param(0xA8C00800, ExitKind.UNPREDICTABLE, 0, 0, id="ldp x0, x2, [x0], #0"),
        pytest.param(0xD503207F, ExitKind.WAIT, 0, 4, id="wfi"),
        pytest.param(0xD503205F, ExitKind.WAIT, 0, 4, id="wfe"),
    ],
)
def test_exit_and_preferred_return_address(
    guest: Guest, word: int, kind: ExitKind, immediate: int, pc_offset: int
) -> None:
    ended = guest.run(NOP, word, NOP)
    assert (ended.kind, ended.immediate, guest.pc) == (kind, immediate, CODE + 4 + pc_offset)
    guest.load(pc=CODE + 4)
    assert guest.instance.step(0) == ended
    assert guest.pc == CODE + 4 + pc_offset


@pytest.mark.parametrize(
    "word", [0xD503201F, 0xD503203F, 0xD503209F, 0xD50320BF, 0xD503233F, 0xD5033FDF, 0xD5033F9F, CLREX]
)
def test_hints_and_barriers_execute(guest: Guest, word: int) -> None:
    assert guest.run(word, ADD_X0).kind is ExitKind.UNTIL
    assert (guest.x(0), guest.instance.executed(0)) == (1, 2)


def test_wfe_takes_the_event_that_sevl_left(guest: Guest) -> None:
    assert guest.run(0xD50320BF, 0xD503205F).kind is ExitKind.UNTIL  # sevl; wfe
    assert guest.state()["event_register"] == 0
    assert guest.run(0xD503205F, event_register=1).kind is ExitKind.UNTIL
    assert guest.run(0xD50320BF).kind is ExitKind.UNTIL
    assert guest.state()["event_register"] == 1


def test_sev_reaches_the_other_vcpu(pair: Guest) -> None:
    pair.run(0xD503209F)  # sev
    assert pair.state(1)["event_register"] == 1


def test_many_undecodable_words_in_a_row_are_one_exit_at_the_first(guest: Guest) -> None:
    assert guest.run(*[0] * 100).kind is ExitKind.DECLINED
    assert (guest.pc, guest.instance.executed(0)) == (CODE, 0)


# ---- data aborts ----

READ, WRITE = Access.READ, Access.WRITE


@pytest.mark.parametrize(
    ("word", "x1", "access", "address"),
    [
        pytest.param(LDR, UNMAPPED, READ, UNMAPPED, id="ldr x0, [x1]"),
        pytest.param(LDR_POST, UNMAPPED, READ, UNMAPPED, id="ldr x0, [x1], #8"),
        pytest.param(0xF8408C20, UNMAPPED - 8, READ, UNMAPPED, id="ldr x0, [x1, #8]!"),
        pytest.param(STR, UNMAPPED, WRITE, UNMAPPED, id="str x0, [x1]"),
        pytest.param(STR_PRE, UNMAPPED - 8, WRITE, UNMAPPED, id="str x0, [x1, #8]!"),
        pytest.param(0x39000020, DATA_END, WRITE, DATA_END, id="strb w0, [x1]"),
        pytest.param(LDR, DATA_END - 4, READ, DATA_END, id="ldr across the end"),
        pytest.param(LDR, DATA - 4, READ, DATA - 4, id="ldr across the beginning"),
        pytest.param(STR, DATA_END - 1, WRITE, DATA_END, id="str across the end"),
        pytest.param(STR, DATA - 7, WRITE, DATA - 7, id="str across the beginning"),
        pytest.param(0x3DC00020, DATA_END - 8, READ, DATA_END, id="ldr q0 across the end"),
        pytest.param(0x3D800020, DATA_END - 15, WRITE, DATA_END, id="str q0 across the end"),
        pytest.param(0xA9400820, UNMAPPED, READ, UNMAPPED, id="ldp x0, x2, [x1]"),
        pytest.param(0xA8C10820, DATA_END - 8, READ, DATA_END, id="ldp x0, x2, [x1], #16 across the end"),
        pytest.param(0xA9000820, UNMAPPED, WRITE, UNMAPPED, id="stp x0, x2, [x1]"),
        pytest.param(LDXR, UNMAPPED, READ, UNMAPPED, id="ldxr x0, [x1]"),
        pytest.param(0xC87F1424, UNMAPPED, READ, UNMAPPED, id="ldxp x4, x5, [x1]"),
        pytest.param(0xC85FFC20, ALL_ONES - 7, READ, ALL_ONES - 7, id="ldaxr x0, [x1] at the top"),
        pytest.param(LDR, ALL_ONES, READ, ALL_ONES, id="ldr that wraps"),
        pytest.param(LDR, 0x0100_0000_2000_0000, READ, 0x0100_0000_2000_0000, id="ldr with a tag"),
        pytest.param(0xD50B7421, UNMAPPED, WRITE, UNMAPPED, id="dc zva, x1"),
    ],
)
@pytest.mark.parametrize("stepped", [False, True], ids=["run", "step"])
def test_data_abort_is_precise(guest: Guest, word: int, x1: int, access: Access, address: int, stepped: bool) -> None:
    guest.put([ADD_X0, word, ADD_X0])
    guest.load(x0=0x11, x1=x1, x2=0x22, x3=0x33, v0=0x44, pc=CODE + 4 if stepped else CODE)
    ended = guest.instance.step(0) if stepped else guest.instance.run(0, 1000, guest.end)
    assert ended == Exit(kind=ExitKind.DATA_ABORT, access=access, fault=Fault.TRANSLATION, address=address)
    state = guest.state()
    assert [int(value) for value in state["x"][:4]] == [0x11 if stepped else 0x12, x1, 0x22, 0x33]
    assert (int(state["v"][0][0]), guest.pc) == (0x44, CODE + 4)
    assert not guest.data.bytes.any()
    assert guest.instance.executed(0) == (0 if stepped else EXECUTED_UNKNOWN)


def test_store_exclusive_that_faults_leaves_the_status_register(guest: Guest) -> None:
    guest.put([LDXR, STXR])
    guest.load(x1=DATA, x3=0x33)
    assert guest.instance.step(0).kind is ExitKind.STEP
    guest.instance.protect(DATA, 0x1000, "r")
    ended = guest.instance.run(0, 10, guest.end)
    assert ended == Exit(kind=ExitKind.DATA_ABORT, access=WRITE, fault=Fault.PERMISSION, address=DATA)
    assert (guest.x(3), guest.pc) == (0x33, CODE + 4)


@pytest.mark.parametrize(
    ("permissions", "word", "fault"),
    [
        ("r", STR, Fault.PERMISSION),
        ("w", LDR, Fault.PERMISSION),
        ("x", LDR, Fault.PERMISSION),
        ("", LDR, Fault.PERMISSION),
    ],
)
def test_permissions_are_checked_and_change(guest: Guest, permissions: str, word: int, fault: Fault) -> None:
    assert guest.run(word, x1=DATA).kind is ExitKind.UNTIL
    guest.instance.protect(DATA, 0x1000, permissions)
    assert guest.run(word, x1=DATA).fault is fault
    assert guest.run(word, x1=DATA + 0x1000).kind is ExitKind.UNTIL
    guest.instance.unmap(DATA, 0x1000)
    assert guest.run(word, x1=DATA).fault is Fault.TRANSLATION


def test_an_access_over_two_pages_that_are_apart_on_the_host(guest: Guest) -> None:
    guest.instance.map(DATA, guest.data, 0x4000, 0x1000, "rw")
    guest.instance.map(DATA + 0x1000, guest.data, 0x2000, 0x1000, "rw")
    guest.write(0x4FF8, 0x1122_3344_5566_7788)
    guest.write(0x2000, 0x99AA_BBCC_DDEE_FF00)
    assert guest.run(LDR, x1=DATA + 0xFFC).kind is ExitKind.UNTIL
    assert guest.x(0) == 0xDDEE_FF00_1122_3344
    assert guest.run(STR, x0=ALL_ONES, x1=DATA + 0xFFD).kind is ExitKind.UNTIL
    assert (guest.doubleword(0x4FF8), guest.doubleword(0x2000)) == (0xFFFF_FF44_5566_7788, 0x99AA_BBFF_FFFF_FFFF)
    assert guest.run(LDXR, STXR, x1=DATA + 0xFFC).kind is ExitKind.UNTIL
    assert guest.x(3) == 0


def test_device_memory_faults_on_unaligned_access(guest: Guest) -> None:
    guest.instance.map(DATA, guest.data, 0, 0x1000, "rw", device=True)
    assert guest.run(LDR, x1=DATA + 8).kind is ExitKind.UNTIL
    ended = guest.run(LDR, x1=DATA + 4)
    assert ended == Exit(kind=ExitKind.DATA_ABORT, access=READ, fault=Fault.ALIGNMENT, address=DATA + 4)


def test_an_alias_shows_the_same_bytes(guest: Guest) -> None:
    guest.instance.map(UNMAPPED, guest.data, 0, 0x1000, "rw")
    assert guest.run(STR, x0=0x77, x1=UNMAPPED + 16).kind is ExitKind.UNTIL
    assert guest.run(LDR, x1=DATA + 16).kind is ExitKind.UNTIL
    assert guest.x(0) == 0x77


# ---- instruction aborts and alignment of the PC ----


@pytest.mark.parametrize(
    ("target", "fault"),
    [
        (UNMAPPED, Fault.TRANSLATION),
        (DATA, Fault.PERMISSION),
        (1 << 55, Fault.TRANSLATION),
        (ALL_ONES - 3, Fault.TRANSLATION),
    ],
)
@pytest.mark.parametrize("word", [BR_X1, 0xD63F0020], ids=["br", "blr"])
def test_branch_to_where_nothing_can_be_fetched(guest: Guest, word: int, target: int, fault: Fault) -> None:
    ended = guest.run(word, x1=target)
    assert ended == Exit(kind=ExitKind.INSTRUCTION_ABORT, access=Access.FETCH, fault=fault, address=target)
    assert (guest.pc, guest.x(30)) == (target, CODE + 4 if word != BR_X1 else 0)
    assert guest.instance.executed(0) == 1


def test_every_bit_of_a_bad_target_is_reported_each_time(guest: Guest) -> None:
    for high in (0x12, 0x34, 0x12, 0x00):
        target = high << 56 | UNMAPPED
        assert guest.run(BR_X1, x1=target).address == target


def test_falling_off_the_last_executable_page(guest: Guest) -> None:
    last = CODE_REGION[0] + CODE_REGION[1] - 8
    guest.put([ADD_X0, ADD_X0], last)
    guest.load(pc=last)
    ended = guest.instance.run(0, 100, None)
    assert (ended.kind, ended.address) == (ExitKind.INSTRUCTION_ABORT, CODE_REGION[0] + CODE_REGION[1])
    assert (guest.x(0), guest.instance.executed(0)) == (2, 2)


@pytest.mark.parametrize("low", [1, 2, 3])
def test_unaligned_pc(guest: Guest, low: int) -> None:
    assert guest.run(BR_X1, x1=CODE + low) == Exit(kind=ExitKind.PC_ALIGNMENT)
    assert guest.pc == CODE + low
    assert guest.run(BR_X1, pc=CODE + low).kind is ExitKind.PC_ALIGNMENT
    assert guest.run(BR_X1, x1=UNMAPPED + low).kind is ExitKind.PC_ALIGNMENT
    guest.load(pc=UNMAPPED + low)
    assert guest.instance.step(0).kind is ExitKind.PC_ALIGNMENT


# ---- what it declares ----

FEATURES = {
    "FEAT_AES": 0x4E284820,  # aese v0.16b, v1.16b
    "FEAT_PMULL": 0x0EE2E020,  # pmull v0.1q, v1.1d, v2.1d
    "FEAT_SHA1": 0x5E280820,  # sha1h s0, s1
    "FEAT_SHA256": 0x5E282820,  # sha256su0 v0.4s, v1.4s
    "FEAT_CRC32": 0x9AC25C20,  # crc32cx w0, w1, x2
    "FEAT_SHA512": 0xCEC08020,  # sha512su0 v0.2d, v1.2d
    "FEAT_SHA3": 0xCE020C20,  # eor3 v0.16b, v1.16b, v2.16b, v3.16b
    "FEAT_SM3": 0xCE420C20,  # sm3ss1 v0.4s, v1.4s, v2.4s, v3.4s
    "FEAT_SM4": 0xCEC08420,  # sm4e v0.4s, v1.4s
    "FEAT_DotProd": 0x4E829420,  # sdot v0.4s, v1.16b, v2.16b
    "FEAT_FCMA": 0x6E82E420,  # fcadd v0.4s, v1.4s, v2.4s, #90
    "FEAT_FlagM2": 0xD500405F,  # axflag
    "FEAT_LOR": 0xC8DF7C20,  # ldlar x0, [x1]
    "FEAT_DPB": 0xD50B7C21,  # dc cvap, x1
    "FEAT_LSE": 0xF8200022,  # ldadd x0, x2, [x1]
    "FEAT_LRCPC": 0xF8BFC020,  # ldapr x0, [x1]
    "FEAT_RDM": 0x6E828420,  # sqrdmlah v0.4s, v1.4s, v2.4s
    "FEAT_JSCVT": 0x1E7E0020,  # fjcvtzs w0, d1
    "FEAT_FRINTTS": 0x1E684020,  # frint32z d0, d1
    "FEAT_FlagM": 0x3A00080D,  # setf8 w0
    "FEAT_BF16": 0x6E42FC20,  # bfdot v0.4s, v1.8h, v2.8h
    "FEAT_I8MM": 0x4E82A420,  # smmla v0.4s, v1.16b, v2.16b
    "FEAT_PAuth": 0xDAC10020,  # pacia x0, x1
    "FEAT_MTE": 0x9ADF1020,  # irg x0, x1
    "FEAT_SB": 0xD50330FF,  # sb
}


@pytest.mark.parametrize(("feature", "word"), FEATURES.items())
def test_declared_features_execute_and_others_do_not(guest: Guest, feature: str, word: int) -> None:
    kind = guest.run(word, x1=DATA).kind
    if feature in BACKEND.capabilities().features:
        assert kind is ExitKind.UNTIL
    else:
        assert kind in {ExitKind.DECLINED, ExitKind.UNDEFINED}


def test_every_declared_feature_is_in_the_table() -> None:
    capabilities = BACKEND.capabilities()
    assert capabilities.features <= FEATURES.keys()
    assert not capabilities.distinguishes_undefined
    assert capabilities.version != "unknown"


@pytest.mark.parametrize(
    ("environment", "vcpus", "message"),
    [
        (Environment(exception_level=1), 1, "EL1"),
        (Environment(top_byte_ignore=True), 1, "top_byte_ignore"),
        (Environment(cpacr_el1=0), 1, "cpacr_el1"),
        (Environment(dc_zva_size=512), 1, "dc_zva_size"),
        (Environment(), 9, "8 vCPU"),
    ],
)
def test_an_environment_that_it_does_not_have(environment: Environment, vcpus: int, message: str) -> None:
    with pytest.raises(Unsupported, match=message):
        BACKEND.create(environment, vcpus)


def test_guarded_pages_are_unsupported(guest: Guest) -> None:
    with pytest.raises(Unsupported, match="FEAT_BTI"):
        guest.instance.map(DATA, guest.data, 0, 0x1000, "rx", guarded=True)


def test_wrong_calls_are_errors_with_a_reason(guest: Guest) -> None:
    with pytest.raises(LibraryError, match="whole pages"):
        guest.instance.map(DATA + 1, guest.data, 0, 0x1000, "rw")
    with pytest.raises(LibraryError, match="not mapped"):
        guest.instance.protect(UNMAPPED, 0x1000, "r")
    with pytest.raises(LibraryError, match="no vCPU 1"):
        guest.instance.run(1, 1, None)
