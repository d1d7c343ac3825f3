"""Advanced SIMD permute, extract and table lookup."""

from typing import Any

import pytest

from assay64.harness.cases.authoring import MAX64, case, expect, given, undefined
from assay64.suites.simd_and_fp.elements import ONES, every, vector

pytestmark = pytest.mark.simd

LOW = int.from_bytes(range(16), "little")  # byte i is i
HIGH = int.from_bytes(range(16, 32), "little")  # byte i is 16 + i


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                f"{name} v0.4h, v1.4h, v2.4h",
                given(v0=ONES, v1=vector(16, 0, 1, 2, 3, 9), v2=vector(16, 4, 5, 6, 7, 9)),
                expect(v0=vector(16, *order)),
            ),
            id=name,
        )
        for name, order in {
            "zip1": (0, 4, 1, 5),
            "zip2": (2, 6, 3, 7),
            "uzp1": (0, 2, 4, 6),
            "uzp2": (1, 3, 5, 7),
            "trn1": (0, 4, 2, 6),
            "trn2": (1, 5, 3, 7),
        }.items()
    ]
    + [
        pytest.param(
            case(
                "zip2 v0.16b, v0.16b, v1.16b",
                given(v0=LOW, v1=HIGH),
                expect(v0=vector(8, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)),
            ),
            id="zip2-of-bytes-in-place",
        ),
        pytest.param(
            case(
                "uzp2 v1.2d, v0.2d, v1.2d", given(v0=vector(64, 1, 2), v1=vector(64, 3, 4)), expect(v1=vector(64, 2, 4))
            ),
            id="uzp2-of-doublewords-in-place",
        ),
        pytest.param(
            case("trn1 v0.4s, v0.4s, v0.4s", given(v0=vector(32, 1, 2, 3, 4)), expect(v0=vector(32, 1, 1, 3, 3))),
            id="trn1-of-itself",
        ),
        pytest.param(case(0x0EC2_3820, expect(exit=undefined())), id="zip1-1d-is-reserved"),
        pytest.param(case(0x0EC2_5820, expect(exit=undefined())), id="uzp2-1d-is-reserved"),
        pytest.param(case(0x0EC2_2820, expect(exit=undefined())), id="trn1-1d-is-reserved"),
        pytest.param(case(0x4E82_0820, expect(exit=undefined())), id="opcode-000-is-unallocated"),
        pytest.param(case(0x4E82_4820, expect(exit=undefined())), id="opcode-100-is-unallocated"),
    ],
)
def test_permute(backend, claim):
    claim.check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(case("ext v0.16b, v1.16b, v2.16b, #0", given(v1=LOW, v2=HIGH), expect(v0=LOW)), id="index-0"),
        pytest.param(
            case("ext v0.16b, v1.16b, v2.16b, #15", given(v1=LOW, v2=HIGH), expect(v0=HIGH << 8 & ONES | 15)),
            id="index-15",
        ),
        pytest.param(
            case("ext v0.8b, v1.8b, v2.8b, #7", given(v0=ONES, v1=LOW, v2=HIGH), expect(v0=(HIGH << 8 & MAX64) | 7)),
            id="64-bits-index-7",
        ),
        pytest.param(
            case("ext v0.16b, v0.16b, v0.16b, #8", given(v0=vector(64, 1, 2)), expect(v0=vector(64, 2, 1))),
            id="swaps-the-halves",
        ),
        pytest.param(case(0x2E02_4020, expect(exit=undefined())), id="64-bits-index-8-is-reserved"),
        pytest.param(case(0x2E02_7820, expect(exit=undefined())), id="64-bits-index-15-is-reserved"),
    ],
)
def test_extract(backend, claim):
    claim.check(backend)


def table(count: int) -> dict[str, Any]:
    """V30, V31, V0 and V1 hold bytes 1, 2, 3 ..., as many as a table of ``count`` registers from V30 has."""
    data = bytes(range(1, 65))
    return {
        f"v{(30 + index) % 32}": int.from_bytes(data[16 * index : 16 * index + 16], "little") for index in range(count)
    }


@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_table_wraps_from_v31_to_v0(backend, count):
    indices = (0, 16 * count - 1, 16 * count, 255, 5, 64)
    found = [index + 1 if index < 16 * count else None for index in indices]
    word = 0x4E00_0000 | 7 << 16 | count - 1 << 13 | 30 << 5 | 6  # tbl v6.16b, {v30.16b, ...}, v7.16b
    start = given(v6=every(8, 0xEE), v7=vector(8, *indices, *[255] * 10), **table(count))
    case(word, start, expect(v6=vector(8, *(value or 0 for value in found)))).check(backend)
    kept = [0xEE if value is None else value for value in found] + [0xEE] * 10
    case(word | 1 << 12, start, expect(v6=vector(8, *kept))).check(backend)


@pytest.mark.parametrize(
    "claim",
    [
        pytest.param(
            case(
                "tbl v0.8b, {v1.16b}, v2.8b",
                given(v0=ONES, v1=HIGH, v2=vector(8, 15, 0, 16)),
                expect(v0=vector(8, 31, 16, 0, 16, 16, 16, 16, 16)),
            ),
            id="64-bits-of-a-table-of-128",
        ),
        pytest.param(
            case(
                "tbx v0.8b, {v1.16b}, v2.8b",
                given(v0=ONES, v1=HIGH, v2=vector(8, 15, 0, 16)),
                expect(v0=vector(8, 31, 16, 255, 16, 16, 16, 16, 16)),
            ),
            id="tbx-of-64-bits-zeroes-the-upper-half",
        ),
        pytest.param(
            case(
                "tbl v0.16b, {v0.16b, v1.16b}, v2.16b",
                given(v0=LOW, v1=HIGH, v2=every(8, 31) ^ 31),
                expect(v0=every(8, 31) ^ 31),
            ),
            id="destination-is-the-table",
        ),
        pytest.param(
            case(
                "tbx v2.16b, {v1.16b}, v2.16b",
                given(v1=HIGH, v2=vector(8, 3, 16, 200)),
                expect(v2=vector(8, 19, 16, 200, *[16] * 13)),
            ),
            id="tbx-destination-is-the-index",
        ),
    ],
)
def test_table(backend, claim):
    claim.check(backend)
