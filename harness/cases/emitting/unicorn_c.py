"""A C program over Unicorn's C API. Unicorn starts at EL1; an ERET brings the CPU to EL0, where the code runs."""

from __future__ import annotations

from assay64.harness.cases.case import CPACR_EL1, SCTLR_EL1
from assay64.harness.cases.emitting.c_language import COMPARISON, STRUCTURES, code_table, comment, regions, tables
from assay64.harness.cases.emitting.scenario import Ending, Scenario
from assay64.harness.cases.outcome import Access, ExitKind, Fault
from assay64.harness.cases.state import PAC_KEYS

# Every exception is an error of uc_emu_start, with the PC at its instruction.
STOPS = {
    ExitKind.UNTIL: 0,
    ExitKind.BUDGET: 0,
    ExitKind.DATA_ABORT: 1,
    ExitKind.INSTRUCTION_ABORT: 1,
    ExitKind.UNDEFINED: 1,
}
_ERRORS = {
    (Access.READ, Fault.TRANSLATION): "UC_ERR_READ_UNMAPPED",
    (Access.WRITE, Fault.TRANSLATION): "UC_ERR_WRITE_UNMAPPED",
    (Access.FETCH, Fault.TRANSLATION): "UC_ERR_FETCH_UNMAPPED",
    (Access.READ, Fault.PERMISSION): "UC_ERR_READ_PROT",
    (Access.WRITE, Fault.PERMISSION): "UC_ERR_WRITE_PROT",
    (Access.FETCH, Fault.PERMISSION): "UC_ERR_FETCH_PROT",
    (Access.READ, Fault.ALIGNMENT): "UC_ERR_EXCEPTION",
    (Access.WRITE, Fault.ALIGNMENT): "UC_ERR_EXCEPTION",
}
# (op0, op1, CRn, CRm, op2), value: what code at EL0 may do, and that EL1 is AArch64. In SCTLR_EL1 the bits of caches
# and translation stay clear, as Unicorn has them.
SYSTEM_REGISTERS = (
    ("SCTLR_EL1", (3, 0, 1, 0, 0), SCTLR_EL1 & (1 << 9 | 1 << 14 | 1 << 15 | 1 << 16 | 1 << 18 | 1 << 26)),
    ("CPACR_EL1", (3, 0, 1, 0, 2), CPACR_EL1),
    ("SCR_EL3", (3, 6, 1, 1, 0), 1 << 10),
    ("CNTKCTL_EL1", (3, 0, 14, 1, 0), 3),
)
TO_EL0 = (
    (0xD518_401F, "msr spsr_el1, xzr"),
    (0xD518_403E, "msr elr_el1, x30"),
    (0xD69F_03E0, "eret"),
    (0xD503_201F, "nop"),
)

_HEAD = """\
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unicorn/unicorn.h>

"""

_BODY = """\
static uc_engine *uc;

static void ok(uc_err error) {
    if (error == UC_ERR_OK) return;
    fprintf(stderr, "unicorn: %s\\n", uc_strerror(error));
    exit(2);
}

static void read_memory(uint64_t address, void *data, size_t size) { ok(uc_mem_read(uc, address, data, size)); }

"""

_TAIL = """\
static int x_register(unsigned i) {
    return i < 29 ? UC_ARM64_REG_X0 + (int)i : i == 29 ? UC_ARM64_REG_X29 : UC_ARM64_REG_X30;
}

static void move_registers(struct registers *state, uc_err (*move)(uc_engine *, int, void *)) {
    uint64_t nzcv = state->nzcv << 28;
    for (unsigned i = 0; i < 31; ++i) ok(move(uc, x_register(i), &state->x[i]));
    for (unsigned i = 0; i < 32; ++i) ok(move(uc, UC_ARM64_REG_V0 + (int)i, state->v[i]));
    ok(move(uc, UC_ARM64_REG_SP, &state->sp));
    ok(move(uc, UC_ARM64_REG_FPCR, &state->fpcr));
    ok(move(uc, UC_ARM64_REG_FPSR, &state->fpsr));
    ok(move(uc, UC_ARM64_REG_NZCV, &nzcv));
    state->nzcv = nzcv >> 28 & 15;
}

static uc_err write_register(uc_engine *engine, int number, void *value) { return uc_reg_write(engine, number, value); }

/* An access that faults: the address of its first byte that does, and the registers, which some instructions go on to
 * change. */
static uint64_t fault_address;
static uc_context *at_fault;

static bool on_fault(uc_engine *engine, uc_mem_type type, uint64_t address, int size, int64_t value, void *data) {
    (void)type, (void)size, (void)value, (void)data;
    if (at_fault) return false;
    fault_address = address;
    ok(uc_context_alloc(engine, &at_fault));
    ok(uc_context_save(engine, at_fault));
    return false;
}

/* Writing PSTATE would leave Unicorn's translator at EL1. */
static void enter_el0(void) {
    uint64_t x30 = FREE_PAGE + sizeof to_el0 - 4, zero = 0;
    for (unsigned i = 0; i < sizeof system_registers / sizeof *system_registers; ++i)
        ok(uc_reg_write(uc, UC_ARM64_REG_CP_REG, &system_registers[i]));
    ok(uc_ctl_tlb_mode(uc, UC_TLB_VIRTUAL));
    ok(uc_mem_map(uc, FREE_PAGE, 0x1000, UC_PROT_ALL));
    ok(uc_mem_write(uc, FREE_PAGE, to_el0, sizeof to_el0));
    ok(uc_reg_write(uc, UC_ARM64_REG_X30, &x30));
    ok(uc_emu_start(uc, FREE_PAGE, x30 + 4, 0, 0));
    ok(uc_mem_unmap(uc, FREE_PAGE, 0x1000));
    ok(uc_reg_write(uc, UC_ARM64_REG_X30, &zero));
}

int main(void) {
    struct registers state = given;
    struct ending ending = {0, 0, 0, 0};
    uc_hook hook;
    ok(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc));
    ok(uc_ctl_set_cpu_model(uc, CPU_MODEL));
    enter_el0();
    map_regions();
    for (unsigned i = 0; i < sizeof contents / sizeof *contents; ++i)
        if (contents[i].size) ok(uc_mem_write(uc, contents[i].address, contents[i].data, contents[i].size));
    ok(uc_mem_write(uc, CODE_ADDRESS, code, sizeof code));
    move_registers(&state, write_register);
    remember_memory();
    ok(uc_hook_add(uc, &hook, UC_HOOK_MEM_INVALID, (void *)(uintptr_t)on_fault, NULL, 1, 0));
    const uc_err error = uc_emu_start(uc, CODE_ADDRESS, UNTIL, 0, BUDGET);
    printf("uc_emu_start: %s\\n", uc_strerror(error));
    if (at_fault) ok(uc_context_restore(uc, at_fault));
    memset(&state, 0, sizeof state);
    move_registers(&state, uc_reg_read);
    ok(uc_reg_read(uc, UC_ARM64_REG_PC, &state.pc));
    ending.stop = error != UC_ERR_OK;
    ending.kind = error;
    ending.address = fault_address;
    look_at_memory();
    const int result = judge(&state, ending);
    uc_close(uc);
    return result;
}
"""


def write(scenario: Scenario) -> str:
    scenario.only(*STOPS)
    scenario.without("tpidr_el0", "tpidrro_el0", "btype", "ssbs", "dit", "tco", "ss", "il", "daif", *PAC_KEYS)
    maps = "".join(
        f"    ok(uc_mem_map(uc, 0x{address:x}, 0x{size:x}, {_protection(letters)}));\n"
        for address, size, letters in regions(scenario)
    )
    return "".join(
        (
            comment([*scenario.heading(), "", "cc -o repro repro.c -lunicorn && ./repro"]),
            _HEAD,
            f"#define CODE_ADDRESS 0x{scenario.code_address:x}ull\n#define UNTIL 0x{scenario.until:x}ull\n"
            f"#define BUDGET {scenario.budget}\n#define CPU_MODEL {scenario.unicorn_cpu}\n"
            f"#define FREE_PAGE 0x{scenario.free_page:x}ull\n\n",
            STRUCTURES,
            code_table(scenario),
            _to_el0(),
            tables(scenario, [(STOPS[ending.exit.kind], error_name(ending) or "ANY") for ending in scenario.endings]),
            "\n",
            _BODY,
            COMPARISON,
            "\n",
            f"static void map_regions(void) {{\n{maps}}}\n\n",
            _TAIL,
        )
    )


def error_name(ending: Ending) -> str | None:
    """Unicorn's error for an access that faults; None where it has none of its own, or it is not compared."""
    return None if ending.fault is None else _ERRORS.get((ending.exit.access, ending.fault))


def _to_el0() -> str:
    lines = ["static const uint32_t to_el0[] = {", *(f"    0x{word:08x}, /* {text} */" for word, text in TO_EL0), "};"]
    lines += ["static const uc_arm64_cp_reg system_registers[] = {"]
    for name, (op0, op1, crn, crm, op2), value in SYSTEM_REGISTERS:
        lines += [f"    {{{crn}, {crm}, {op0}, {op1}, {op2}, 0x{value:x}}}, /* {name} */"]
    return "\n".join([*lines, "};", ""])


def _protection(letters: str) -> str:
    names = {"r": "UC_PROT_READ", "w": "UC_PROT_WRITE", "x": "UC_PROT_EXEC"}
    return " | ".join(names[letter] for letter in letters) or "UC_PROT_NONE"
