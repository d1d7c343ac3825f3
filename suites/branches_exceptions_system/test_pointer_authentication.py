"""Branches and hints with pointer authentication: BRAA, BLRAA, RETAA, PACIASP, AUTIASP, XPACLRI"""

import pytest

from assay64.harness.cases.authoring import CODE, SP, case, expect, given, instruction_abort, undefined
from assay64.harness.cases.case import Environment
from assay64.suites.pointers import DISABLED, ENABLED, IGNORE_TAGS, KEY, PAUTH, signed

pytestmark = pytest.mark.pac

NOP, MOV_X9_1 = 0xD503_201F, 0xD280_0029
TARGET = CODE + 8
WITHOUT = Environment()


def code(word):
    """A branch over an instruction to the one behind it."""
    return [word, MOV_X9_1, NOP]


def check(backend, word, before, after, environment=ENABLED, requires=PAUTH):
    case(word, before, after, environment=environment, requires=requires).check(backend)


@pytest.mark.parametrize(
    ("word", "before", "links"),
    [
        pytest.param(0xD71F_0801, given(x0=signed(TARGET, 7), x1=7, apia=KEY), False, id="braa"),
        pytest.param(0xD71F_0C01, given(x0=signed(TARGET, 7), x1=7, apib=KEY), False, id="brab"),
        pytest.param(0xD71F_081F, given(x0=signed(TARGET, SP), apia=KEY), False, id="braa-with-sp"),
        pytest.param(0xD61F_081F, given(x0=signed(TARGET, 0), apia=KEY), False, id="braaz"),
        pytest.param(0xD61F_0C1F, given(x0=signed(TARGET, 0), apib=KEY), False, id="brabz"),
        pytest.param(0xD73F_0801, given(x0=signed(TARGET, 7), x1=7, apia=KEY), True, id="blraa"),
        pytest.param(0xD73F_0C01, given(x0=signed(TARGET, 7), x1=7, apib=KEY), True, id="blrab"),
        pytest.param(0xD63F_081F, given(x0=signed(TARGET, 0), apia=KEY), True, id="blraaz"),
        pytest.param(0xD63F_0C1F, given(x0=signed(TARGET, 0), apib=KEY), True, id="blrabz"),
        pytest.param(0xD73F_0BDE, given(x30=TARGET, apia=1), True, id="blraa-x30-x30-not-enabled"),
        pytest.param(0xD65F_0BFF, given(x30=signed(TARGET, SP), apia=KEY), False, id="retaa"),
        pytest.param(0xD65F_0FFF, given(x30=signed(TARGET, SP), apib=KEY), False, id="retab"),
    ],
)
def test_branch_to_an_authenticated_address(backend, word, before, links):
    after = expect(x30=CODE + 4) if links else expect()
    check(backend, code(word), before, after, DISABLED if word == 0xD73F_0BDE else ENABLED)


@pytest.mark.parametrize(
    ("word", "key", "poison", "links"),
    [
        pytest.param(0xD71F_0801, "apia", 1 << 61, False, id="braa"),
        pytest.param(0xD71F_0C01, "apib", 2 << 61, False, id="brab"),
        pytest.param(0xD73F_0801, "apia", 1 << 61, True, id="blraa-has-linked"),
    ],
)
def test_a_wrong_code_leads_where_no_fetch_succeeds(backend, word, key, poison, links):
    before = given(x0=signed(TARGET, 7), x1=6, **{key: KEY})
    after = expect(exit=instruction_abort(TARGET | poison), **({"x30": CODE + 4} if links else {}))
    check(backend, code(word), before, after)


def test_a_tag_is_removed_from_the_authenticated_address(backend):
    pointer = signed(0x5A << 56 | TARGET, 7, top_byte_ignore=True)
    check(backend, code(0xD71F_0801), given(x0=pointer, x1=7, apia=KEY), expect(), IGNORE_TAGS)


@pytest.mark.parametrize(
    ("number", "key", "modifier"),
    [
        pytest.param(24, "apia", 0, id="paciaz"),
        pytest.param(25, "apia", SP, id="paciasp"),
        pytest.param(26, "apib", 0, id="pacibz"),
        pytest.param(27, "apib", SP, id="pacibsp"),
    ],
)
def test_hints_on_the_link_register(backend, number, key, modifier):
    sign, authenticate = NOP | number << 5, NOP | number + 4 << 5
    plain, code_of = given(x30=CODE, **{key: KEY}), signed(CODE, modifier)
    check(backend, sign, plain, expect(x30=code_of))
    check(backend, authenticate, given(x30=code_of, **{key: KEY}), expect(x30=CODE))
    poison = (1 if key == "apia" else 2) << 61
    check(backend, authenticate, plain, expect(x30=CODE | poison))
    check(backend, sign, plain, expect(), DISABLED)
    check(backend, authenticate, given(x30=code_of, **{key: KEY}), expect(), DISABLED)


@pytest.mark.parametrize(("number", "key"), [(8, "apia"), (10, "apib")], ids=["pacia1716", "pacib1716"])
def test_hints_on_x17_with_x16(backend, number, key):
    sign, authenticate = NOP | number << 5, NOP | number + 4 << 5
    check(backend, sign, given(x17=CODE, x16=9, **{key: KEY}), expect(x17=signed(CODE, 9)))
    check(backend, authenticate, given(x17=signed(CODE, 9), x16=9, **{key: KEY}), expect(x17=CODE))
    check(backend, sign, given(x17=CODE, x16=9, **{key: KEY}), expect(), DISABLED)


def test_xpaclri(backend):
    before = given(x30=0xAB7F << 48 | CODE)
    check(backend, 0xD503_20FF, before, expect(x30=CODE))
    check(backend, 0xD503_20FF, before, expect(x30=0xAB << 56 | CODE), IGNORE_TAGS)


@pytest.mark.parametrize("number", [7, 8, 10, 12, 14, *range(24, 32)], ids="hint-{}".format)
def test_hints_are_nops_without_the_feature(backend, number):
    before = given(x16=9, x17=1 << 60 | CODE, x30=1 << 60 | CODE)
    check(backend, NOP | number << 5, before, expect(), WITHOUT, [])


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD61F_081E, id="braaz-with-rm-30"),
        pytest.param(0xD63F_0C00, id="blrabz-with-rm-0"),
        pytest.param(0xD65F_0BDF, id="retaa-with-rn-30"),
        pytest.param(0xD75F_0BFF, id="retaa-with-z"),
        pytest.param(0xD69F_0BFF, id="eretaa"),
        pytest.param(0xD69F_0FFF, id="eretab"),
        pytest.param(0xD69F_0BDF, id="eretaa-with-rn-30"),
        pytest.param(0xD77F_0801, id="opc-1011"),
    ],
)
def test_undefined(backend, word):
    check(backend, word, given(x0=CODE, x30=CODE), expect(exit=undefined()))
