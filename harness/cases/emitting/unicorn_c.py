"""A C program over Unicorn's C API. Unicorn starts at EL1, and the code runs there."""

from __future__ import annotations

from assay64.harness.cases.emitting.c_language import COMPARISON, STRUCTURES, code_table, comment, regions, tables
from assay64.harness.cases.emitting.scenario import Scenario
from assay64.harness.cases.outcome import ExitKind
from assay64.harness.cases.state import PAC_KEYS

# Every exception is an error of uc_emu_start, with the PC at its instruction.
STOPS = {
    ExitKind.UNTIL: 0,
    ExitKind.BUDGET: 0,
    ExitKind.DATA_ABORT: 1,
    ExitKind.INSTRUCTION_ABORT: 1,
    ExitKind.UNDEFINED: 1,
}

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

static int same_memory(const struct bytes *expected) {
    char found[65536];
    for (unsigned done = 0; done < expected->size; done += sizeof found) {
        const unsigned size = expected->size - done < sizeof found ? expected->size - done : sizeof found;
        ok(uc_mem_read(uc, expected->address + done, found, size));
        if (memcmp(found, expected->data + done, size) != 0) return 0;
    }
    return 1;
}

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

int main(void) {
    struct registers state = given;
    ok(uc_open(UC_ARCH_ARM64, UC_MODE_ARM, &uc));
    ok(uc_ctl_set_cpu_model(uc, CPU_MODEL));
    map_regions();
    for (unsigned i = 0; i < sizeof contents / sizeof *contents; ++i)
        if (contents[i].size) ok(uc_mem_write(uc, contents[i].address, contents[i].data, contents[i].size));
    ok(uc_mem_write(uc, CODE_ADDRESS, code, sizeof code));
    move_registers(&state, write_register);
    const uc_err error = uc_emu_start(uc, CODE_ADDRESS, UNTIL, 0, BUDGET);
    printf("uc_emu_start: %s\\n", uc_strerror(error));
    memset(&state, 0, sizeof state);
    move_registers(&state, uc_reg_read);
    ok(uc_reg_read(uc, UC_ARM64_REG_PC, &state.pc));
    const int result = judge(&state, error != UC_ERR_OK);
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
            f"#define BUDGET {scenario.budget}\n#define CPU_MODEL {scenario.unicorn_cpu}\n\n",
            STRUCTURES,
            code_table(scenario),
            tables(scenario, [STOPS[ending.exit.kind] for ending in scenario.endings]),
            "\n",
            _BODY,
            COMPARISON,
            "\n",
            f"static void map_regions(void) {{\n{maps}}}\n\n",
            _TAIL,
        )
    )


def _protection(letters: str) -> str:
    names = {"r": "UC_PROT_READ", "w": "UC_PROT_WRITE", "x": "UC_PROT_EXEC"}
    return " | ".join(names[letter] for letter in letters) or "UC_PROT_NONE"
