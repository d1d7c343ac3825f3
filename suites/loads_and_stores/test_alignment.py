"""Alignment of data accesses: what must be aligned always, under strict alignment, and in Device memory.

Without FEAT_LSE2. An alignment fault reports the address that the instruction uses (Arm ARM B2.5, D1.3).
"""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import DATA, case, data_abort, expect, given, memory_unknown, permit
from assay64.harness.cases.case import SCTLR_EL1, Environment, MemoryType, Region
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE, UNMAPPED

pytestmark = pytest.mark.faults

STRICT = Environment(sctlr_el1=SCTLR_EL1 | 1 << 1)
DEVICE = Region(address=UNMAPPED, size=0x1_0000, memory_type=MemoryType.DEVICE)
READ_ONLY_DEVICE = Region(address=UNMAPPED, size=0x1_0000, permissions="r", memory_type=MemoryType.DEVICE)

PLAIN = (
    ("ldrh w0, [x1]", 2, "read"),
    ("ldr w0, [x1]", 4, "read"),
    ("ldr x0, [x1]", 8, "read"),
    ("ldrsw x0, [x1], #4", 4, "read"),
    ("strh w0, [x1]", 2, "write"),
    ("str w0, [x1, #0]!", 4, "write"),
    ("str x0, [x1]", 8, "write"),
)
ORDERED = (
    ("ldarh w0, [x1]", 2, "read"),
    ("ldar w0, [x1]", 4, "read"),
    ("ldar x0, [x1]", 8, "read"),
    ("stlrh w0, [x1]", 2, "write"),
    ("stlr w0, [x1]", 4, "write"),
    ("stlr x0, [x1]", 8, "write"),
)
LOAD_EXCLUSIVE = (
    ("ldxrh w0, [x1]", 2, "read"),
    ("ldxr w0, [x1]", 4, "read"),
    ("ldxr x0, [x1]", 8, "read"),
    ("ldaxr x0, [x1]", 8, "read"),
    ("ldxp w0, w2, [x1]", 8, "read"),
    ("ldxp x0, x2, [x1]", 16, "read"),
)
STORE_EXCLUSIVE = (
    ("stxrh w2, w0, [x1]", 2),
    ("stxr w2, w0, [x1]", 4),
    ("stxr w2, x0, [x1]", 8),
    ("stlxr w2, x0, [x1]", 8),
    ("stxp w2, w0, w3, [x1]", 8),
    ("stxp w2, x0, x3, [x1]", 16),
)


@pytest.mark.parametrize(("code", "alignment", "access"), ORDERED + LOAD_EXCLUSIVE)
def test_ordered_accesses_and_load_exclusives_must_be_aligned(backend, code, alignment, access):
    address = DATA + 0x40 + alignment // 2
    case(
        code, given(x0=GARBAGE, x1=address, x2=GARBAGE, fill=14), expect(exit=data_abort(address, access, "alignment"))
    ).check(backend)


@pytest.mark.parametrize(("code", "alignment"), STORE_EXCLUSIVE)
def test_store_exclusive_must_be_aligned_but_may_fail_before_that_is_checked(backend, code, alignment):
    # When the monitors do not pass, it is IMPLEMENTATION DEFINED whether the alignment fault is generated.
    address = DATA + 0x40 + alignment // 2
    case(
        code,
        given(x0=GARBAGE, x1=address, x2=GARBAGE, fill=14),
        permit(expect(exit=data_abort(address, "write", "alignment")), expect(x2=1)),
    ).check(backend)


def test_ordered_access_inside_16_aligned_bytes_must_be_aligned_as_well(backend):
    case("ldar w0, [x1]", given(x0=GARBAGE, x1=DATA + 1), expect(exit=data_abort(DATA + 1, "read", "alignment"))).check(
        backend
    )


@pytest.mark.parametrize(("code", "alignment", "access"), PLAIN)
def test_strict_alignment(backend, code, alignment, access):
    address = DATA + 0x40 + alignment // 2
    case(
        code,
        given(x0=GARBAGE, x1=address, fill=15),
        expect(exit=data_abort(address, access, "alignment")),
        environment=STRICT,
    ).check(backend)


def test_strict_alignment_never_concerns_bytes(backend):
    case("ldrb w0, [x1]", given(x1=DATA + 1, memory={DATA + 1: 7}), expect(x0=7), environment=STRICT).check(backend)


def test_strict_alignment_looks_at_the_address_not_at_the_base(backend):
    case(
        "ldur x0, [x1, #-1]", given(x1=DATA + 9, memory={DATA + 8: NEGATIVE}), expect(x0=NEGATIVE), environment=STRICT
    ).check(backend)


def test_strict_alignment_wants_each_register_of_a_pair_aligned_not_the_pair(backend):
    case(
        "ldp x0, x2, [x1]",
        given(x1=DATA + 8, memory={DATA + 8: [1, 2]}),
        expect(x0=1, x2=2),
        environment=STRICT,
    ).check(backend)


def test_strict_alignment_of_a_pair(backend):
    case(
        "stp x0, x2, [x1], #16",
        given(x0=1, x1=DATA + 4, x2=2),
        expect(exit=data_abort(DATA + 4, "write", "alignment")),
        environment=STRICT,
    ).check(backend)


@pytest.mark.parametrize(("code", "alignment", "access"), [PLAIN[0], PLAIN[2], PLAIN[5]])
def test_device_memory_must_be_accessed_aligned(backend, code, alignment, access):
    address = UNMAPPED + 0x40 + alignment // 2
    case(
        code,
        given(x0=GARBAGE, x1=address),
        expect(exit=data_abort(address, access, "alignment")),
        regions=[DEVICE],
    ).check(backend)


def test_aligned_access_to_device_memory(backend):
    case(
        "str x0, [x1]\nldr x2, [x1]",
        given(x0=NEGATIVE, x1=UNMAPPED + 8),
        expect(x2=NEGATIVE, memory={UNMAPPED + 8: NEGATIVE}),
        regions=[DEVICE],
    ).check(backend)


# --- priority (Arm ARM D1.3, prioritization of synchronous exceptions)


@pytest.mark.parametrize(
    ("code", "access"), [("ldxr x0, [x1]", "read"), ("ldar x0, [x1]", "read"), ("stlr x0, [x1]", "write")]
)
def test_alignment_that_the_instruction_demands_comes_before_translation(backend, code, access):
    case(code, given(x0=GARBAGE, x1=UNMAPPED + 4), expect(exit=data_abort(UNMAPPED + 4, access, "alignment"))).check(
        backend
    )


def test_alignment_of_a_store_exclusive_comes_before_translation(backend):
    case(
        "stxr w2, x0, [x1]",
        given(x0=GARBAGE, x1=UNMAPPED + 4),
        permit(expect(exit=data_abort(UNMAPPED + 4, "write", "alignment")), expect(x2=1)),
    ).check(backend)


def test_strict_alignment_comes_before_translation(backend):
    case(
        "ldr x0, [x1]",
        given(x0=GARBAGE, x1=UNMAPPED + 4),
        expect(exit=data_abort(UNMAPPED + 4, "read", "alignment")),
        environment=STRICT,
    ).check(backend)


def test_the_alignment_that_device_memory_demands_comes_before_permission(backend):
    case(
        "str x0, [x1]",
        given(x0=GARBAGE, x1=UNMAPPED + 4),
        expect(exit=data_abort(UNMAPPED + 4, "write", "alignment")),
        regions=[READ_ONLY_DEVICE],
    ).check(backend)


def test_the_first_byte_in_device_memory_faults_before_the_next_page_is_looked_at(backend):
    last = UNMAPPED + DEVICE.size - 4
    case(
        "ldr x0, [x1]",
        given(x0=GARBAGE, x1=last),
        expect(exit=data_abort(last, "read", "alignment")),
        regions=[DEVICE],
    ).check(backend)


@pytest.mark.parametrize(("code", "access"), [("ldr x0, [x1]", "read"), ("str x0, [x1]", "write")])
def test_an_unaligned_access_from_normal_into_device_memory_may_fault(backend, code, access):
    """Unpredictable_DEVPAGE2: the bytes on the second page fault, or the access is made."""
    normal = Region(address=UNMAPPED - 0x1000, size=0x1000)
    value = 0x1122_3344_5566_7788
    done = expect(x0=0) if access == "read" else expect(memory={UNMAPPED - 4: value.to_bytes(8, "little")})
    partly = () if access == "read" else (memory_unknown(UNMAPPED - 4, 4),)
    case(
        code,
        given(x0=value, x1=UNMAPPED - 4),
        permit(
            done,
            expect(*partly, exit=data_abort(UNMAPPED, access, "alignment")),
            expect(*partly, exit=data_abort(UNMAPPED - 4, access, "alignment")),
        ),
        regions=[normal, DEVICE],
    ).check(backend)
