/* What a case costs on Unicorn by itself: the smallest loop over its C interface that loads a whole state, runs, and
 * reads the whole state back. No exit is told apart, no instruction counted, no memory compared, and nothing of the
 * CPU's hidden state put back. A hook for invalid accesses is set because it makes Unicorn faster: without one it walks
 * through all of its TLB for every block that it translates. The functions come in as pointers, so that it is the
 * library that the backend uses. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "assay64_backend.h"

struct unicorn_functions {
    int (*open)(int, int, void**);
    int (*close)(void*);
    int (*ctl)(void*, uint32_t, ...);
    int (*mem_map_ptr)(void*, uint64_t, uint64_t, uint32_t, void*);
    int (*hook_add)(void*, void*, int, void*, void*, uint64_t, uint64_t, ...);
    int (*emu_start)(void*, uint64_t, uint64_t, uint64_t, size_t);
    int (*reg_write_batch)(void*, const int*, void* const*, int);
    int (*reg_read_batch)(void*, const int*, void**, int);
};

enum { ARM64 = 2, CORTEX_A57 = 0, WRITE_ONE = 1 << 30 | 1 << 26, WRITE_TWO = 1 << 30 | 2 << 26 };
enum { SET_CPU_MODEL = 7 | WRITE_ONE, REMOVE_CACHE = 9 | WRITE_TWO, SET_TLB_TYPE = 12 | WRITE_ONE };
enum { SET_BUFFER_SIZE = 13 | WRITE_ONE, HOOK_MEMORY_INVALID = 0x3F0, COUNT = 31 + 32 + 6 };

#define CODE 0x0FFF0000u
#define CODE_SIZE 0x20000u
#define DATA 0x20000000u
#define DATA_SIZE 0x10000u

static int places(int* numbers, void** values, struct assay64_state* state) {
    int count = 0;
    for (int index = 0; index < 31; ++index) {
        numbers[count] = index < 29 ? 199 + index : index - 28;
        values[count++] = &state->x[index];
    }
    for (int index = 0; index < 32; ++index) {
        numbers[count] = 104 + index;
        values[count++] = &state->v[index];
    }
    numbers[count] = 4, values[count++] = &state->sp;
    numbers[count] = 265, values[count++] = &state->pstate;
    numbers[count] = 291, values[count++] = &state->fpcr;
    numbers[count] = 292, values[count++] = &state->fpsr;
    numbers[count] = 262, values[count++] = &state->tpidr_el0;
    numbers[count] = 263, values[count++] = &state->tpidrro_el0;
    return count;
}

static int on_invalid_access(void* engine, int kind, uint64_t address, int size, int64_t value, void* data) {
    (void)engine, (void)kind, (void)address, (void)size, (void)value, (void)data;
    return 0;
}

struct bare {
    struct unicorn_functions uc;
    void* engine;
    size_t hook;
    uint8_t* memory;
};

ASSAY64_API void bare_close(struct bare* self) {
    if (self->engine) self->uc.close(self->engine);
    free(self->memory);
    free(self);
}

ASSAY64_API struct bare* bare_open(const struct unicorn_functions* uc) {
    struct bare* const self = calloc(1, sizeof *self);
    if (!self) return NULL;
    self->uc = *uc;
    void* memory = NULL;
    int error = posix_memalign(&memory, 0x10000, CODE_SIZE + DATA_SIZE);
    if (!error) memset(self->memory = memory, 0, CODE_SIZE + DATA_SIZE);
    if (!error) error = uc->open(ARM64, 0, &self->engine);
    if (!error) error = uc->ctl(self->engine, SET_CPU_MODEL, CORTEX_A57);
    if (!error) error = uc->ctl(self->engine, SET_BUFFER_SIZE, (uint32_t)32 << 20);
    if (!error) error = uc->ctl(self->engine, SET_TLB_TYPE, 1);
    if (!error) error = uc->mem_map_ptr(self->engine, CODE, CODE_SIZE, 5, self->memory);
    if (!error) error = uc->mem_map_ptr(self->engine, DATA, DATA_SIZE, 3, self->memory + CODE_SIZE);
    if (!error)
        error = uc->hook_add(self->engine, &self->hook, HOOK_MEMORY_INVALID, (void*)on_invalid_access, NULL, 1, 0);
    if (!error) return self;
    bare_close(self);
    return NULL;
}

ASSAY64_API int bare_run(struct bare* self, uint64_t cases, uint64_t width, const uint32_t* code,
                         const uint32_t* code_words, uint64_t code_address, const struct assay64_state* initial,
                         struct assay64_state* final_state) {
    const struct unicorn_functions* const uc = &self->uc;
    uint32_t* const place = (uint32_t*)(self->memory + (code_address - CODE));
    int numbers[COUNT], error = 0;
    void* values[COUNT];
    struct assay64_state state;
    const int count = places(numbers, values, &state);
    uint32_t words = 0;
    for (uint64_t index = 0; index < cases && !error; ++index) {
        const uint32_t* const row = code + index * width;
        if (code_words[index] != words || memcmp(place, row, 4 * words) != 0) {
            const uint32_t most = code_words[index] > words ? code_words[index] : words;
            words = code_words[index];
            memcpy(place, row, 4 * words);
            uc->ctl(self->engine, REMOVE_CACHE, code_address, code_address + 4 * most + 4);
        }
        const uint64_t until = code_address + 4 * words;
        state = initial[index];
        state.pstate = (initial[index].pstate & 0xF0000000u) | 5; /* EL1h: no hook is there to come back from EL0 */
        uc->reg_write_batch(self->engine, numbers, values, count);
        error = uc->emu_start(self->engine, initial[index].pc, until, 0, 0);
        uc->reg_read_batch(self->engine, numbers, values, count);
        state.pc = until;
        final_state[index] = state;
    }
    return error;
}
