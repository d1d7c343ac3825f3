"""Unallocated loads and stores: the gaps of the encoding tables of Arm ARM C4.1 are UNDEFINED."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import DATA, case, expect, given, permit, undefined, unknown
from assay64.suites.loads_and_stores.transfers import NEGATIVE

pytestmark = pytest.mark.undefined


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xB9C0_0020, id="unsigned offset: size 10 opc 11"),
        pytest.param(0xF9C0_0020, id="unsigned offset: size 11 opc 11"),
        pytest.param(0xB8C0_0020, id="unscaled: size 10 opc 11"),
        pytest.param(0xF8C0_0020, id="unscaled: size 11 opc 11"),
        pytest.param(0xB8C0_8420, id="post-indexed: size 10 opc 11"),
        pytest.param(0xF880_8420, id="post-indexed: size 11 opc 10"),
        pytest.param(0xF8C0_8420, id="post-indexed: size 11 opc 11"),
        pytest.param(0xB8C0_8C20, id="pre-indexed: size 10 opc 11"),
        pytest.param(0xF880_8C20, id="pre-indexed: size 11 opc 10"),
        pytest.param(0xF8C0_8C20, id="pre-indexed: size 11 opc 11"),
        pytest.param(0xB8C0_0820, id="unprivileged: size 10 opc 11"),
        pytest.param(0xF880_0820, id="unprivileged: size 11 opc 10"),
        pytest.param(0xF8C0_0820, id="unprivileged: size 11 opc 11"),
        pytest.param(0xB8E2_6820, id="register offset: size 10 opc 11"),
        pytest.param(0xF8E2_6820, id="register offset: size 11 opc 11"),
        pytest.param(0x6800_0820, id="no-allocate pair: opc 01, store"),
        pytest.param(0x6840_0820, id="no-allocate pair: opc 01, load"),
        pytest.param(0xE840_0820, id="no-allocate pair: opc 11"),
        pytest.param(0xE900_0820, id="pair: opc 11, store"),
        pytest.param(0xE940_0820, id="pair: opc 11, load"),
        pytest.param(0xE8C0_0820, id="pair post-indexed: opc 11"),
        pytest.param(0xE9C0_0820, id="pair pre-indexed: opc 11"),
    ],
)
def test_unallocated(backend, word):
    case(word, given(x1=DATA), expect(exit=undefined())).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xC840_7C20, id="ldxr: Rs"),
        pytest.param(0xC85F_0020, id="ldxr: Rt2"),
        pytest.param(0xC8C0_FC20, id="ldar: Rs"),
        pytest.param(0xC8DF_8020, id="ldar: Rt2"),
    ],
)
def test_load_with_a_wrong_should_be_one_field(backend, word):
    case(
        word,
        given(x1=DATA, memory={DATA: NEGATIVE}),
        permit(expect(x0=NEGATIVE), expect(unknown("x0")), expect(exit=undefined()), expect()),
    ).check(backend)


@pytest.mark.parametrize("word", [pytest.param(0xC880_FC20, id="stlr: Rs"), pytest.param(0xC89F_8020, id="stlr: Rt2")])
def test_store_release_with_a_wrong_should_be_one_field(backend, word):
    case(
        word,
        given(x0=NEGATIVE, x1=DATA),
        permit(expect(memory={DATA: NEGATIVE}), expect(exit=undefined()), expect()),
    ).check(backend)


def test_store_exclusive_with_a_wrong_should_be_one_field(backend):
    # stxr w2, x0, [x1] without a load-exclusive before it: when it is executed it fails.
    case(
        0xC802_0020,
        given(x0=NEGATIVE, x1=DATA),
        permit(expect(x2=1), expect(unknown("x2")), expect(exit=undefined()), expect()),
    ).check(backend)
