"""Loads and stores of structures: the order of elements, lanes that are kept, wrap from V31 to V0, post-indexing."""

from __future__ import annotations

from typing import Any

import pytest

from assay64.harness.cases.authoring import (
    DATA,
    DATA_END,
    SP,
    case,
    data_abort,
    expect,
    given,
    memory_unknown,
    sp_alignment,
    undefined,
    unknown,
)
from assay64.harness.cases.case import SCTLR_EL1, Environment
from assay64.suites.loads_and_stores.transfers import UNMAPPED

pytestmark = pytest.mark.simd

STRICT = Environment(sctlr_el1=SCTLR_EL1 | 1 << 1)
BASE = DATA + 0x4000
FULL = (1 << 128) - 1
BYTES = bytes(range(0x81, 0xC1))
VECTOR = 0xFFEE_DDCC_BBAA_9988_7766_5544_3322_1100
LANES = {"b": 1, "h": 2, "s": 4, "d": 8}


def number(data: bytes) -> int:
    return int.from_bytes(data, "little")


def turns(data: bytes, count: int, size: int) -> list[bytes]:
    """Elements of ``size`` bytes dealt to ``count`` registers in turn."""
    elements = [data[low : low + size] for low in range(0, len(data), size)]
    return [b"".join(elements[first::count]) for first in range(count)]


def names(count: int, first: int) -> list[str]:
    return [f"v{(first + index) % 32}" for index in range(count)]


def holding(registers: list[str], values: list[bytes]) -> dict[str, Any]:
    """Each register with the bytes that it holds."""
    return {name: number(value) for name, value in zip(registers, values, strict=True)}


def listed(count: int, first: int, arrangement: str) -> str:
    return "{" + ", ".join(f"{name}.{arrangement}" for name in names(count, first)) + "}"


STRUCTURES = [
    (count, arrangement) for count in (2, 3, 4) for arrangement in ("8b", "16b", "4h", "8h", "2s", "4s", "2d")
]
every_structure = pytest.mark.parametrize(("count", "arrangement"), STRUCTURES)
every_run = pytest.mark.parametrize(
    ("count", "arrangement"), [(1, "8b"), (2, "1d"), (3, "4h"), (4, "1d"), (1, "2d"), (2, "16b"), (3, "4s"), (4, "8h")]
)


def width(arrangement: str) -> int:
    return int(arrangement[:-1]) * LANES[arrangement[-1]]


@every_structure
def test_elements_take_turns_and_the_registers_wrap(backend, count, arrangement):
    data = BYTES[: count * width(arrangement)]
    vectors = turns(data, count, LANES[arrangement[-1]])
    registers = names(count, 30)
    case(
        f"ld{count} {listed(count, 30, arrangement)}, [x1]",
        given(x1=BASE, memory={BASE: BYTES}, **dict.fromkeys(registers, FULL)),
        expect(**holding(registers, vectors)),
    ).check(backend)


@every_structure
def test_stored_elements_take_turns(backend, count, arrangement):
    data = BYTES[: count * width(arrangement)]
    vectors = turns(data, count, LANES[arrangement[-1]])
    registers = names(count, 31)
    case(
        f"st{count} {listed(count, 31, arrangement)}, [x1], #{len(data)}",
        given(x1=BASE, fill=60, **holding(registers, vectors)),
        expect(x1=BASE + len(data), memory={BASE: data}),
    ).check(backend)


@every_run
def test_registers_follow_one_another(backend, count, arrangement):
    size = width(arrangement)
    registers = names(count, 29)
    loaded: dict[str, Any] = {name: number(BYTES[low * size : (low + 1) * size]) for low, name in enumerate(registers)}
    case(
        f"ld1 {listed(count, 29, arrangement)}, [x1], #{count * size}",
        given(x1=BASE + 3, memory={BASE + 3: BYTES}, **dict.fromkeys(registers, FULL)),
        expect(x1=BASE + 3 + count * size, **loaded),
    ).check(backend)


@every_run
def test_stored_registers_follow_one_another(backend, count, arrangement):
    size = width(arrangement)
    stored: dict[str, Any] = {
        name: number(BYTES[low * size : (low + 1) * size]) for low, name in enumerate(names(count, 29))
    }
    case(
        f"st1 {listed(count, 29, arrangement)}, [x1]",
        given(x1=BASE, fill=61, **stored),
        expect(memory={BASE: BYTES[: count * size]}),
    ).check(backend)


@pytest.mark.parametrize(
    ("lane", "index"),
    [("b", 0), ("b", 7), ("b", 8), ("b", 15), ("h", 3), ("h", 4), ("s", 1), ("s", 2), ("d", 0), ("d", 1)],
)
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_load_of_a_lane_keeps_the_others(backend, count, lane, index):
    size = LANES[lane]
    registers = names(count, 31)
    hole = ((1 << 8 * size) - 1) << 8 * size * index
    loaded: dict[str, Any] = {
        name: VECTOR & ~hole | number(BYTES[low * size : (low + 1) * size]) << 8 * size * index
        for low, name in enumerate(registers)
    }
    case(
        f"ld{count} {listed(count, 31, lane)}[{index}], [x1], #{count * size}",
        given(x1=BASE, memory={BASE: BYTES}, **dict.fromkeys(registers, VECTOR)),
        expect(x1=BASE + count * size, **loaded),
    ).check(backend)


@pytest.mark.parametrize(("lane", "index"), [("b", 9), ("h", 7), ("s", 3), ("d", 1)])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_store_of_a_lane(backend, count, lane, index):
    size = LANES[lane]
    registers = names(count, 30)
    stored: dict[str, Any] = {
        name: number(BYTES[low * size : (low + 1) * size]) << 8 * size * index for low, name in enumerate(registers)
    }
    case(
        f"st{count} {listed(count, 30, lane)}[{index}], [x1]",
        given(x1=BASE, fill=62, **stored),
        expect(memory={BASE: BYTES[: count * size]}),
    ).check(backend)


@pytest.mark.parametrize("arrangement", ["8b", "16b", "4h", "8h", "2s", "4s", "1d", "2d"])
@pytest.mark.parametrize("count", [1, 2, 3, 4])
def test_replicated_to_all_lanes(backend, count, arrangement):
    size, lanes = LANES[arrangement[-1]], int(arrangement[:-1])
    registers = names(count, 30)
    loaded: dict[str, Any] = {
        name: number(BYTES[low * size : (low + 1) * size] * lanes) for low, name in enumerate(registers)
    }
    case(
        f"ld{count}r {listed(count, 30, arrangement)}, [x1], x2",
        given(x1=BASE, x2=(1 << 64) - 0x123, memory={BASE: BYTES}, **dict.fromkeys(registers, FULL)),
        expect(x1=BASE - 0x123, **loaded),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "base"),
    [
        ("ld1 {v0.16b}, [x1], x1", 2 * BASE),
        ("ld1 {v0.16b}, [x1], x2", BASE + 5),
        ("ld1 {v0.16b}, [x1], #16", BASE + 16),
    ],
)
def test_post_index_by_a_register(backend, code, base):
    case(code, given(x1=BASE, x2=5, memory={BASE: BYTES}), expect(x1=base, v0=number(BYTES[:16]))).check(backend)


def test_stack_pointer_as_the_base(backend):
    case(
        "ld2 {v0.8b, v1.8b}, [sp], #16",
        given(memory={SP: BYTES}),
        expect(sp=SP + 16, v0=number(BYTES[0:16:2]), v1=number(BYTES[1:16:2])),
    ).check(backend)


@pytest.mark.parametrize(
    "code", ["ld1 {v0.16b}, [sp]", "st4 {v0.b, v1.b, v2.b, v3.b}[1], [sp], x0", "ld1r {v0.8b}, [sp]"]
)
def test_misaligned_stack_pointer(backend, code):
    case(code, given(sp=SP + 4), expect(exit=sp_alignment())).check(backend)


def test_elements_across_two_pages(backend):
    address = DATA + 0x1000 - 10
    case(
        "ld3 {v0.4s, v1.4s, v2.4s}, [x1]",
        given(x1=address, memory={address: BYTES[:10], DATA + 0x1000: BYTES[10:48]}),
        expect(**holding(names(3, 0), turns(BYTES[:48], 3, 4))),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "distance", "registers"),
    [
        ("ld1 {v0.16b, v1.16b}, [x1], #32", 16, ("v0", "v1")),
        ("ld4 {v0.8h, v1.8h, v2.8h, v3.8h}, [x1]", 30, ("v0", "v1", "v2", "v3")),
        ("ld2 {v31.s, v0.s}[1], [x1], x2", 4, ("v31", "v0")),
        ("ld3r {v4.4s, v5.4s, v6.4s}, [x1]", 8, ("v4", "v5", "v6")),
    ],
)
def test_load_that_runs_into_an_unmapped_page_keeps_its_base(backend, code, distance, registers):
    case(
        code,
        given(x1=DATA_END - distance, x2=8, fill=63),
        expect(unknown(*registers), exit=data_abort(DATA_END, "read", "translation")),
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "distance"),
    [
        ("st1 {v0.16b, v1.16b}, [x1], #32", 16),
        ("st4 {v0.8h, v1.8h, v2.8h, v3.8h}, [x1], x2", 30),
        ("st3 {v0.d, v1.d, v2.d}[1], [x1]", 16),
    ],
)
def test_store_that_runs_into_an_unmapped_page_may_be_written_in_part(backend, code, distance):
    case(
        code,
        given(x1=DATA_END - distance, x2=8, v0=VECTOR, v1=VECTOR, fill=64),
        expect(memory_unknown(DATA_END - distance, distance), exit=data_abort(DATA_END, "write", "translation")),
    ).check(backend)


@pytest.mark.parametrize("code", ["ld1 {v0.b}[3], [x1], #1", "ld1r {v0.2d}, [x1], #8", "st1 {v0.h}[1], [x1], #2"])
def test_one_access_that_aborts_changes_nothing(backend, code):
    access = "write" if code.startswith("st") else "read"
    case(code, given(x1=UNMAPPED, v0=VECTOR), expect(exit=data_abort(UNMAPPED, access, "translation"))).check(backend)


@pytest.mark.parametrize(
    ("code", "distance"), [("ld1 {v0.16b}, [x1]", 1), ("ld1 {v0.8h}, [x1]", 2), ("ld1 {v0.2d}, [x1]", 8)]
)
def test_strict_alignment_is_of_an_element(backend, code, distance):
    case(
        code,
        given(x1=BASE + distance, memory={BASE + distance: BYTES}),
        expect(v0=number(BYTES[:16])),
        environment=STRICT,
    ).check(backend)


@pytest.mark.parametrize(
    ("code", "distance"), [("ld1 {v0.8h}, [x1]", 1), ("ld2 {v0.2d, v1.2d}, [x1]", 4), ("ld1r {v0.4s}, [x1]", 2)]
)
def test_a_misaligned_element_faults_when_alignment_is_strict(backend, code, distance):
    case(
        code,
        given(x1=BASE + distance, v0=FULL),
        expect(exit=data_abort(BASE + distance, "read", "alignment")),
        environment=STRICT,
    ).check(backend)


@pytest.mark.parametrize(
    "word",
    [
        pytest.param(0x0C40_8C20, id="ld2-1d"),
        pytest.param(0x0C00_4C20, id="st3-1d"),
        pytest.param(0x0CDF_0C20, id="ld4-1d"),
        pytest.param(0x4C40_1020, id="opcode-0001"),
        pytest.param(0x4C40_9020, id="opcode-1001"),
        pytest.param(0x4C40_B020, id="opcode-1011"),
        pytest.param(0x4C40_C020, id="opcode-1100"),
        pytest.param(0x4C41_7020, id="register-without-post-index"),
        pytest.param(0x4CA0_7020, id="post-index-bit-21"),
        pytest.param(0x0D40_4420, id="halfword-lane-with-size-01"),
        pytest.param(0x0D40_8820, id="word-lane-with-size-10"),
        pytest.param(0x0D40_9420, id="doubleword-lane-with-s"),
        pytest.param(0x0D40_D020, id="replicate-with-s"),
        pytest.param(0x0D00_C020, id="replicating-store"),
    ],
)
def test_unallocated(backend, word):
    case(word, given(x1=BASE), expect(exit=undefined())).check(backend)
