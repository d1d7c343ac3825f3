"""Compare and swap, single and pair."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import DATA, case, data_abort, expect, given, undefined, word
from assay64.harness.cases.case import Environment, Region
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE, UNMAPPED

pytestmark = pytest.mark.atomics

LSE = {"environment": Environment(model="cortex-a57+FEAT_LSE"), "requires": ["FEAT_LSE"]}
READ_ONLY = Region(address=UNMAPPED, size=0x1_0000, permissions="r")
OTHER = 0x0102_0304_0506_0708


@pytest.mark.parametrize(
    ("code", "compared", "loaded", "stored"),
    [
        ("casb w0, w2, [x1]", 0xFFFF_FFFF_FFFF_FF91, 0x91, "08"),
        ("cash w0, w2, [x1]", 0xFFFF_FFFF_FFFF_A291, 0xA291, "08 07"),
        ("cas w0, w2, [x1]", 0xFFFF_FFFF_C4B3_A291, 0xC4B3_A291, "08 07 06 05"),
        ("cas x0, x2, [x1]", NEGATIVE, NEGATIVE, "08 07 06 05 04 03 02 01"),
        ("casa x0, x2, [x1]", NEGATIVE, NEGATIVE, "08 07 06 05 04 03 02 01"),
        ("casl x0, x2, [x1]", NEGATIVE, NEGATIVE, "08 07 06 05 04 03 02 01"),
        ("casal x0, x2, [x1]", NEGATIVE, NEGATIVE, "08 07 06 05 04 03 02 01"),
    ],
)
def test_equal_stores_and_bits_above_the_size_do_not_count(backend, code, compared, loaded, stored):
    case(
        code,
        given(x0=compared, x1=DATA, x2=OTHER, memory={DATA: NEGATIVE}, nzcv=0b0101),
        expect(x0=loaded, memory={DATA: bytes.fromhex(stored)}),
        **LSE,
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "loaded"),
    [
        ("casb w0, w2, [x1]", 0x91),
        ("cash w0, w2, [x1]", 0xA291),
        ("cas w0, w2, [x1]", 0xC4B3_A291),
        ("cas x0, x2, [x1]", NEGATIVE),
    ],
)
def test_different_loads_and_stores_nothing(backend, code, loaded):
    case(code, given(x0=GARBAGE, x1=DATA, x2=OTHER, memory={DATA: NEGATIVE}), expect(x0=loaded), **LSE).check(backend)


@pytest.mark.parametrize(
    ("code", "start", "end", "stored"),
    [
        ("cas x0, x0, [x1]", {"x0": NEGATIVE, "x1": DATA}, {}, NEGATIVE),
        ("cas x1, x2, [x1]", {"x1": DATA, "x2": 1}, {"x1": NEGATIVE}, NEGATIVE),
        ("cas x0, xzr, [x1]", {"x0": NEGATIVE, "x1": DATA}, {}, 0),
        ("cas xzr, x2, [x1]", {"x1": DATA, "x2": 1}, {}, NEGATIVE),
        ("cas x0, x2, [sp]", {"x0": NEGATIVE, "sp": DATA, "x2": 1}, {}, 1),
    ],
)
def test_special_registers(backend, code, start, end, stored):
    case(code, given(**start, memory={DATA: NEGATIVE}), expect(**end, memory={DATA: stored}), **LSE).check(backend)


@pytest.mark.parametrize(
    ("code", "low", "high", "loaded", "stored"),
    [
        ("casp x2, x3, x4, x5, [x1]", NEGATIVE, OTHER, (NEGATIVE, OTHER), [11, 22]),
        ("caspal x2, x3, x4, x5, [x1]", NEGATIVE, OTHER, (NEGATIVE, OTHER), [11, 22]),
        ("casp x2, x3, x4, x5, [x1]", NEGATIVE, OTHER + 1, (NEGATIVE, OTHER), [NEGATIVE, OTHER]),
        ("casp x2, x3, x4, x5, [x1]", NEGATIVE - 1, OTHER, (NEGATIVE, OTHER), [NEGATIVE, OTHER]),
        ("casp w2, w3, w4, w5, [x1]", 0xC4B3_A291, 0x8877_6655, (0xC4B3_A291, 0x8877_6655), word(11) + word(22)),
        ("caspa w2, w3, w4, w5, [x1]", 0xC4B3_A291, 0x8877_6654, (0xC4B3_A291, 0x8877_6655), b""),
    ],
)
def test_pairs_compare_and_store_both_halves_or_none(backend, code, low, high, loaded, stored):
    case(
        code,
        given(x1=DATA, x2=low, x3=high, x4=11, x5=22, memory={DATA: [NEGATIVE, OTHER]}),
        expect(x2=loaded[0], x3=loaded[1], memory={DATA: stored}),
        **LSE,
    ).check(backend)


def test_pair_30_ends_in_the_zero_register(backend):
    case(
        0x483E_7C3E,  # casp x30, xzr, x30, xzr, [x1]
        given(x1=DATA, x30=5, memory={DATA: [6, 7]}),
        expect(x30=6),
        **LSE,
    ).check(backend)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(0x4823_7C24, id="first"),
        pytest.param(0x4822_7C25, id="second"),
        pytest.param(0x0823_7C25, id="both"),
    ],
)
def test_odd_pairs_are_undefined(backend, odd):
    case(odd, given(x1=DATA), expect(exit=undefined()), **LSE).check(backend)


@pytest.mark.parametrize("compared", [0, 1])
def test_read_only_memory_faults_whether_or_not_it_is_equal(backend, compared):
    case(
        "cas x0, x2, [x1]",
        given(x0=compared, x1=UNMAPPED, x2=7),
        expect(exit=data_abort(UNMAPPED, "write", "permission")),
        regions=[READ_ONLY],
        **LSE,
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "address"),
    [
        ("cash w0, w2, [x1]", DATA + 1),
        ("cas x0, x2, [x1]", DATA + 4),
        ("casp w2, w3, w4, w5, [x1]", DATA + 4),
        ("casp x2, x3, x4, x5, [x1]", DATA + 8),
    ],
)
def test_must_be_aligned_pairs_as_a_whole(backend, code, address):
    case(code, given(x1=address), expect(exit=data_abort(address, "read", "alignment")), **LSE).check(backend)


def test_unmapped_memory_is_reported_as_a_read(backend):
    case(
        "casal w0, w2, [x1]", given(x1=UNMAPPED), expect(exit=data_abort(UNMAPPED, "read", "translation")), **LSE
    ).check(backend)
