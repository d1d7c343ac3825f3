/*
 * assay64_backend.h: the C ABI by which assay64 drives an ARM64 execution backend, version 1 (C99, no dependencies).
 *
 * Build a shared library that exports these functions, then judge it:
 *
 *     cc -shared -fPIC -o libmine.so mine.c
 *     assay64 check-backend ./libmine.so
 *     assay64 run --backend ./libmine.so
 *
 * `assay64 backends --example library` copies this header and a backend of 150 lines with its Makefile to start from. A
 * program that cannot be a library speaks the same structures over a pipe: docs/pipe-protocol.md.
 *
 * Required: assay64_info, assay64_describe, assay64_create, assay64_destroy, assay64_last_error, assay64_map,
 * assay64_set_state, assay64_get_state, assay64_run, assay64_notify_code. The others may be absent, or return
 * ASSAY64_UNSUPPORTED; declare in assay64_describe what you have.
 *
 * What a backend can do, and how assay64 asks for it:
 *
 *     be configured           lines "key = value" of assay64_create; unknown keys are ignored
 *     say what it can do      assay64_describe; check-backend holds it against what it does, FEAT_* by FEAT_*
 *     memory                  assay64_map, assay64_protect, assay64_unmap; the bytes are the caller's
 *     run with a budget       assay64_run; one instruction by its own single step: assay64_step
 *     run thousands of cases  assay64_run_batch
 *     debug                   assay64_set_breakpoint, assay64_set_watchpoint, and their clear_
 *     changed code            assay64_notify_code
 *     be stopped              assay64_request_stop, from another thread
 *     several vCPUs           the key `vcpus`: they share the machine's memory, breakpoints and exclusive monitors and
 *                             have their own registers; `vcpu` counts from 0. A number that you do not have is
 *                             ASSAY64_UNSUPPORTED from assay64_create, an index that is not there ASSAY64_ERROR
 *
 * The library needs no global state: everything hangs on the machine that assay64_create makes. A machine is called
 * from one thread at a time, with two exceptions: assay64_request_stop comes from any thread, and a backend that
 * declares the action "free_run" is called with assay64_run for different vCPUs from several threads at once. assay64
 * loads the library in a worker process; if it crashes or hangs, that costs the case, not the run.
 *
 * Addresses, sizes and offsets are bytes. All structures have the same layout on every 64-bit little-endian host.
 * Unused and reserved fields are zero.
 */
#ifndef ASSAY64_BACKEND_H
#define ASSAY64_BACKEND_H

#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#if defined(__GNUC__)
#define ASSAY64_API __attribute__((visibility("default")))
#else
#define ASSAY64_API
#endif

#define ASSAY64_VERSION 1u

/* ---- results ---- */

enum assay64_status {
    ASSAY64_OK = 0,
    ASSAY64_UNSUPPORTED = 1, /* the backend lacks this; a verdict of its own, never a failure and never a pass */
    ASSAY64_ERROR = 2        /* the call was wrong or the backend broke; assay64_last_error says how */
};

/*
 * Why a run or a step returned, and where the PC then is. It is always Arm's preferred return address: for an exception
 * that an instruction causes, the address of that instruction; for SVC and HVC, and after BUDGET, STEP and WAIT, the
 * next one to execute.
 */
enum assay64_exit_kind {
    ASSAY64_EXIT_NONE = 0,
    ASSAY64_EXIT_BUDGET = 1,             /* `budget` instructions were executed */
    ASSAY64_EXIT_UNTIL = 2,              /* the PC is `until` */
    ASSAY64_EXIT_SVC = 3,                /* immediate */
    ASSAY64_EXIT_HVC = 4,                /* immediate */
    ASSAY64_EXIT_SMC = 5,                /* immediate; the PC is the SMC itself when it was trapped */
    ASSAY64_EXIT_BRK = 6,                /* immediate */
    ASSAY64_EXIT_UNDEFINED = 7,          /* the encoding is UNDEFINED, or undefined at this exception level */
    ASSAY64_EXIT_UNPREDICTABLE = 8,      /* the backend recognised CONSTRAINED UNPREDICTABLE and stopped */
    ASSAY64_EXIT_DECLINED = 9,           /* the backend does not implement it, or cannot tell that from UNDEFINED */
    ASSAY64_EXIT_DATA_ABORT = 10,        /* access, fault, address */
    ASSAY64_EXIT_INSTRUCTION_ABORT = 11, /* access = FETCH, fault, address = PC */
    ASSAY64_EXIT_PC_ALIGNMENT = 12,      /* the PC is the unaligned address itself */
    ASSAY64_EXIT_SP_ALIGNMENT = 13,
    ASSAY64_EXIT_BREAKPOINT = 14, /* nothing of the instruction was executed */
    ASSAY64_EXIT_WATCHPOINT = 15, /* access, address; nothing of the instruction was executed */
    ASSAY64_EXIT_STEP = 16,       /* assay64_step executed its instruction */
    ASSAY64_EXIT_STOPPED = 17,    /* assay64_request_stop */
    ASSAY64_EXIT_WAIT = 18,       /* WFI, or WFE with a clear event register */
    ASSAY64_EXIT_TRAP = 19,       /* a system register or instruction trapped to a higher exception level */
    ASSAY64_EXIT_ILLEGAL_STATE = 20,
    ASSAY64_EXIT_BRANCH_TARGET = 21,
    ASSAY64_EXIT_POINTER_AUTHENTICATION = 22,
    ASSAY64_EXIT_FLOATING_POINT = 23,
    ASSAY64_EXIT_HLT = 24 /* immediate */
};

/* The access that an abort or a watchpoint reports. */
enum assay64_access {
    ASSAY64_ACCESS_NONE = 0,
    ASSAY64_ACCESS_READ = 1,
    ASSAY64_ACCESS_WRITE = 2,
    ASSAY64_ACCESS_FETCH = 3
};

/* The kind of an abort, as ESR_EL1's fault status code gives it without the level. */
enum assay64_fault {
    ASSAY64_FAULT_UNKNOWN = 0, /* the backend does not tell; declare reports_fault_kind false */
    ASSAY64_FAULT_TRANSLATION = 1,
    ASSAY64_FAULT_PERMISSION = 2,
    ASSAY64_FAULT_ALIGNMENT = 3,
    ASSAY64_FAULT_ACCESS_FLAG = 4,
    ASSAY64_FAULT_ADDRESS_SIZE = 5,
    ASSAY64_FAULT_EXTERNAL = 6,
    ASSAY64_FAULT_TAG_CHECK = 7
};

/* ---- structures ---- */

/* What the library was compiled against: ASSAY64_INFO fills it. assay64 refuses a library whose numbers differ. */
struct assay64_info {
    uint32_t size;
    uint32_t version;
    uint32_t state_size;
    uint32_t exit_size;
    uint32_t change_size;
    uint32_t batch_size;
};

#define ASSAY64_INFO                                                                                        \
    {                                                                                                       \
        (uint32_t)sizeof(struct assay64_info), ASSAY64_VERSION, (uint32_t)sizeof(struct assay64_state),     \
            (uint32_t)sizeof(struct assay64_exit), (uint32_t)sizeof(struct assay64_change),                 \
            (uint32_t)sizeof(struct assay64_batch)                                                          \
    }

/*
 * One vCPU's registers. The caller fills `size` and `version` before both set_state and get_state.
 * A backend ignores what it does not have (a PAC key, say) and writes zero there.
 */
struct assay64_state {
    uint32_t size;    /* sizeof(struct assay64_state) */
    uint32_t version; /* ASSAY64_VERSION */
    uint64_t x[31];
    uint64_t sp;
    uint64_t pc;
    uint64_t pstate;   /* as SPSR_EL1 lays it out: NZCV in 31:28, TCO 25, DIT 24, SS 21, IL 20, SSBS 12, BTYPE 11:10,
                          DAIF 9:6, M[4:0] (0 is EL0, 4 EL1t, 5 EL1h) */
    uint64_t v[32][2]; /* low half first */
    uint64_t fpcr;
    uint64_t fpsr;
    uint64_t tpidr_el0;
    uint64_t tpidrro_el0;
    uint64_t keys[5][2]; /* PAC keys, low half first: APIA, APIB, APDA, APDB, APGA */
    uint64_t event_register;
    uint64_t reserved[4];
};

#define ASSAY64_EXECUTED_UNKNOWN UINT64_MAX

struct assay64_exit {
    uint32_t kind;      /* enum assay64_exit_kind */
    uint32_t access;    /* enum assay64_access */
    uint32_t fault;     /* enum assay64_fault */
    uint32_t flags;     /* zero */
    uint64_t immediate; /* of SVC, HVC, SMC, BRK, HLT */
    uint64_t address;   /* of aborts: the lowest byte accessed that faults, so the start of the second page for an
                           access that crosses into a bad page; of watchpoints: the lowest watched byte accessed */
    uint64_t executed;  /* instructions that completed; one that took an exception is not counted.
                           ASSAY64_EXECUTED_UNKNOWN where you do not know */
};

/* Eight bytes of the data region, at a multiple of 8, that a case left different from the pristine image. */
struct assay64_change {
    uint32_t case_index; /* index of the case in the batch */
    uint32_t reserved;
    uint64_t address; /* guest address */
    uint64_t value;   /* the eight bytes, little endian */
};

/*
 * Many cases of one run each, in one call. For case number i, from `done` on:
 *
 *   1. put code[i * words_per_row .. + code_words[i]] at code_address (host: code_memory), zero what an earlier case
 *      left behind it, and forget translations of what changed;
 *   2. load initial[i]; the exclusive monitor becomes open;
 *   3. run as assay64_run(vcpu 0, budget, until = code_address + 4 * code_words[i]);
 *   4. store final_state[i] and exits[i]; append to `changes`, in ascending order of address, every aligned eight
 *      bytes in which data_memory differs from data_pristine;
 *   5. restore data_memory from data_pristine;
 *   6. done = i + 1, and *progress = done.
 *
 * If you declare "in_place", final_state may be the same array as initial: read all of a state before you write it.
 * That halves what goes from processor to processor. Otherwise the two do not overlap.
 *
 * When the changes of a case do not fit any more, undo what it changed, leave `done` at that case and return
 * ASSAY64_OK: the caller drains `changes`, sets n_changes to 0 and calls again. changes_capacity is at least data_size
 * / 8, so one case always fits. When the call returns, code_memory is all zero again and data_memory equals
 * data_pristine.
 *
 * The caller has mapped code_memory (read, execute) and data_memory (read, write) with assay64_map. `progress` lies in
 * memory that another process watches; write it after every case, so that a crash or a hang is blamed on the right one.
 */
struct assay64_batch {
    uint32_t size;    /* sizeof(struct assay64_batch) */
    uint32_t version; /* ASSAY64_VERSION */
    uint64_t n_cases;
    const uint32_t *code;       /* n_cases rows of words_per_row A64 words */
    const uint32_t *code_words; /* [n_cases]: how many words of its row a case has */
    uint64_t words_per_row;
    uint64_t code_address;
    uint8_t *code_memory;      /* host address of code_address */
    uint64_t code_memory_size; /* bytes from there */
    const struct assay64_state *initial;
    struct assay64_state *final_state;
    struct assay64_exit *exits;
    struct assay64_change *changes;
    uint64_t changes_capacity; /* rows */
    uint64_t n_changes;        /* rows filled; in and out */
    uint64_t budget;
    uint64_t data_address;
    uint8_t *data_memory;
    const uint8_t *data_pristine;
    uint64_t data_size; /* a multiple of 8 */
    uint64_t done;      /* cases finished; in and out */
    volatile uint64_t *progress;
    uint64_t reserved[4];
};

typedef struct assay64_machine assay64_machine; /* yours */

/* ---- the library ---- */

ASSAY64_API const struct assay64_info *assay64_info(void);

/*
 * Capabilities as a JSON object, static for the life of the process (a backend that depends on the host may build it
 * once):
 *
 *   {"name": "mine", "version": "1.0", "features": ["FEAT_CRC32"], "exception_levels": [0], "vcpus": 1, "page_size":
 *   4096,
 *    "actions": ["run", "step", "notify_code"], "exact_budget": true, "exclusive_monitor": "value",
 *    "distinguishes_undefined": true, "reports_fault_kind": true, "code_cache_size": 0, "batch": true,
 *    "in_place": false, "deterministic": true, "fixed": {"top_byte_ignore": false}}
 *
 * name and version are required. `features` are those beyond Armv8.0 with FP and AdvSIMD. `actions` are the names of
 * case actions; `fixed` holds the settings of the environment (see assay64_create) of which you have one value only.
 */
ASSAY64_API const char *assay64_describe(void);

/* ---- machines ---- */

/*
 * Make a machine with no memory, and its vCPUs zeroed. `config` has lines "key = value"; numbers are decimal, truth
 * values are 0 and 1. Keys: vcpus, and the environment: exception_level, sctlr_el1, cpacr_el1, tcr_el1, cntkctl_el1,
 * address_bits, top_byte_ignore, page_size, dc_zva_size, cache_line_size, exclusives_granule (sizes in bytes), model (a
 * CPU's name). Ignore keys that you do not know. On failure write one line to `error` (at most error_size bytes with
 * the final zero).
 */
ASSAY64_API int assay64_create(const char *config, assay64_machine **machine, char *error, size_t error_size);

ASSAY64_API void assay64_destroy(assay64_machine *machine);

/* One line about the last call that did not return ASSAY64_OK. Valid until the next call. Never NULL. */
ASSAY64_API const char *assay64_last_error(assay64_machine *machine);

/* ---- memory ---- */

enum assay64_permissions { ASSAY64_READ = 1, ASSAY64_WRITE = 2, ASSAY64_EXECUTE = 4 };

enum assay64_map_flags {
    ASSAY64_MAP_DEVICE = 1, /* Device-nGnRnE: unaligned accesses fault */
    ASSAY64_MAP_GUARDED = 2 /* a guarded page (FEAT_BTI) */
};

/*
 * Show `size` bytes at `host` at guest `address`; whole pages of 4 KiB or of the page_size that you declare. The memory
 * belongs to the caller, lives until it is unmapped or the machine is destroyed, and may be mapped at several
 * addresses. The caller reads and writes it directly, while nothing runs, and calls assay64_notify_code when it wrote
 * code. A page that is already mapped is replaced.
 */
ASSAY64_API int assay64_map(assay64_machine *machine, uint64_t address, void *host, uint64_t size, uint32_t permissions,
                            uint32_t flags);

/* Change permissions (action "protect"); ASSAY64_ERROR when a page of the range is not mapped. */
ASSAY64_API int assay64_protect(assay64_machine *machine, uint64_t address, uint64_t size, uint32_t permissions);

/* Action "unmap". Unmapping what is not mapped is no error. */
ASSAY64_API int assay64_unmap(assay64_machine *machine, uint64_t address, uint64_t size);

/* ---- running ---- */

/* Load every register. The exclusive monitor becomes open; a stop request that is still pending is forgotten. */
ASSAY64_API int assay64_set_state(assay64_machine *machine, uint32_t vcpu, const struct assay64_state *state);

ASSAY64_API int assay64_get_state(assay64_machine *machine, uint32_t vcpu, struct assay64_state *state);

#define ASSAY64_NEVER UINT64_MAX

/*
 * Execute until something in enum assay64_exit_kind happens. Before each instruction, in this order: is the PC `until`
 * (ASSAY64_NEVER: no such address)? have `budget` instructions completed? is the PC aligned? So with PC = until nothing
 * is executed, and the memory there is not touched. A run continues where the last one ended unless set_state came
 * between.
 */
ASSAY64_API int assay64_run(assay64_machine *machine, uint32_t vcpu, uint64_t budget, uint64_t until,
                            struct assay64_exit *exit);

/* Execute one instruction by the backend's own single step: exit STEP, or the exception that the instruction took. */
ASSAY64_API int assay64_step(assay64_machine *machine, uint32_t vcpu, struct assay64_exit *exit);

/* These bytes may have changed: forget translations of them, on every vCPU. */
ASSAY64_API int assay64_notify_code(assay64_machine *machine, uint64_t address, uint64_t size);

/* Breakpoints and watchpoints hold for every vCPU. One at the PC is reported again until it is cleared. */
ASSAY64_API int assay64_set_breakpoint(assay64_machine *machine, uint64_t address);
ASSAY64_API int assay64_clear_breakpoint(assay64_machine *machine, uint64_t address);

/* `access`: ASSAY64_READ, ASSAY64_WRITE or both. Clearing goes by the address and removes every watchpoint there. */
ASSAY64_API int assay64_set_watchpoint(assay64_machine *machine, uint64_t address, uint64_t size, uint32_t access);
ASSAY64_API int assay64_clear_watchpoint(assay64_machine *machine, uint64_t address);

/*
 * From any thread: make the run in progress return with ASSAY64_EXIT_STOPPED within milliseconds. When none is in
 * progress, the vCPU's next run returns at once.
 */
ASSAY64_API int assay64_request_stop(assay64_machine *machine, uint32_t vcpu);

/* See struct assay64_batch. Declare "batch": true. Without it assay64 runs the cases one by one. */
ASSAY64_API int assay64_run_batch(assay64_machine *machine, struct assay64_batch *batch);

#ifdef __cplusplus
}
#endif

#endif
