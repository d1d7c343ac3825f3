"""Branch target identification: PSTATE.BTYPE and guarded pages

What a branch leaves in BTYPE, and which instructions of a guarded page accept which BTYPE.
"""

import pytest

from assay64.harness.cases.authoring import CODE, branch_target, brk, case, expect, given, permit, svc
from assay64.harness.cases.case import CODE_REGION, SCTLR_EL1, Environment, Region

BTI = ["FEAT_BTI"]
MODEL = Environment(model="cortex-a57+FEAT_BTI")
WITH_PAUTH = Environment(model="cortex-a57+FEAT_BTI+FEAT_PAuth")
BT0 = Environment(model=WITH_PAUTH.model, sctlr_el1=SCTLR_EL1 | 1 << 35)
GUARDED = [Region(address=CODE_REGION[0], size=CODE_REGION[1], permissions="rx", guarded=True)]
NOP, PACIASP, PACIBSP, BRK_3, UDF = 0xD503_201F, 0xD503_233F, 0xD503_237F, 0xD420_0060, 0
TARGETS = {"bti": 0xD503_241F, "bti-c": 0xD503_245F, "bti-j": 0xD503_249F, "bti-jc": 0xD503_24DF}


def check(backend, words, before, after, *, environment=MODEL, regions=(), until=None, requires=BTI):
    case(words, before, after, environment=environment, regions=regions, until=until, requires=requires).check(backend)


@pytest.mark.parametrize(
    ("word", "register", "btype"),
    [
        pytest.param(0xD61F_00A0, "x5", 0b01, id="br"),
        pytest.param(0xD61F_0200, "x16", 0b01, id="br-x16"),
        pytest.param(0xD63F_00A0, "x5", 0b10, id="blr"),
        pytest.param(0xD63F_0220, "x17", 0b10, id="blr-x17"),
        pytest.param(0xD65F_00A0, "x5", 0b00, id="ret"),
    ],
)
def test_what_a_branch_leaves(backend, word, register, btype):
    link = {"x30": CODE + 4} if word >> 21 & 1 else {}
    before = given(**{register: CODE + 8})
    check(backend, [word, NOP, NOP], before, expect(btype=btype, pc=CODE + 8, **link), until=CODE + 8)
    check(backend, [word, NOP, NOP], before, expect(btype=0, **link))


@pytest.mark.parametrize(
    ("word", "register", "btype"),
    [
        pytest.param(0xD61F_00A0, "x5", 0b11, id="br"),
        pytest.param(0xD61F_0200, "x16", 0b01, id="br-x16"),
        pytest.param(0xD61F_0220, "x17", 0b01, id="br-x17"),
        pytest.param(0xD63F_00A0, "x5", 0b10, id="blr"),
        pytest.param(0xD65F_00A0, "x5", 0b00, id="ret"),
    ],
)
def test_what_a_branch_leaves_from_a_guarded_page(backend, word, register, btype):
    link = {"x30": CODE + 4} if word >> 21 & 1 else {}
    after = expect(btype=btype, pc=CODE + 8, **link)
    check(backend, [word, NOP, NOP], given(**{register: CODE + 8}), after, regions=GUARDED, until=CODE + 8)


def test_authenticated_branches_leave_the_same(backend):
    for word, link, btype in ((0xD71F_08A1, {}, 0b01), (0xD73F_08A1, {"x30": CODE + 4}, 0b10), (0xD65F_0BFF, {}, 0)):
        before = given(x5=CODE + 8, x30=CODE + 8)
        after = expect(btype=btype, pc=CODE + 8, **link)
        check(
            backend,
            [word, NOP, NOP],
            before,
            after,
            environment=WITH_PAUTH,
            until=CODE + 8,
            requires=[*BTI, "FEAT_PAuth"],
        )


@pytest.mark.parametrize("btype", [0b01, 0b10, 0b11], ids="btype-{:02b}".format)
@pytest.mark.parametrize(
    ("target", "accepted"),
    [("bti", ()), ("bti-c", (0b01, 0b10)), ("bti-j", (0b01, 0b11)), ("bti-jc", (0b01, 0b10, 0b11))],
)
def test_which_targets_accept_which_branches(backend, target, accepted, btype):
    after = expect(btype=0) if btype in accepted else expect(exit=branch_target())
    check(backend, TARGETS[target], given(btype=btype), after, regions=GUARDED)


@pytest.mark.parametrize("word", [PACIASP, PACIBSP], ids=["paciasp", "pacibsp"])
def test_signing_the_link_register_accepts_calls(backend, word):
    requires = [*BTI, "FEAT_PAuth"]
    for btype in (0b01, 0b10, 0b11):
        check(
            backend,
            word,
            given(btype=btype),
            expect(btype=0),
            environment=WITH_PAUTH,
            regions=GUARDED,
            requires=requires,
        )
        after = expect(exit=branch_target()) if btype == 0b11 else expect(btype=0)
        check(backend, word, given(btype=btype), after, environment=BT0, regions=GUARDED, requires=requires)


@pytest.mark.parametrize("btype", [0b01, 0b10, 0b11], ids="btype-{:02b}".format)
def test_other_instructions_accept_no_branch(backend, btype):
    for word in (NOP, 0xD280_0029, 0xD65F_03C0, UDF, 0xD400_0001, 0xD503_23BF):  # nop, mov, ret, udf, svc, autiasp
        check(backend, word, given(btype=btype), expect(exit=branch_target()), regions=GUARDED)
    check(backend, BRK_3, given(btype=btype), expect(exit=brk(3)), regions=GUARDED)


def test_without_btype_everything_is_accepted(backend):
    check(backend, [NOP, TARGETS["bti"], TARGETS["bti-c"], 0xD280_0029], given(), expect(x9=1), regions=GUARDED)


def test_a_branch_comes_to_a_wrong_target(backend):
    code = [0xD61F_00A0, TARGETS["bti-c"], NOP]
    wrong = expect(exit=branch_target(), btype=0b11, pc=CODE + 4)
    check(backend, code, given(x5=CODE + 4), wrong, regions=GUARDED)
    check(backend, [0xD63F_00A0, *code[1:]], given(x5=CODE + 4), expect(x30=CODE + 4), regions=GUARDED)


@pytest.mark.parametrize("btype", [0b01, 0b10, 0b11], ids="btype-{:02b}".format)
def test_pages_that_are_not_guarded_accept_everything(backend, btype):
    check(backend, TARGETS["bti"], given(btype=btype), expect(btype=0))
    check(backend, [NOP, 0xD280_0029], given(btype=btype), expect(btype=0, x9=1))
    # SPSR may show BTYPE or zero after this exception.
    check(backend, 0xD400_0021, given(btype=btype), permit(expect(exit=svc(1)), expect(exit=svc(1), btype=0)))
    check(backend, BRK_3, given(btype=btype), expect(exit=brk(3)))


def test_guarded_pages_mean_nothing_without_the_feature(backend):
    code = [0xD61F_00A0, NOP, NOP]
    check(backend, code, given(x5=CODE + 8), expect(), environment=Environment(), regions=GUARDED, requires=[])
