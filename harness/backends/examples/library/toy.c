/*
 * A backend for assay64 in one file: an interpreter of five A64 instructions that declines every other word.
 * Copy it, put your emulator where Execute is, and declare in assay64_describe what that can do.
 *
 *     make
 *     assay64 check-backend ./libtoy.so
 *     assay64 run --backend ./libtoy.so
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "assay64_backend.h"

enum { PAGE = 4096, MOST_MAPPINGS = 64 };

struct mapping {
    uint64_t address, size;
    uint8_t *host;
    uint32_t permissions;
};

struct assay64_machine { /* everything lives here: there is no global state */
    struct assay64_state state;
    struct mapping mappings[MOST_MAPPINGS];
    unsigned count;
    const char *error; /* of the last call that failed */
};

const struct assay64_info *assay64_info(void) {
    static const struct assay64_info info = ASSAY64_INFO;
    return &info;
}

/* "fixed": SCTLR_EL1 is 0x405d01d, as Linux has it for EL0. The toy cannot tell UNDEFINED from what it does not know. */
const char *assay64_describe(void) {
    return "{\"name\": \"toy\", \"version\": \"1.0\", \"description\": \"five instructions\", \"exception_levels\": [0],"
           " \"vcpus\": 1, \"page_size\": 4096, \"actions\": [\"run\", \"write\", \"map\", \"alias\", \"notify_code\"],"
           " \"exact_budget\": true, \"exclusive_monitor\": \"none\", \"distinguishes_undefined\": false,"
           " \"fixed\": {\"sctlr_el1\": 67489821, \"cpacr_el1\": 3145728, \"tcr_el1\": 0, \"cntkctl_el1\": 3,"
           " \"top_byte_ignore\": false}}";
}

int assay64_create(const char *config, assay64_machine **machine, char *error, size_t error_size) {
    if (!strstr(config, "vcpus = 1\n") || !strstr(config, "exception_level = 0\n")) {
        snprintf(error, error_size, "the toy has one vCPU, at EL0");
        return ASSAY64_UNSUPPORTED;
    }
    *machine = calloc(1, sizeof **machine);
    if (*machine) (*machine)->error = "";
    return *machine ? ASSAY64_OK : ASSAY64_ERROR;
}

void assay64_destroy(assay64_machine *machine) { free(machine); }

const char *assay64_last_error(assay64_machine *machine) { return machine->error; }

static int Fail(assay64_machine *machine, int status, const char *reason) {
    machine->error = reason;
    return status;
}

int assay64_map(assay64_machine *machine, uint64_t address, void *host, uint64_t size, uint32_t permissions,
                uint32_t flags) {
    if (flags) return Fail(machine, ASSAY64_UNSUPPORTED, "the toy has Normal memory alone, and no guarded pages");
    if (address % PAGE || size % PAGE || !size) return Fail(machine, ASSAY64_ERROR, "not whole pages of 4096 bytes");
    if (machine->count == MOST_MAPPINGS) return Fail(machine, ASSAY64_ERROR, "more than 64 mappings");
    machine->mappings[machine->count++] = (struct mapping){address, size, host, permissions};
    return ASSAY64_OK;
}

/* Where the guest's byte lies. The latest mapping wins, so that mapping a page again replaces it. */
static const struct mapping *Find(const assay64_machine *machine, uint64_t address) {
    for (unsigned index = machine->count; index-- > 0;)
        if (address - machine->mappings[index].address < machine->mappings[index].size) return &machine->mappings[index];
    return NULL;
}

/* Fill bytes[size] with pointers to the guest's bytes, or `exit` with the abort of the first that cannot be accessed. */
static int Translate(assay64_machine *machine, uint64_t address, unsigned size, uint32_t permission, uint8_t **bytes,
                     struct assay64_exit *exit) {
    for (unsigned index = 0; index < size; ++index) {
        const struct mapping *found = Find(machine, address + index);
        if (!found || !(found->permissions & permission)) {
            exit->kind = permission == ASSAY64_EXECUTE ? ASSAY64_EXIT_INSTRUCTION_ABORT : ASSAY64_EXIT_DATA_ABORT;
            exit->access = permission == ASSAY64_EXECUTE ? ASSAY64_ACCESS_FETCH : permission; /* read 1, write 2 */
            exit->fault = found ? ASSAY64_FAULT_PERMISSION : ASSAY64_FAULT_TRANSLATION;
            exit->address = address + index;
            return 0;
        }
        bytes[index] = found->host + (address + index - found->address);
    }
    return 1;
}

/* Execute one word. 0 when it did not complete: `exit` says why, and the state is as before. */
static int Execute(assay64_machine *machine, uint32_t word, struct assay64_exit *exit) {
    struct assay64_state *state = &machine->state;
    const unsigned d = word & 31, n = word >> 5 & 31;
    const uint64_t imm12 = word >> 10 & 0xFFF, base = n == 31 ? state->sp : state->x[n];
    uint64_t next = state->pc + 4, value = 0;
    uint8_t *bytes[8];
    if ((word & 0xFF800000) == 0x91000000) { /* add x|sp, x|sp, #imm12 {, lsl #12} */
        *(d == 31 ? &state->sp : &state->x[d]) = base + (imm12 << (word >> 22 & 1) * 12);
    } else if ((word & 0xFFC00000) == 0xF9400000 || (word & 0xFFC00000) == 0xF9000000) { /* ldr, str x, [x|sp, #imm] */
        const int load = word >> 22 & 1;
        if (n == 31 && base % 16) return exit->kind = ASSAY64_EXIT_SP_ALIGNMENT, 0;
        if (!Translate(machine, base + imm12 * 8, 8, load ? ASSAY64_READ : ASSAY64_WRITE, bytes, exit)) return 0;
        for (unsigned index = 0; index < 8; ++index) {
            value |= (uint64_t)*bytes[index] << 8 * index;
            if (!load) *bytes[index] = (uint8_t)(d == 31 ? 0 : state->x[d] >> 8 * index);
        }
        if (load && d != 31) state->x[d] = value;
    } else if ((word & 0xFC000000) == 0x14000000) { /* b label */
        next = state->pc + ((uint64_t)(word & 0x03FFFFFF) << 2) - ((uint64_t)(word >> 25 & 1) << 28);
    } else if (word != 0xD503201F) { /* nop */
        return exit->kind = ASSAY64_EXIT_DECLINED, 0;
    }
    state->pc = next;
    return 1;
}

int assay64_run(assay64_machine *machine, uint32_t vcpu, uint64_t budget, uint64_t until, struct assay64_exit *exit) {
    uint8_t *bytes[4];
    *exit = (struct assay64_exit){0};
    if (vcpu) return Fail(machine, ASSAY64_ERROR, "there is one vCPU");
    for (;; ++exit->executed) {
        const uint64_t pc = machine->state.pc;
        if (pc == until) return exit->kind = ASSAY64_EXIT_UNTIL, ASSAY64_OK;
        if (exit->executed == budget) return exit->kind = ASSAY64_EXIT_BUDGET, ASSAY64_OK;
        if (pc % 4) return exit->kind = ASSAY64_EXIT_PC_ALIGNMENT, ASSAY64_OK;
        if (!Translate(machine, pc, 4, ASSAY64_EXECUTE, bytes, exit)) return ASSAY64_OK;
        const uint32_t word = *bytes[0] | *bytes[1] << 8 | *bytes[2] << 16 | (uint32_t)*bytes[3] << 24;
        if (!Execute(machine, word, exit)) return ASSAY64_OK;
    }
}

int assay64_set_state(assay64_machine *machine, uint32_t vcpu, const struct assay64_state *state) {
    return vcpu ? Fail(machine, ASSAY64_ERROR, "there is one vCPU") : (machine->state = *state, ASSAY64_OK);
}

int assay64_get_state(assay64_machine *machine, uint32_t vcpu, struct assay64_state *state) {
    return vcpu ? Fail(machine, ASSAY64_ERROR, "there is one vCPU") : (*state = machine->state, ASSAY64_OK);
}

int assay64_notify_code(assay64_machine *machine, uint64_t address, uint64_t size) { /* the toy keeps no translations */
    (void)machine, (void)address, (void)size;
    return ASSAY64_OK;
}
