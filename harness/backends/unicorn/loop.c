/* The batch's loop for what most cases are: they run to the end of their code and nothing happens on the way. Where
 * something does (an exception, a fault, WFI, a budget spent) it returns, and batch.py goes on with that case.
 *
 * Unicorn's functions come in as pointers, so that nothing has to be linked. The same file has the hook that sees new
 * blocks: called for each of them, it has to be native. */
#include <stdint.h>
#include <string.h>

#include "assay64_backend.h"

enum { FINISHED = 0, CHANGES_FULL = 1, STARTED = 2, NOT_STARTED = 3, UNDONE = 4 };
enum { UNALIGNED = 2, REGISTER_PC = 260, REMOVE_CACHE = 9 | 2 << 26 | 1 << 30 };
#define WFI 0xD503207Fu

struct functions {
    int (*ctl)(void*, uint32_t, ...);
    int (*emu_start)(void*, uint64_t, uint64_t, uint64_t, size_t);
    int (*emu_stop)(void*);
    int (*reg_read)(void*, int, void*);
    int (*reg_write_batch)(void*, const int*, void* const*, int);
    int (*reg_read_batch)(void*, const int*, void**, int);
    int (*context_restore)(void*, void*);
};

struct loop {
    struct functions uc;
    void* engine;
    void* pristine; /* context */
    const int* numbers;
    void* const* given_places;
    void** found_places;
    uint64_t register_count;
    struct assay64_state* given;
    struct assay64_state* found;
    const volatile uint64_t* executed;
    volatile uint64_t* events; /* not 0: a hook has something to tell */
    uint64_t pstate_mask;
    /* The batch, as in struct assay64_batch. */
    const uint32_t* code;
    const uint32_t* code_words;
    uint64_t words_per_row;
    uint64_t cases;
    uint64_t budget;
    uint64_t code_address;
    uint32_t* code_memory;
    const struct assay64_state* initial;
    struct assay64_state* final_state;
    struct assay64_exit* exits;
    struct assay64_change* changes;
    uint64_t changes_capacity;
    uint64_t n_changes;
    uint64_t data_address;
    uint64_t* data_memory;
    const uint64_t* data_pristine;
    uint64_t data_words;
    uint64_t* progress;
    /* Between calls: the words in code_memory, whether they can write memory, whether all are plain, whether the CPU's
     * hidden state is pristine; Unicorn's last error. */
    uint64_t words;
    uint64_t writes;
    uint64_t plain;
    uint64_t clean;
    int64_t error;
};

ASSAY64_API void loop_on_new_block(void* engine, const uint64_t* block, const void* previous, struct loop* self) {
    (void)previous;
    /* QEMU 5 would run code at an unaligned PC. A struct uc_tb begins with its PC. */
    if (*block & 3) {
        *self->events |= UNALIGNED;
        self->uc.emu_stop(engine);
    }
}

/* Loads, stores, system instructions (DC ZVA), and what later extensions put elsewhere. */
static int may_write(uint32_t word) {
    const uint32_t group = word >> 25 & 15;
    return (group & 5) == 4 || group == 0 || group == 2 || word >> 22 == 0xD5000000u >> 22;
}

/* Data processing, which goes on to the next word and changes nothing but X, SP, V, the flags and FPSR: then nothing has
 * to be counted, and nothing hidden put back. What is undefined among it raises an event, and the case is undone. */
static int is_plain(uint32_t word) {
    const uint32_t group = word >> 25 & 15;
    return (group & 14) == 8 || (group & 7) == 5 || (group & 7) == 7;
}

static void put_code(struct loop* self, uint64_t index) {
    const uint32_t* const row = self->code + index * self->words_per_row;
    const uint64_t count = self->code_words[index];
    if (count == self->words && memcmp(self->code_memory, row, 4 * count) == 0) return;
    const uint64_t touched = count > self->words ? count : self->words;
    memcpy(self->code_memory, row, 4 * count);
    memset(self->code_memory + count, 0, 4 * (touched - count));
    self->uc.ctl(self->engine, REMOVE_CACHE, self->code_address, self->code_address + 4 * touched + 4);
    self->words = count;
    self->writes = 0, self->plain = 1;
    for (uint64_t word = 0; word < count; ++word) {
        self->writes |= (uint64_t)may_write(row[word]);
        self->plain &= (uint64_t)is_plain(row[word]);
    }
}

/* Append the changed words and put them back; 0 when they do not fit, and then nothing is done. */
static int collect(struct loop* self, uint64_t index) {
    uint64_t row = self->n_changes, word;
    for (word = 0; word < self->data_words; ++word) {
        if (self->data_memory[word] == self->data_pristine[word]) continue;
        if (row == self->changes_capacity) return 0;
        self->changes[row++] = (struct assay64_change){
            .case_index = (uint32_t)index, .address = self->data_address + 8 * word, .value = self->data_memory[word]};
    }
    for (; self->n_changes < row; ++self->n_changes) {
        word = (self->changes[self->n_changes].address - self->data_address) / 8;
        self->data_memory[word] = self->data_pristine[word];
    }
    return 1;
}

/* Run cases from `index`; the index of the first that is not finished. `status` says how far that one is. */
ASSAY64_API uint64_t loop_run(struct loop* self, uint64_t index, uint64_t* status) {
    *status = FINISHED;
    for (; index < self->cases; ++index) {
        put_code(self, index);
        const uint64_t count = self->words, until = self->code_address + 4 * count;
        const struct assay64_state* const initial = &self->initial[index];
        *status = NOT_STARTED;
        if (initial->pc != self->code_address || count == 0 || self->budget == 0) return index;
        *self->given = *initial;
        self->given->pstate &= self->pstate_mask;
        const int plain = self->plain && count <= self->budget;
        if (!plain || !self->clean) self->uc.context_restore(self->engine, self->pristine);
        self->clean = 0;
        self->uc.reg_write_batch(self->engine, self->numbers, self->given_places, (int)self->register_count);
        *self->events = 0;
        self->error = self->uc.emu_start(self->engine, initial->pc, until, 0, plain ? 0 : self->budget);
        *status = STARTED;
        uint64_t pc = 0;
        self->uc.reg_read(self->engine, REGISTER_PC, &pc);
        if (self->error || *self->events || pc != until || self->code_memory[count - 1] == WFI) {
            if (!plain) return index;
            /* Its translation counts nothing. */
            self->uc.ctl(self->engine, REMOVE_CACHE, self->code_address, until + 4);
            *status = UNDONE;
            return index;
        }
        self->clean = (uint64_t)plain;
        self->uc.reg_read_batch(self->engine, self->numbers, self->found_places, (int)self->register_count);
        self->found->pc = pc;
        self->found->pstate &= self->pstate_mask;
        self->final_state[index] = *self->found;
        const uint64_t begun = plain ? count : *self->executed;
        self->exits[index] = (struct assay64_exit){
            .kind = ASSAY64_EXIT_UNTIL, .executed = begun < self->budget ? begun : self->budget};
        *status = CHANGES_FULL;
        if (self->writes && memcmp(self->data_memory, self->data_pristine, 8 * self->data_words) != 0 &&
            !collect(self, index))
            return index;
        *self->progress = index + 1;
    }
    *status = FINISHED;
    return index;
}
