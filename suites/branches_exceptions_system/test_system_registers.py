"""MRS, MSR (register) and MSR (immediate) at EL0 (Arm ARM chapter D24, C5.1)."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import MAX64, case, expect, given, undefined, unknown
from assay64.harness.cases.case import SCTLR_EL1, Environment
from assay64.harness.cases.outcome import Exit, ExitKind
from assay64.harness.cases.sentences import ExpectedExit

pytestmark = pytest.mark.system

TRAPPED = ExpectedExit(Exit(kind=ExitKind.TRAP))
FULL = 0x1234_5678_9ABC_DEF0
UMA, UCT, DZE = 1 << 9, 1 << 15, 1 << 14


def with_features(*features: str) -> dict[str, object]:
    return {"environment": Environment(model="+".join(("cortex-a57", *features))), "requires": list(features)}


def control(**settings: int) -> dict[str, object]:
    return {"environment": Environment(**settings)}


# --- registers that hold what is written


def test_nzcv_is_bits_31_to_28(backend):
    case("mrs x0, nzcv", given(nzcv=0b1010, x0=FULL), expect(x0=0xA000_0000)).check(backend)
    case("msr nzcv, x0", given(nzcv=0b1010, x0=0xFFFF_FFFF_5FFF_FFFF), expect(nzcv=0b0101)).check(backend)


def test_thread_register(backend):
    case("mrs x0, tpidr_el0", given(tpidr_el0=FULL), expect(x0=FULL)).check(backend)
    case("msr tpidr_el0, x0", given(tpidr_el0=5, x0=FULL), expect(tpidr_el0=FULL)).check(backend)
    case("msr tpidr_el0, xzr", given(tpidr_el0=5), expect(tpidr_el0=0)).check(backend)


def test_read_only_thread_register(backend):
    case("mrs x0, tpidrro_el0", given(tpidrro_el0=FULL), expect(x0=FULL)).check(backend)
    case(0xD51B_D060, given(tpidrro_el0=FULL, x0=1), expect(exit=undefined())).check(backend)


def test_fpcr(backend):
    case("mrs x0, fpcr", given(fpcr=0x0340_0000), expect(x0=0x0340_0000)).check(backend)
    case("msr fpcr, x0", given(fpcr=0x0340_0000, x0=0x04C0_0000), expect(fpcr=0x04C0_0000)).check(backend)


def test_fpcr_has_no_fz16_without_half_precision(backend):
    case("msr fpcr, x0\nmrs x1, fpcr", given(x0=0x0188_0000), expect(fpcr=0x0180_0000, x1=0x0180_0000)).check(backend)


def test_fpcr_keeps_fz16_with_half_precision(backend):
    case("msr fpcr, x0", given(x0=0x0088_0000), expect(fpcr=0x0088_0000), **with_features("FEAT_FP16")).check(backend)


def test_fpsr(backend):
    case("mrs x0, fpsr", given(fpsr=0x0800_0091), expect(x0=0x0800_0091)).check(backend)
    case("msr fpsr, x0", given(fpsr=0x91, x0=0xFFFF_FFFF_0FFF_FFFF), expect(fpsr=0x0800_009F)).check(backend)


def test_mrs_to_the_zero_register(backend):
    case("mrs xzr, nzcv", given(nzcv=0b1111), expect()).check(backend)


# --- features


def test_dit(backend):
    both = with_features("FEAT_DIT")
    case("mrs x0, dit", given(dit=1), expect(x0=1 << 24), **both).check(backend)
    case("msr dit, x0", given(dit=1, x0=~(1 << 24)), expect(dit=0), **both).check(backend)
    case("msr dit, #1", given(), expect(dit=1), **both).check(backend)
    case("msr dit, #0", given(dit=1), expect(dit=0), **both).check(backend)


def test_ssbs(backend):
    both = with_features("FEAT_SSBS")
    case("mrs x0, ssbs", given(ssbs=1), expect(x0=1 << 12), **both).check(backend)
    case("msr ssbs, x0", given(x0=1 << 12), expect(ssbs=1), **both).check(backend)
    case("msr ssbs, #0", given(ssbs=1), expect(ssbs=0), **both).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD53B_42A0, id="mrs-dit"),
        pytest.param(0xD51B_42A0, id="msr-dit"),
        pytest.param(0xD503_415F, id="msr-dit-immediate"),
        pytest.param(0xD53B_42C0, id="mrs-ssbs"),
        pytest.param(0xD503_413F, id="msr-ssbs-immediate"),
        pytest.param(0xD503_419F, id="msr-tco-immediate"),
        pytest.param(0xD53B_E0A0, id="mrs-cntpctss"),
    ],
)
def test_undefined_without_the_feature(backend, word):
    case(word, given(x0=1), expect(exit=undefined())).check(backend)


# --- what the implementation is like


def test_counters_have_a_value_that_nobody_foresees(backend):
    case("mrs x0, cntvct_el0\nmrs x1, cntpct_el0", given(), expect(unknown("x0", "x1"))).check(backend)


def test_counters_do_not_run_backwards(backend):
    code = "mrs x0, cntvct_el0\nisb\nmrs x1, cntvct_el0\nsub x3, x1, x0\nlsr x3, x3, #63\nmov x0, #0\nmov x1, #0"
    case(code, given(), expect(x3=0)).check(backend)


def test_counter_frequency_has_32_bits(backend):
    case("mrs x0, cntfrq_el0", given(x0=MAX64), expect(unknown(x0=0xFFFF_FFFF), x0=0)).check(backend)


def test_cache_type_and_zero_block(backend):
    case("mrs x0, ctr_el0\nmrs x1, dczid_el0", given(), expect(x0=0x8444_C004, x1=4)).check(backend)


# --- traps


@pytest.mark.parametrize(
    ("code", "settings"),
    [
        ("mrs x0, ctr_el0", {"sctlr_el1": SCTLR_EL1 & ~UCT}),
        ("mrs x0, cntvct_el0", {"cntkctl_el1": 1}),
        ("mrs x0, cntpct_el0", {"cntkctl_el1": 2}),
        ("mrs x0, cntfrq_el0", {"cntkctl_el1": 0}),
        ("mrs x0, cntv_ctl_el0", {}),
        ("msr cntp_cval_el0, x0", {}),
        ("mrs x0, daif", {}),
        ("msr daif, x0", {}),
        ("msr daifset, #2", {}),
        ("msr daifclr, #15", {}),
        ("mrs x0, pmccntr_el0", {}),
    ],
)
def test_trapped_to_el1(backend, code, settings):
    case(code, given(x0=FULL), expect(exit=TRAPPED), **control(**settings)).check(backend)


@pytest.mark.parametrize("enabled", [1, 2])
def test_counter_frequency_needs_one_of_two_enables(backend, enabled):
    case("mrs x0, cntfrq_el0", given(), expect(unknown(x0=0xFFFF_FFFF)), **control(cntkctl_el1=enabled)).check(backend)


def test_zero_block_is_prohibited_when_trapped(backend):
    case("mrs x0, dczid_el0", given(), expect(x0=0x14), **control(sctlr_el1=SCTLR_EL1 & ~DZE)).check(backend)


def test_interrupt_masks_when_allowed(backend):
    allowed = control(sctlr_el1=SCTLR_EL1 | UMA)
    case("msr daifset, #10", given(daif=1), expect(daif=11), **allowed).check(backend)
    case("msr daifclr, #10", given(daif=15), expect(daif=5), **allowed).check(backend)
    case("mrs x0, daif", given(daif=9), expect(x0=9 << 6), **allowed).check(backend)
    case("msr daif, x0", given(x0=6 << 6), expect(daif=6), **allowed).check(backend)


def test_identification_space_with_feat_idst(backend):
    for word in (0xD538_0000, 0xD538_0400, 0xD538_0740, 0xD539_0000, 0xD53B_0020 | 2 << 5):
        case(word, given(), expect(exit=TRAPPED), **with_features("FEAT_IDST")).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD538_0000, id="midr"),
        pytest.param(0xD538_0400, id="id_aa64pfr0"),
        pytest.param(0xD538_1000, id="sctlr_el1"),
        pytest.param(0xD538_4240, id="currentel"),
        pytest.param(0xD538_4200, id="spsel"),
        pytest.param(0xD538_4100, id="sp_el0"),
        pytest.param(0xD538_D080, id="tpidr_el1"),
        pytest.param(0xD53C_1100, id="hcr_el2"),
        pytest.param(0xD53F_F200, id="implementation-defined"),
        pytest.param(0xD530_0200, id="mdscr_el1"),
        pytest.param(0xD51B_0020, id="msr-ctr_el0"),
        pytest.param(0xD51B_E040, id="msr-cntvct_el0"),
        pytest.param(0xD518_4100, id="msr-sp_el0"),
        pytest.param(0xD500_41BF, id="msr-spsel-immediate"),
        pytest.param(0xD500_409F, id="msr-pan-immediate"),
        pytest.param(0xD500_407F, id="msr-uao-immediate"),
        pytest.param(0xD503_401F, id="msr-immediate-op2-000"),
        pytest.param(0xD507_40DF, id="msr-immediate-op1-111"),
    ],
)
def test_undefined_at_el0(backend, word):
    case(word, given(x0=1), expect(exit=undefined())).check(backend)
