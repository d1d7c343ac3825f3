"""Load-acquire and store-release: LDAR and STLR move data as plain loads and stores do."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import DATA, MAX64, case, expect, given
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE

pytestmark = pytest.mark.ordering


@pytest.mark.parametrize(
    ("code", "result"),
    [
        ("ldarb w0, [x1]", 0x91),
        ("ldarh w0, [x1]", 0xA291),
        ("ldar w0, [x1]", 0xC4B3_A291),
        ("ldar x0, [x1]", NEGATIVE),
    ],
)
def test_load_acquire_extends_with_zeros(backend, code, result):
    case(code, given(x0=GARBAGE, x1=DATA, memory={DATA: NEGATIVE}), expect(x0=result)).check(backend)


@pytest.mark.parametrize(
    ("code", "stored"),
    [
        ("stlrb w0, [x1]", "91"),
        ("stlrh w0, [x1]", "91 a2"),
        ("stlr w0, [x1]", "91 a2 b3 c4"),
        ("stlr x0, [x1]", "91 a2 b3 c4 55 66 77 88"),
    ],
)
def test_store_release_writes_the_low_bytes_and_no_others(backend, code, stored):
    case(code, given(x0=NEGATIVE, x1=DATA, fill=30), expect(memory={DATA: bytes.fromhex(stored)})).check(backend)


def test_load_acquire_may_overwrite_its_base(backend):
    case("ldar x1, [x1]", given(x1=DATA, memory={DATA: NEGATIVE}), expect(x1=NEGATIVE)).check(backend)


def test_store_release_of_its_base(backend):
    case("stlr x1, [x1]", given(x1=DATA), expect(memory={DATA: DATA})).check(backend)


def test_transfer_register_31_is_the_zero_register(backend):
    case("ldar xzr, [x1]\nstlr xzr, [x1]", given(x1=DATA, memory={DATA: MAX64}), expect(memory={DATA: [0]})).check(
        backend
    )


def test_base_31_is_the_stack_pointer(backend):
    case(
        "stlr x0, [sp]\nldar x2, [sp]", given(x0=NEGATIVE, sp=DATA), expect(x2=NEGATIVE, memory={DATA: NEGATIVE})
    ).check(backend)


def test_any_byte_is_aligned(backend):
    case("ldarb w0, [x1]", given(x1=DATA + 7, memory={DATA: NEGATIVE}), expect(x0=0x88)).check(backend)
