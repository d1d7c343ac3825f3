"""Compare and branch (immediate)."""

import pytest

from assay64.harness.cases.authoring import CODE, MIN32, MIN64, budget, case, expect, given, instruction_abort


@pytest.mark.parametrize(
    ("value", "cbz_x", "cbnz_x", "cbz_w", "cbnz_w"),
    [
        pytest.param(0, True, False, True, False, id="zero"),
        pytest.param(1, False, True, False, True, id="bit-0"),
        pytest.param(MIN32, False, True, False, True, id="bit-31"),
        pytest.param(1 << 32, False, True, True, False, id="bit-32-counts-in-64-bits-alone"),
        pytest.param(MIN64, False, True, True, False, id="bit-63-counts-in-64-bits-alone"),
    ],
)
def test_which_bits_are_compared(backend, value, cbz_x, cbnz_x, cbz_w, cbnz_w):
    def check(branch, taken):
        # The branch skips one instruction, mov w0, #1.
        case([branch, 0x5280_0020], given(x1=value, nzcv=0b0100), expect(x0=0 if taken else 1)).check(backend)

    check(0xB400_0041, cbz_x)
    check(0xB500_0041, cbnz_x)
    check(0x3400_0041, cbz_w)
    check(0x3500_0041, cbnz_w)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("cbz xzr, . + 8\nmov x0, #1", expect()), id="cbz-of-zr-is-taken"),
        pytest.param(case("cbnz wzr, . + 8\nmov x0, #1", expect(x0=1)), id="cbnz-of-zr-is-not-taken"),
        pytest.param(
            case("cbz x1, . + 8\nmov x0, #1", given(x1=1, nzcv=0b1111), expect(x0=1)), id="flags-play-no-part"
        ),
        pytest.param(case("1:\nsub x0, x0, #1\ncbnz x0, 1b", given(x0=3), expect(x0=0)), id="a-loop-ends"),
        pytest.param(case("cbz x0, .", expect(exit=budget(), pc=CODE), budget=2), id="to-itself"),
        pytest.param(case(0xB47F_FFE0, expect(exit=instruction_abort(CODE + 0xF_FFFC))), id="cbz-largest"),
        pytest.param(case(0x3480_0000, expect(exit=instruction_abort(CODE - 0x10_0000))), id="cbz-32-bit-smallest"),
        pytest.param(
            case(0xB580_0000, given(x0=1), expect(exit=instruction_abort(CODE - 0x10_0000))), id="cbnz-smallest"
        ),
        pytest.param(case(0xB57F_FFE0, expect()), id="cbnz-largest-not-taken"),
    ],
)
def test_taken_and_not(backend, claim):
    claim.check(backend)
