"""Load register, pointer authentication: LDRAA, LDRAB"""

import pytest

from assay64.harness.cases.authoring import (
    DATA,
    SP,
    case,
    data_abort,
    expect,
    given,
    permit,
    sp_alignment,
    undefined,
    unknown,
)
from assay64.suites.pointers import DISABLED, ENABLED, IGNORE_TAGS, KEY, PAUTH, signed

pytestmark = pytest.mark.pac

VALUE = 0x0123_4567_89AB_CDEF
AT = DATA + 0x2000


def ldra(rt=0, rn=1, offset=0, *, key_b=False, wback=False):
    """``offset`` in doublewords, -512 to 511."""
    imm10 = offset & 0x3FF
    return 0xF820_0400 | key_b << 23 | imm10 >> 9 << 22 | (imm10 & 0x1FF) << 12 | wback << 11 | rn << 5 | rt


def check(backend, word, before, after, environment=ENABLED):
    case(word, before, after, environment=environment, requires=PAUTH).check(backend)


@pytest.mark.parametrize(("key_b", "key"), [(False, "apda"), (True, "apdb")], ids=["ldraa", "ldrab"])
@pytest.mark.parametrize("offset", [0, 1, 511, -512, -1])
def test_offset_and_write_back(backend, key_b, key, offset):
    address = AT + 8 * offset
    # SP is zero: the modifier is zero, and not SP for register 31.
    before = given(sp=0, x1=signed(AT, 0), memory={address: VALUE}, **{key: KEY})
    check(backend, ldra(offset=offset, key_b=key_b), before, expect(x0=VALUE))
    check(backend, ldra(offset=offset, key_b=key_b, wback=True), before, expect(x0=VALUE, x1=address))


@pytest.mark.parametrize(
    ("word", "before", "after"),
    [
        pytest.param(
            ldra(), given(x1=signed(AT, 0), memory={AT: VALUE}, apda=KEY), expect(x0=VALUE), id="modifier-is-0"
        ),
        pytest.param(ldra(31), given(sp=0, x1=signed(AT, 0), apda=KEY), expect(), id="to-the-zero-register"),
        pytest.param(
            ldra(1), given(sp=0, x1=signed(AT, 0), memory={AT: VALUE}, apda=KEY), expect(x1=VALUE), id="over-the-base"
        ),
        pytest.param(
            ldra(),
            given(sp=0, x1=signed(AT, 0) ^ 1 << 50, apda=KEY),
            expect(exit=data_abort(AT | 1 << 61, "read", "translation")),
            id="wrong-code",
        ),
        pytest.param(
            ldra(key_b=True, offset=-1, wback=True),
            given(sp=0, x1=AT, apdb=KEY),
            expect(exit=data_abort((AT | 2 << 61) - 8, "read", "translation")),
            id="wrong-code-and-no-write-back",
        ),
        pytest.param(
            ldra(rn=31, offset=1, wback=True),
            given(sp=signed(SP + 8, 0), apda=KEY),
            expect(exit=sp_alignment()),
            id="misaligned-sp",
        ),
    ],
)
def test_authentication(backend, word, before, after):
    check(backend, word, before, after)


def test_keys_that_are_not_enabled(backend):
    before = given(x1=AT, memory={AT: VALUE}, apda=KEY)
    check(backend, ldra(), before, expect(x0=VALUE), DISABLED)


def test_a_tag_is_kept_in_the_base(backend):
    pointer = 0x5A << 56 | AT
    before = given(sp=0, x1=signed(pointer, 0, top_byte_ignore=True), memory={AT + 8: VALUE}, apda=KEY)
    check(backend, ldra(offset=1, wback=True), before, expect(x0=VALUE, x1=pointer + 8), IGNORE_TAGS)


def test_write_back_over_the_destination(backend):
    base = signed(AT, 0)
    before = given(sp=0, x1=base, memory={AT: VALUE}, apda=KEY)
    after = permit(expect(x1=VALUE), expect(unknown("x1")), expect(exit=undefined(), x1=base), expect(x1=base))
    check(backend, ldra(1, 1, wback=True), before, after)
