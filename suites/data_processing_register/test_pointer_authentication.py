"""Pointer authentication: PAC*, AUT*, XPAC*, PACGA

Codes are computed by a second writing of QARMA5 (pointers.py), which selftest holds against the vector of its paper.
"""

import pytest

from assay64.harness.cases.authoring import SP, case, expect, given, permit, pointer_authentication, undefined, unknown
from assay64.harness.cases.case import SCTLR_EL1, Environment
from assay64.suites.pointers import (
    BIT_55,
    DISABLED,
    ENABLE_ALL,
    ENABLED,
    IGNORE_TAGS,
    KEY,
    PAUTH,
    SHORT,
    qarma5,
    signed,
)

pytestmark = pytest.mark.pac

LOW, HIGH, TWEAK = 0x0000_1234_5678_9ABC, 0xFFFF_8765_4321_0FED, 0x477D_469D_EC0B_8762
KEYS = ("apia", "apib", "apda", "apdb")
FIELD = 0xFF7F_0000_0000_0000  # of a code, with addresses of 48 bits
# Bits 62:61 of an address whose code was wrong: the key's number and its inverse.
POISON = {"apia": 0b01, "apib": 0b10, "apda": 0b01, "apdb": 0b10}


def pac(key, rd=0, rn=1):
    return 0xDAC1_0000 | KEYS.index(key) << 10 | rn << 5 | rd


def aut(key, rd=0, rn=1):
    return pac(key, rd, rn) | 1 << 12


def zero_form(word):
    return word | 1 << 13 | 31 << 5


def pacga(rd=0, rn=1, rm=2):
    return 0x9AC0_3000 | rm << 16 | rn << 5 | rd


XPACI, XPACD = 0xDAC1_43E0, 0xDAC1_47E0


def check(backend, word, before, after, environment=ENABLED, requires=PAUTH):
    case(word, before, after, environment=environment, requires=requires).check(backend)


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("pointer", [LOW, HIGH, 0, (1 << 64) - 1], ids=["low", "high", "zero", "ones"])
def test_sign_and_authenticate(backend, key, pointer):
    code = signed(pointer, TWEAK)
    check(backend, pac(key), given(x0=pointer, x1=TWEAK, **{key: KEY}), expect(x0=code))
    check(backend, aut(key), given(x0=code, x1=TWEAK, **{key: KEY}), expect(x0=pointer))
    check(backend, zero_form(pac(key)), given(x0=pointer, **{key: KEY}), expect(x0=signed(pointer, 0)))
    check(backend, zero_form(aut(key)), given(x0=signed(pointer, 0), **{key: KEY}), expect(x0=pointer))


@pytest.mark.parametrize("key", KEYS)
def test_a_wrong_code_leaves_an_address_that_names_the_key(backend, key):
    poison = POISON[key] << 61
    other = signed(LOW, TWEAK) ^ 1 << 60
    check(backend, aut(key), given(x0=other, x1=TWEAK, **{key: KEY}), expect(x0=LOW | poison))
    other = signed(HIGH, TWEAK) ^ 1 << 48
    check(backend, aut(key), given(x0=other, x1=TWEAK, **{key: KEY}), expect(x0=HIGH & ~(3 << 61) | poison))


@pytest.mark.parametrize("key", KEYS)
def test_a_key_that_is_not_enabled(backend, key):
    bit = {"apia": 31, "apib": 30, "apda": 27, "apdb": 13}[key]
    environment = Environment(model=ENABLED.model, sctlr_el1=SCTLR_EL1 | ENABLE_ALL & ~(1 << bit))
    for word in (pac(key), aut(key), zero_form(pac(key)), zero_form(aut(key))):
        check(backend, word, given(x0=LOW | 1 << 60, x1=TWEAK, **{key: KEY}), expect(), environment)


@pytest.mark.parametrize(
    ("word", "before", "after"),
    [
        pytest.param(pac("apia", 0, 31), given(x0=LOW, apia=KEY), expect(x0=signed(LOW, SP)), id="modifier-is-sp"),
        pytest.param(pac("apib", 0, 0), given(x0=LOW, apib=KEY), expect(x0=signed(LOW, LOW)), id="modifier-is-itself"),
        pytest.param(pac("apda", 31, 1), given(x1=LOW, apda=KEY), expect(), id="zero-register"),
        pytest.param(aut("apia"), given(x0=signed(LOW, 6), x1=6, apia=KEY), expect(x0=LOW), id="another-modifier"),
        pytest.param(
            aut("apia"), given(x0=signed(LOW, 6), x1=7, apia=KEY), expect(x0=LOW | 1 << 61), id="wrong-modifier"
        ),
        pytest.param(aut("apib"), given(x0=signed(LOW, 6), x1=6, apia=KEY), expect(x0=LOW | 2 << 61), id="wrong-key"),
        pytest.param(
            aut("apda"),
            given(x0=signed(LOW, 6) ^ BIT_55, x1=6, apda=KEY),
            expect(x0=LOW & ~FIELD | 0xFFFF << 48 & ~(3 << 61) | 1 << 61),
            id="wrong-half-of-the-address-space",
        ),
    ],
)
def test_operands(backend, word, before, after):
    check(backend, word, before, after)


@pytest.mark.parametrize("bit", [48, 50, 54, 55, 56, 62])
def test_the_code_of_a_pointer_that_is_none_has_bit_62_inverted(backend, bit):
    code = signed(LOW, TWEAK) ^ 1 << 62
    check(backend, pac("apia"), given(x0=LOW | 1 << bit, x1=TWEAK, apia=KEY), expect(x0=code))


def test_bit_63_selects_the_half_of_a_pointer_that_is_none(backend):
    canonical = LOW | 0xFFFF << 48
    check(
        backend,
        pac("apia"),
        given(x0=LOW | 1 << 63, x1=9, apia=KEY),
        expect(x0=(signed(canonical, 9) | BIT_55) ^ 1 << 62),
    )


@pytest.mark.parametrize(
    ("word", "before", "after"),
    [
        pytest.param(
            pac("apia"),
            given(x0=0xA5 << 56 | LOW, x1=3, apia=KEY),
            expect(x0=signed(0xA5 << 56 | LOW, 3, top_byte_ignore=True)),
            id="the-tag-stays-and-is-signed",
        ),
        pytest.param(
            aut("apia"),
            given(x0=signed(0xA5 << 56 | LOW, 3, top_byte_ignore=True), x1=3, apia=KEY),
            expect(x0=0xA5 << 56 | LOW),
            id="authenticated-with-its-tag",
        ),
        pytest.param(
            aut("apib"),
            given(x0=signed(0xA5 << 56 | LOW, 3, top_byte_ignore=True) ^ 1 << 56, x1=3, apib=KEY),
            expect(x0=0xA4 << 56 | LOW | 2 << 53),
            id="another-tag-is-another-pointer",
        ),
        pytest.param(
            pac("apda"),
            given(x0=LOW | 1 << 50, x1=3, apda=KEY),
            expect(x0=signed(LOW, 3, top_byte_ignore=True) ^ 1 << 54),
            id="a-pointer-that-is-none",
        ),
        pytest.param(XPACI, given(x0=0xA5FF << 48 | LOW), expect(x0=0xA5FF << 48 | LOW), id="strip-keeps-the-tag"),
        pytest.param(XPACI, given(x0=0xA57F << 48 | LOW), expect(x0=0xA500 << 48 | LOW), id="strip"),
    ],
)
def test_an_ignored_top_byte_is_no_part_of_the_code(backend, word, before, after):
    check(backend, word, before, after, IGNORE_TAGS)


def test_addresses_of_39_bits_have_a_longer_code(backend):
    pointer = 0x12_3456_789C
    code = signed(pointer, 8, address_bits=39)
    check(backend, pac("apia"), given(x0=pointer, x1=8, apia=KEY), expect(x0=code), SHORT)
    check(backend, aut("apia"), given(x0=code, x1=8, apia=KEY), expect(x0=pointer), SHORT)
    check(backend, XPACD, given(x0=code), expect(x0=pointer), SHORT)
    check(backend, aut("apia"), given(x0=code ^ 1 << 39, x1=8, apia=KEY), expect(x0=pointer | 1 << 61), SHORT)


@pytest.mark.parametrize("word", [XPACI, XPACD], ids=["xpaci", "xpacd"])
def test_strip(backend, word):
    check(backend, word, given(x0=FIELD | LOW), expect(x0=LOW))
    check(backend, word, given(x0=BIT_55 | LOW), expect(x0=0xFFFF << 48 | LOW))
    check(backend, word | 31, given(x0=FIELD), expect())
    # No control disables it.
    check(backend, word, given(x0=FIELD | LOW), expect(x0=LOW), DISABLED)


def test_generic_code_is_the_upper_half(backend):
    plaintext = 0xFB62_3599_DA6E_8127
    wanted = 0xC003_B939_0000_0000  # the paper's vector
    check(backend, pacga(), given(x0=-1, x1=plaintext, x2=TWEAK, apga=KEY), expect(x0=wanted))
    check(backend, pacga(), given(x0=-1, x1=plaintext, x2=TWEAK, apga=KEY), expect(x0=wanted), DISABLED)
    check(backend, pacga(rm=31), given(x1=5, apga=KEY), expect(x0=qarma5(5, SP, KEY) >> 32 << 32))
    check(backend, pacga(rn=31), given(x2=5, apga=KEY), expect(x0=qarma5(0, 5, KEY) >> 32 << 32))
    check(backend, pacga(rd=31), given(x1=5, apga=KEY), expect())


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(zero_form(pac("apia")) ^ 1 << 5, id="paciza-with-rn-30"),
        pytest.param(zero_form(aut("apdb")) & ~(31 << 5), id="autdzb-with-rn-0"),
        pytest.param(XPACI ^ 1 << 5, id="xpaci-with-rn-30"),
        pytest.param(0xDAC1_4BE0, id="opcode-010010"),
        pytest.param(0x5AC1_0020, id="pacia-of-32-bits"),
        pytest.param(0x1AC2_3020, id="pacga-of-32-bits"),
    ],
)
def test_unallocated_is_undefined(backend, word):
    check(backend, word, given(x0=LOW), expect(exit=undefined()))


M1 = Environment(model="apple-m1", sctlr_el1=SCTLR_EL1 | ENABLE_ALL)
M2 = Environment(model="apple-m2", sctlr_el1=SCTLR_EL1 | ENABLE_ALL)


@pytest.mark.parametrize(("environment", "requires"), [(M1, PAUTH), (M2, [*PAUTH, "FEAT_PAuth2"])], ids=["m1", "m2"])
def test_an_implementation_defined_code(backend, environment, requires):
    """The code is UNKNOWN, and everything else of the pointer is not; it is right for what was signed."""
    before = given(x0=LOW, x1=TWEAK, x2=LOW, apia=KEY)
    check(backend, [pac("apia")], before, expect(unknown(x0=FIELD), x0=LOW), environment, requires)
    check(backend, [pac("apia"), aut("apia")], before, expect(), environment, requires)
    check(backend, [pac("apia"), XPACI], before, expect(), environment, requires)
    check(backend, [pacga()], before, expect(unknown(x0=0xFFFF_FFFF << 32), x0=0), environment, requires)
    through_memory = [pac("apia"), 0xF90003E0, 0xF94003E2, aut("apia", 2)]  # str x0, [sp]; ldr x2, [sp]
    case(through_memory, before, environment=environment, requires=requires).check(backend)


def test_a_wrong_code_faults_with_fpac(backend):
    passes_by_chance = expect(x0=LOW)
    check(
        backend,
        aut("apia"),
        given(x0=LOW | 1 << 60, x1=TWEAK, apia=KEY),
        permit(expect(exit=pointer_authentication()), passes_by_chance),
        M2,
        ["FEAT_FPAC"],
    )
