"""LDAPR, LDAPUR and STLUR, LDLAR and STLLR; and the alignment of ordered accesses with FEAT_LSE2."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import DATA, case, data_abort, expect, given, undefined
from assay64.harness.cases.case import SCTLR_EL1, Environment
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE, UNMAPPED

pytestmark = pytest.mark.ordering

NAA = SCTLR_EL1 | 1 << 6


def with_features(*features: str, sctlr_el1: int = SCTLR_EL1) -> dict[str, object]:
    return {
        "environment": Environment(model="+".join(("cortex-a57", *features)), sctlr_el1=sctlr_el1),
        "requires": list(features),
    }


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("ldaprb w0, [x1]", 0x91),
        ("ldaprh w0, [x1]", 0xA291),
        ("ldapr w0, [x1]", 0xC4B3_A291),
        ("ldapr x0, [x1]", NEGATIVE),
    ],
)
def test_ldapr(backend, code, result):
    case(
        code, given(x0=GARBAGE, x1=DATA, memory={DATA: NEGATIVE}), expect(x0=result), **with_features("FEAT_LRCPC")
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("ldapurb w0, [x1, #255]", 0x91),
        ("ldapurh w0, [x1, #255]", 0xA291),
        ("ldapur w0, [x1, #255]", 0xC4B3_A291),
        ("ldapur x0, [x1, #255]", NEGATIVE),
        ("ldapursb w0, [x1, #255]", 0xFFFF_FF91),
        ("ldapursb x0, [x1, #255]", 0xFFFF_FFFF_FFFF_FF91),
        ("ldapursh w0, [x1, #255]", 0xFFFF_A291),
        ("ldapursh x0, [x1, #255]", 0xFFFF_FFFF_FFFF_A291),
        ("ldapursw x0, [x1, #255]", 0xFFFF_FFFF_C4B3_A291),
    ],
)
def test_ldapur_extends_as_its_name_says(backend, code, result):
    case(
        code,
        given(x0=GARBAGE, x1=DATA + 8 - 255, memory={DATA + 8: NEGATIVE}),
        expect(x0=result),
        **with_features("FEAT_LRCPC2"),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "stored"),
    [
        ("stlurb w0, [x1, #-256]", "91"),
        ("stlurh w0, [x1, #-256]", "91 a2"),
        ("stlur w0, [x1, #-256]", "91 a2 b3 c4"),
        ("stlur x0, [x1, #-256]", "91 a2 b3 c4 55 66 77 88"),
    ],
)
def test_stlur_writes_the_low_bytes_and_no_others(backend, code, stored):
    case(
        code,
        given(x0=NEGATIVE, x1=DATA + 256, fill=30),
        expect(memory={DATA: bytes.fromhex(stored)}),
        **with_features("FEAT_LRCPC2"),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("ldlarb w0, [x1]", 0x91),
        ("ldlarh w0, [x1]", 0xA291),
        ("ldlar w0, [x1]", 0xC4B3_A291),
        ("ldlar x0, [x1]", NEGATIVE),
    ],
)
def test_ldlar(backend, code, result):
    case(
        code, given(x0=GARBAGE, x1=DATA, memory={DATA: NEGATIVE}), expect(x0=result), **with_features("FEAT_LOR")
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "stored"),
    [
        ("stllrb w0, [x1]", "91"),
        ("stllrh w0, [x1]", "91 a2"),
        ("stllr w0, [x1]", "91 a2 b3 c4"),
        ("stllr x0, [x1]", "91 a2 b3 c4 55 66 77 88"),
    ],
)
def test_stllr(backend, code, stored):
    case(
        code,
        given(x0=NEGATIVE, x1=DATA, fill=30),
        expect(memory={DATA: bytes.fromhex(stored)}),
        **with_features("FEAT_LOR"),
    ).check(backend)


ORDERED = (
    ("ldapr x0, [x1]", "FEAT_LRCPC", "read"),
    ("ldapur x0, [x1]", "FEAT_LRCPC2", "read"),
    ("stlur x0, [x1]", "FEAT_LRCPC2", "write"),
    ("ldlar x0, [x1]", "FEAT_LOR", "read"),
    ("stllr x0, [x1]", "FEAT_LOR", "write"),
)


@pytest.mark.parametrize(("code", "feature", "access"), ORDERED)
@pytest.mark.parametrize("address", [DATA + 1, DATA + 12, UNMAPPED + 4])
def test_must_be_aligned(backend, code, feature, access, address):
    case(
        code, given(x1=address), expect(exit=data_abort(address, access, "alignment")), **with_features(feature)
    ).check(backend)


@pytest.mark.parametrize(("code", "feature", "access"), ORDERED)
def test_across_16_aligned_bytes_it_must_be_aligned_with_lse2(backend, code, feature, access):
    case(
        code,
        given(x1=DATA + 9),
        expect(exit=data_abort(DATA + 9, access, "alignment")),
        **with_features("FEAT_LSE2", feature),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "feature"),
    [("ldapr x0, [x1]", "FEAT_LRCPC"), ("ldlar x0, [x1]", "FEAT_LOR"), ("ldapur x0, [x1]", "FEAT_LRCPC2")],
)
@pytest.mark.parametrize(("address", "sctlr_el1"), [(DATA + 8, SCTLR_EL1), (DATA + 5, SCTLR_EL1), (DATA + 9, NAA)])
def test_within_16_bytes_or_with_naa_any_address_will_do_with_lse2(backend, code, feature, address, sctlr_el1):
    case(
        code,
        given(x1=address, memory={address: NEGATIVE}),
        expect(x0=NEGATIVE),
        **with_features("FEAT_LSE2", feature, sctlr_el1=sctlr_el1),
    ).check(backend)


def test_naa_does_not_help_exclusives(backend):
    case(
        "ldxr x0, [x1]",
        given(x1=DATA + 9),
        expect(exit=data_abort(DATA + 9, "read", "alignment")),
        **with_features("FEAT_LSE2", sctlr_el1=NAA),
    ).check(backend)


def test_exclusive_inside_16_bytes_with_lse2(backend):
    case(
        "ldxr x0, [x1]",
        given(x1=DATA + 3, memory={DATA + 3: NEGATIVE}),
        expect(x0=NEGATIVE),
        **with_features("FEAT_LSE2"),
    ).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xF8BF_C020, id="ldapr"),
        pytest.param(0xD940_0020, id="ldapur"),
        pytest.param(0xC8DF_7C20, id="ldlar"),
        pytest.param(0xC89F_7C20, id="stllr"),
    ],
)
def test_undefined_without_the_feature(backend, word):
    case(word, given(x1=DATA), expect(exit=undefined())).check(backend)
