"""Exception generation."""

import pytest

from assay64.harness.cases.authoring import CODE, brk, case, expect, given, svc, undefined

pytestmark = pytest.mark.system

FULL = given(x0=1, x1=-1, x30=7, nzcv=0b1010, v0=-1, v31=5)


@pytest.mark.parametrize("immediate", [0, 1, 0x1234, 0x8000, 0xFFFF], ids="{:#x}".format)
def test_svc_returns_behind_itself_and_keeps_everything(backend, immediate):
    case(0xD400_0001 | immediate << 5, FULL, expect(exit=svc(immediate))).check(backend)


@pytest.mark.parametrize("immediate", [0, 1, 0x1234, 0xF000, 0xFFFF], ids="{:#x}".format)
def test_brk_returns_to_itself_and_keeps_everything(backend, immediate):
    case(0xD420_0000 | immediate << 5, FULL, expect(exit=brk(immediate))).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("mov x0, #1\nsvc #2\nmov x1, #3", expect(exit=svc(2), x0=1, pc=CODE + 8)), id="svc-ends-the-run-there"
        ),
        pytest.param(
            case("mov x0, #1\nbrk #2\nmov x1, #3", expect(exit=brk(2), x0=1, pc=CODE + 4)), id="brk-ends-the-run-there"
        ),
        pytest.param(case("b . + 8\nsvc #1\nsvc #2", expect(exit=svc(2))), id="svc-that-is-jumped-over"),
        pytest.param(
            case("cmp x0, #0\nb.eq . + 8\nbrk #1\nbrk #2", expect(exit=brk(2), Z=1, C=1)), id="brk-that-is-jumped-over"
        ),
    ],
)
def test_instructions_around(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD400_0002, id="hvc"),
        pytest.param(0xD41F_FFE2, id="hvc-0xffff"),
        pytest.param(0xD400_0003, id="smc"),
        pytest.param(0xD41F_FFE3, id="smc-0xffff"),
        pytest.param(0xD440_0000, id="hlt"),
        pytest.param(0xD45E_0000, id="hlt-0xf000"),
        pytest.param(0xD4A0_0001, id="dcps1"),
        pytest.param(0xD4A0_0002, id="dcps2"),
        pytest.param(0xD4A0_0003, id="dcps3"),
    ],
)
def test_undefined_at_el0(backend, word):
    case([0xD503_201F, word, 0xD503_201F], FULL, expect(exit=undefined(), pc=CODE + 4)).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0xD400_0000, id="opc-000-ll-00"),
        pytest.param(0xD420_0001, id="opc-001-ll-01"),
        pytest.param(0xD440_0002, id="opc-010-ll-10"),
        pytest.param(0xD460_0001, id="opc-011-ll-01"),
        pytest.param(0xD480_0000, id="opc-100"),
        pytest.param(0xD4A0_0000, id="opc-101-ll-00"),
        pytest.param(0xD4C0_0001, id="opc-110"),
        pytest.param(0xD4E0_0003, id="opc-111"),
        pytest.param(0xD400_0005, id="svc-with-op2-001"),
        pytest.param(0xD420_0010, id="brk-with-op2-100"),
        pytest.param(0xD440_001C, id="hlt-with-op2-111"),
    ],
)
def test_unallocated_is_undefined(backend, word):
    case(word, FULL, expect(exit=undefined())).check(backend)
