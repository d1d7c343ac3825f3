"""Advanced SIMD three-register extension, and its scalar form: integers

The dot and matrix products are compared with sums that Python makes.
"""

import random

import pytest

from assay64.harness.cases.authoring import case, expect, given, undefined
from assay64.suites.simd_and_fp.elements import ONES, QC, every, vector
from assay64.suites.simd_and_fp.features import with_features

pytestmark = pytest.mark.simd

RDM, DOT, I8MM = (with_features(f"FEAT_{name}") for name in ("RDM", "DotProd", "I8MM"))
SIGNED, UNSIGNED = True, False


def states(count):
    """Accumulator and two operands, whose bytes are at their borders or anything."""
    rng = random.Random(count)
    corners = (0, 1, 0x7F, 0x80, 0xFF)
    return [
        tuple(int.from_bytes(bytes(rng.choice((*corners, rng.randrange(256))) for _ in range(16))) for _ in range(3))
        for _ in range(count)
    ]


def elements(value, signed):
    return [int.from_bytes(bytes([byte]), "little", signed=signed) for byte in value.to_bytes(16, "little")]


def words(value):
    return [value >> low & 0xFFFF_FFFF for low in range(0, 128, 32)]


def dot(accumulator, x, y, x_signed, y_signed):
    a, b = elements(x, x_signed), elements(y, y_signed)
    return vector(
        32, *(word + sum(a[4 * i + k] * b[4 * i + k] for k in range(4)) for i, word in enumerate(words(accumulator)))
    )


def matrix_product(accumulator, x, y, x_signed, y_signed):
    """Rows of eight bytes of x by those of y, added to two rows of two words."""
    a, b = elements(x, x_signed), elements(y, y_signed)
    products = [sum(a[8 * i + k] * b[8 * j + k] for k in range(8)) for i in range(2) for j in range(2)]
    return vector(32, *(word + product for word, product in zip(words(accumulator), products, strict=True)))


@pytest.mark.parametrize(("accumulator", "x", "y"), states(12))
def test_dot_products(backend, accumulator, x, y):
    start = given(v0=accumulator, v1=x, v2=y)
    signed, unsigned, mixed = (
        dot(accumulator, x, y, *signs) for signs in ((SIGNED, SIGNED), (UNSIGNED, UNSIGNED), (UNSIGNED, SIGNED))
    )
    low = (1 << 64) - 1
    case("sdot v0.4s, v1.16b, v2.16b", start, expect(v0=signed), **DOT).check(backend)
    case("sdot v0.2s, v1.8b, v2.8b", start, expect(v0=signed & low), **DOT).check(backend)
    case("udot v0.4s, v1.16b, v2.16b", start, expect(v0=unsigned), **DOT).check(backend)
    case("udot v0.2s, v1.8b, v2.8b", start, expect(v0=unsigned & low), **DOT).check(backend)
    case("usdot v0.4s, v1.16b, v2.16b", start, expect(v0=mixed), **I8MM).check(backend)
    case("usdot v0.2s, v1.8b, v2.8b", start, expect(v0=mixed & low), **I8MM).check(backend)


@pytest.mark.parametrize(("accumulator", "x", "y"), states(13))
def test_matrix_products(backend, accumulator, x, y):
    start = given(v0=accumulator, v1=x, v2=y)
    signed, unsigned, mixed = (
        matrix_product(accumulator, x, y, *signs)
        for signs in ((SIGNED, SIGNED), (UNSIGNED, UNSIGNED), (UNSIGNED, SIGNED))
    )
    case("smmla v0.4s, v1.16b, v2.16b", start, expect(v0=signed), **I8MM).check(backend)
    case("ummla v0.4s, v1.16b, v2.16b", start, expect(v0=unsigned), **I8MM).check(backend)
    case("usmmla v0.4s, v1.16b, v2.16b", start, expect(v0=mixed), **I8MM).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case("udot v0.4s, v1.16b, v2.16b", given(v0=ONES, v1=ONES, v2=ONES), expect(v0=every(32, 260099)), **DOT),
            id="udot-wraps-without-saturation",
        ),
        pytest.param(
            case("sdot v1.4s, v1.16b, v1.16b", given(v1=every(8, -1)), expect(v1=every(32, 3)), **DOT),
            id="sdot-all-one-register",
        ),
        pytest.param(
            case("smmla v0.4s, v1.16b, v2.16b", given(v0=0x7FFF_FFFF, v1=1, v2=1), expect(v0=1 << 31), **I8MM),
            id="smmla-wraps-without-saturation",
        ),
        pytest.param(
            case("usmmla v0.4s, v1.16b, v2.16b", given(v1=0xFF, v2=0xFF), expect(v0=vector(32, -255)), **I8MM),
            id="usmmla-only-the-second-is-signed",
        ),
        pytest.param(
            case(
                "sqrdmlah v0.4h, v1.4h, v2.4h",
                given(v0=vector(16, -1, 0, 0x7FFF, 1), v1=vector(16, 0x8000, 0x8000, 1, 1), v2=every(16, 0x8000, 64)),
                expect(v0=vector(16, 0x7FFF, 0x7FFF, 0x7FFE, 0), fpsr=QC),
                **RDM,
            ),
            id="sqrdmlah-saturates-once",
        ),
        pytest.param(
            case("sqrdmlah v0.2s, v1.2s, v2.2s", given(v0=ONES, v1=1, v2=1 << 30), expect(v0=0xFFFF_FFFF << 32), **RDM),
            id="sqrdmlah-ties-upwards",
        ),
        pytest.param(
            case(
                "sqrdmlsh v0.4s, v1.4s, v2.4s",
                given(v0=every(32, -2), v1=every(32, 1 << 31), v2=every(32, 1 << 31)),
                expect(v0=every(32, 1 << 31), fpsr=QC),
                **RDM,
            ),
            id="sqrdmlsh-below-the-smallest",
        ),
        pytest.param(
            case("sqrdmlsh h0, h1, h2", given(v0=ONES, v1=0x8000, v2=0x8000), expect(v0=0x8000, fpsr=QC), **RDM),
            id="scalar-sqrdmlsh",
        ),
        pytest.param(
            case("sqrdmlah s0, s1, s2", given(v0=1 << 64, v1=0x7FFF_FFFF, v2=2), expect(v0=2), **RDM),
            id="scalar-sqrdmlah-rounds",
        ),
    ],
)
def test_corners(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x2E42_8420, id="sqrdmlah"),
        pytest.param(0x7E82_8C20, id="scalar-sqrdmlsh"),
        pytest.param(0x4E82_9C20, id="usdot"),
        pytest.param(0x4E82_A420, id="smmla"),
    ],
)
def test_undefined_without_the_feature(backend, word):
    case(word, given(v0=1, v1=2, v2=3), expect(exit=undefined())).check(backend)


@pytest.mark.parametrize("word", [0x2E02_8420, 0x6EC2_8C20, 0x7E02_8420], ids=["bytes", "doublewords", "scalar-byte"])
def test_sqrdmlah_of_other_elements_is_undefined(backend, word):
    case(word, given(v0=1, v1=2, v2=3), expect(exit=undefined()), **RDM).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x4E42_9C20, id="usdot-halfwords"),
        pytest.param(0x6E82_9C20, id="usdot-with-u"),
        pytest.param(0x0E82_A420, id="smmla-64-bits"),
        pytest.param(0x6E82_AC20, id="usmmla-with-u"),
    ],
)
def test_unallocated_beside_i8mm(backend, word):
    case(word, given(v0=1, v1=2, v2=3), expect(exit=undefined()), **I8MM).check(backend)
