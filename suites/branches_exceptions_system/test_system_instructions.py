"""SYS at EL0: DC ZVA, cache maintenance, prediction restriction; what is UNDEFINED; and SB."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import (
    CODE,
    DATA,
    DATA_END,
    case,
    data_abort,
    expect,
    given,
    permit,
    undefined,
)
from assay64.harness.cases.case import SCTLR_EL1, Environment, MemoryType, Region
from assay64.harness.cases.outcome import Exit, ExitKind
from assay64.harness.cases.sentences import ExpectedExit

pytestmark = pytest.mark.system

TRAPPED = ExpectedExit(Exit(kind=ExitKind.TRAP))
UNMAPPED = 0x3000_0000
DZE, UCI, ENRCTX = 1 << 14, 1 << 26, 1 << 10
MAINTENANCE = ("dc cvac, x1", "dc cvau, x1", "dc civac, x1", "ic ivau, x1")


@pytest.mark.parametrize("offset", [0, 1, 32, 63])
def test_zva_zeroes_the_aligned_block(backend, offset):
    case("dc zva, x1", given(x1=DATA + 0x80 + offset, fill=5), expect(memory={DATA + 0x80: bytes(64)})).check(backend)


def test_zva_at_the_end_of_memory(backend):
    case("dc zva, x1", given(x1=DATA_END - 1, fill=5), expect(memory={DATA_END - 64: bytes(64)})).check(backend)


def test_zva_of_another_block_size(backend):
    case(
        "dc zva, x1\nmrs x0, dczid_el0",
        given(x1=DATA + 0x210, fill=5),
        expect(x0=5, memory={DATA + 0x200: bytes(128)}),
        environment=Environment(dc_zva_size=128),
    ).check(backend)


def test_zva_changes_what_is_loaded_next(backend):
    case(
        "str x0, [x1]\ndc zva, x1\nldr x2, [x1]",
        given(x0=7, x1=DATA + 8, x2=9, fill=5),
        expect(x2=0, memory={DATA: bytes(64)}),
    ).check(backend)


def test_zva_of_unmapped_memory_is_a_write(backend):
    address = UNMAPPED + 0x47
    case("dc zva, x1", given(x1=address), expect(exit=data_abort(address, "write", "translation"))).check(backend)


def test_zva_of_read_only_memory(backend):
    case(
        "dc zva, x1",
        given(x1=UNMAPPED + 8),
        expect(exit=data_abort(UNMAPPED + 8, "write", "permission")),
        regions=[Region(address=UNMAPPED, size=0x1_0000, permissions="r")],
    ).check(backend)


def test_zva_of_device_memory_is_an_alignment_fault(backend):
    case(
        "dc zva, x1",
        given(x1=UNMAPPED + 64),
        expect(exit=data_abort(UNMAPPED + 64, "write", "alignment")),
        regions=[Region(address=UNMAPPED, size=0x1_0000, memory_type=MemoryType.DEVICE)],
    ).check(backend)


def test_zva_trapped(backend):
    case(
        "dc zva, x1",
        given(x1=DATA, fill=5),
        expect(exit=TRAPPED),
        environment=Environment(sctlr_el1=SCTLR_EL1 & ~DZE),
    ).check(backend)


@pytest.mark.parametrize("code", MAINTENANCE)
def test_maintenance_changes_nothing(backend, code):
    case(code, given(x1=DATA + 5, fill=6, nzcv=0b1001), expect()).check(backend)


@pytest.mark.parametrize("code", MAINTENANCE)
def test_maintenance_trapped(backend, code):
    case(code, given(x1=DATA), expect(exit=TRAPPED), environment=Environment(sctlr_el1=SCTLR_EL1 & ~UCI)).check(backend)


@pytest.mark.parametrize("code", MAINTENANCE)
def test_maintenance_of_unmapped_memory_may_fault(backend, code):
    case(
        code,
        given(x1=UNMAPPED + 3),
        permit(expect(exit=data_abort(UNMAPPED + 3, "write", "translation")), expect()),
    ).check(backend)


@pytest.mark.parametrize(("code", "feature"), [("dc cvap, x1", "FEAT_DPB"), ("dc cvadp, x1", "FEAT_DPB2")])
def test_maintenance_to_persistence(backend, code, feature):
    case(
        code,
        given(x1=DATA, fill=6),
        expect(),
        environment=Environment(model=f"cortex-a57+{feature}"),
        requires=[feature],
    ).check(backend)


def test_code_that_writes_code(backend):
    code = "adr x1, 1f\nstr w0, [x1]\ndc cvau, x1\ndsb ish\nic ivau, x1\ndsb ish\nisb\n1: nop\nnop"
    case(
        code,
        given(x0=0xD280_00A2),  # mov x2, #5
        expect(x1=CODE + 28, x2=5, memory={CODE + 28: bytes.fromhex("a20080d2")}),
        regions=[Region(address=0x0FFF_0000, size=0x2_0000, permissions="rwx")],
    ).check(backend)


@pytest.mark.parametrize("op2", [4, 5, 7])
def test_prediction_restriction(backend, op2):
    word = 0xD50B_7300 | op2 << 5
    enabled = Environment(model="cortex-a57+FEAT_SPECRES", sctlr_el1=SCTLR_EL1 | ENRCTX)
    case(word, given(x0=1), expect(), environment=enabled, requires=["FEAT_SPECRES"]).check(backend)
    trapping = Environment(model="cortex-a57+FEAT_SPECRES")
    case(word, given(x0=1), expect(exit=TRAPPED), environment=trapping, requires=["FEAT_SPECRES"]).check(backend)
    case(word, given(x0=1), expect(exit=undefined())).check(backend)


def test_speculation_barrier(backend):
    case(
        "sb",
        given(x0=1, nzcv=5),
        expect(),
        environment=Environment(model="cortex-a57+FEAT_SB"),
        requires=["FEAT_SB"],
    ).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD508_7620, id="dc-ivac"),
        pytest.param(0xD508_7640, id="dc-isw"),
        pytest.param(0xD508_751F, id="ic-iallu"),
        pytest.param(0xD508_831F, id="tlbi-vmalle1is"),
        pytest.param(0xD508_7800, id="at-s1e1r"),
        pytest.param(0xD508_7840, id="at-s1e0r"),
        pytest.param(0xD50B_7460, id="dc-gva"),
        pytest.param(0xD50B_7C20, id="dc-cvap-without-dpb"),
        pytest.param(0xD50B_0000, id="sys-unallocated"),
        pytest.param(0xD52B_7420, id="sysl"),
        pytest.param(0xD528_0000, id="sysl-0"),
    ],
)
def test_undefined_at_el0(backend, word):
    case(word, given(x0=DATA), expect(exit=undefined())).check(backend)
