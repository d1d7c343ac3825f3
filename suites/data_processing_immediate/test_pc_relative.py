"""PC-relative addressing."""

import pytest

from assay64.harness.cases.authoring import CODE, case, expect, given
from assay64.harness.cases.case import Region

BOTTOM = Region(address=0, size=0x1_0000, permissions="rx")
TOP_OF_TTBR0 = Region(address=0xFFFF_FFFF_0000, size=0x1_0000, permissions="rx")
ADR_LARGEST, ADR_SMALLEST = 0x707F_FFE0, 0x1080_0000  # immhi:immlo = 0xFFFFF and -0x100000, in x0
ADRP_LARGEST, ADRP_SMALLEST = 0xF07F_FFE0, 0x9080_0000


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("adr x0, .", expect(x0=CODE)), id="this-instruction"),
        pytest.param(case("nop\nadr x0, . + 3", expect(x0=CODE + 7)), id="unaligned"),
        pytest.param(case("adr x0, . - 1", expect(x0=CODE - 1)), id="negative"),
        pytest.param(case(ADR_LARGEST, expect(x0=CODE + 0xF_FFFF)), id="largest"),
        pytest.param(case(ADR_SMALLEST, expect(x0=CODE - 0x10_0000)), id="smallest"),
        pytest.param(case(ADR_LARGEST | 31, given(nzcv=0b1111), expect()), id="register-31-is-zr"),
        pytest.param(case("adr x0, . - 4", expect(x0=-4), address=0, regions=[BOTTOM]), id="wraps-below-zero"),
        pytest.param(
            case(ADR_LARGEST, expect(x0=0x1_0000_000F_00FF), address=0xFFFF_FFFF_0100, regions=[TOP_OF_TTBR0]),
            id="runs-on-above-the-lower-address-range",
        ),
    ],
)
def test_adr(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case(0x9000_0000, expect(x0=CODE)), id="this-page"),
        pytest.param(case(0x9000_0000, expect(x0=CODE), address=CODE + 0xFFC), id="low-bits-of-pc-are-cleared"),
        pytest.param(case(0xB000_0000, expect(x0=CODE + 0x1000), address=CODE + 0xFFC), id="next-page"),
        pytest.param(case(0xF0FF_FFE0, expect(x0=CODE - 0x1000), address=CODE + 0x10), id="page-before"),
        pytest.param(case(ADRP_LARGEST, expect(x0=CODE + 0xFFFF_F000), address=CODE + 4), id="largest"),
        pytest.param(case(ADRP_SMALLEST, expect(x0=CODE - 0x1_0000_0000), address=CODE + 4), id="smallest-wraps"),
        pytest.param(case(0xF0FF_FFE0, expect(x0=-0x1000), address=8, regions=[BOTTOM]), id="page-before-zero"),
        pytest.param(case(ADRP_LARGEST | 31, expect()), id="register-31-is-zr"),
        pytest.param(
            case(0xB000_0000, expect(x0=0x1_0000_0000_0000), address=0xFFFF_FFFF_F010, regions=[TOP_OF_TTBR0]),
            id="runs-on-above-the-lower-address-range",
        ),
    ],
)
def test_adrp(backend, claim):
    claim.check(backend)
