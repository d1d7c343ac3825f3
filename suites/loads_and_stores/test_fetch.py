"""Instruction fetch: alignment of the PC, execute permission, and the end of mapped code."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import (
    CODE,
    DATA,
    asm,
    case,
    expect,
    given,
    instruction_abort,
    pc_alignment,
    svc,
)
from assay64.harness.cases.case import CODE_REGION, Region
from assay64.suites.loads_and_stores.transfers import UNMAPPED

pytestmark = pytest.mark.faults

CODE_END = CODE_REGION[0] + CODE_REGION[1]


@pytest.mark.parametrize("excess", [1, 2, 3])
def test_branch_to_a_misaligned_address_faults_at_the_target(backend, excess):
    case("br x0", given(x0=CODE + excess), expect(exit=pc_alignment(), pc=CODE + excess)).check(backend)


def test_branch_with_link_to_a_misaligned_address_has_set_the_link(backend):
    case("blr x0", given(x0=CODE + 2), expect(exit=pc_alignment(), pc=CODE + 2, x30=CODE + 4)).check(backend)


def test_return_to_a_misaligned_address(backend):
    case("ret", given(x30=CODE + 6), expect(exit=pc_alignment(), pc=CODE + 6)).check(backend)


def test_alignment_of_the_pc_comes_before_translation(backend):
    case("br x0", given(x0=UNMAPPED + 2), expect(exit=pc_alignment(), pc=UNMAPPED + 2)).check(backend)


def test_misaligned_pc_at_the_start(backend):
    case("nop", given(pc=CODE + 2), expect(exit=pc_alignment(), pc=CODE + 2)).check(backend)


def test_branch_to_unmapped_memory(backend):
    case("br x0", given(x0=UNMAPPED), expect(exit=instruction_abort(UNMAPPED, "translation"))).check(backend)


def test_branch_with_link_to_unmapped_memory_has_set_the_link(backend):
    case("blr x0", given(x0=UNMAPPED), expect(exit=instruction_abort(UNMAPPED, "translation"), x30=CODE + 4)).check(
        backend
    )


def test_direct_branch_to_unmapped_memory(backend):
    target = CODE + 0x10_0000
    case("b . + 0x100000", expect(exit=instruction_abort(target, "translation"))).check(backend)


@pytest.mark.parametrize("permissions", ["rw", "r", ""], ids=["read-write", "read-only", "none"])
def test_branch_to_memory_without_execute_permission(backend, permissions):
    case(
        "br x0",
        given(x0=UNMAPPED, memory={UNMAPPED: 0xD503_201F}),
        expect(exit=instruction_abort(UNMAPPED, "permission")),
        regions=[Region(address=UNMAPPED, size=0x1_0000, permissions=permissions)],
    ).check(backend)


def test_branch_to_data(backend):
    case("br x0", given(x0=DATA), expect(exit=instruction_abort(DATA, "permission"))).check(backend)


@pytest.mark.parametrize("permissions", ["x", "rx", "rwx"])
def test_execute_permission_is_enough(backend, permissions):
    (supervisor_call,) = asm("svc #7")
    case(
        "br x0",
        given(x0=UNMAPPED, memory={UNMAPPED: supervisor_call}),
        expect(exit=svc(7), pc=UNMAPPED + 4),
        regions=[Region(address=UNMAPPED, size=0x1_0000, permissions=permissions)],
    ).check(backend)


@pytest.mark.parametrize("address", [1 << 48 | CODE, 1 << 63 | CODE], ids=["bit 48", "bit 63"])
def test_target_is_not_truncated(backend, address):
    case("br x0", given(x0=address), expect(exit=instruction_abort(address, "translation"))).check(backend)


def test_execution_that_runs_off_the_end_of_the_code_faults_there(backend):
    case(
        "mov x0, #1\nmov x1, #2",
        expect(x0=1, x1=2, exit=instruction_abort(CODE_END, "translation")),
        address=CODE_END - 8,
        until=CODE,
    ).check(backend)


def test_last_instruction_before_unmapped_memory_executes(backend):
    case("mov x0, #1\nret", given(x30=CODE), expect(x0=1), address=CODE_END - 8, until=CODE).check(backend)


def test_code_crosses_into_the_next_page(backend):
    case("mov x0, #1\nmov x1, #2", expect(x0=1, x1=2), address=CODE + 0x1000 - 4).check(backend)


def test_code_runs_on_into_another_region(backend):
    (supervisor_call,) = asm("svc #7")
    case(
        "mov x0, #1",
        given(memory={CODE_END: supervisor_call}),
        expect(x0=1, exit=svc(7), pc=CODE_END + 4),
        address=CODE_END - 4,
        until=CODE,
        regions=[Region(address=CODE_END, size=0x1_0000, permissions="rx")],
    ).check(backend)
