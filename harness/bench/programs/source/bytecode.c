/* An interpreter of a stack machine's bytecode, as emulators and scripting languages have one: a dispatching branch for
   every operation. Its program adds up the lengths of the Collatz sequences that begin at 1 to `size`. */
#include "program.h"

enum { PUSH, LOAD, STORE, ADD, SUBTRACT, MULTIPLY, AND, SHIFT_RIGHT, JUMP, JUMP_IF_ZERO, JUMP_IF_NOT, RETURN };
enum { START, VALUE, TOTAL }; /* the variables */

static const int16_t program[] = {
    /*  0 */ LOAD, START, STORE, VALUE,
    /*  4 */ LOAD, VALUE, PUSH, 1, SUBTRACT, JUMP_IF_ZERO, 38,
    /* 11 */ LOAD, TOTAL, PUSH, 1, ADD, STORE, TOTAL,
    /* 18 */ LOAD, VALUE, PUSH, 1, AND, JUMP_IF_NOT, 32,
    /* 25 */ LOAD, VALUE, SHIFT_RIGHT, STORE, VALUE, JUMP, 4,
    /* 32 */ LOAD, VALUE, PUSH, 3, JUMP, 52,
    /* 38 */ LOAD, START, PUSH, 1, SUBTRACT, STORE, START,
    /* 45 */ LOAD, START, JUMP_IF_NOT, 0, LOAD, TOTAL, RETURN,
    /* 52 */ MULTIPLY, PUSH, 1, ADD, STORE, VALUE, JUMP, 4,
};

static int64_t interpret(const int16_t *code, int64_t start) {
    int64_t variables[3] = {start, 0, 0}, stack[16], *top = stack;
    for (const int16_t *pc = code;;)
        switch (*pc++) {
        case PUSH: *top++ = *pc++; break;
        case LOAD: *top++ = variables[*pc++]; break;
        case STORE: variables[*pc++] = *--top; break;
        case ADD: top--, top[-1] += *top; break;
        case SUBTRACT: top--, top[-1] -= *top; break;
        case MULTIPLY: top--, top[-1] *= *top; break;
        case AND: top--, top[-1] &= *top; break;
        case SHIFT_RIGHT: top[-1] >>= 1; break;
        case JUMP: pc = code + *pc; break;
        case JUMP_IF_ZERO: pc = *--top ? pc + 1 : code + *pc; break;
        case JUMP_IF_NOT: pc = *--top ? code + *pc : pc + 1; break;
        case RETURN: return *--top;
        default: return -1;
        }
}

uint64_t run(uint64_t repeats, uint64_t size) {
    uint64_t checksum = 0;
    for (; repeats; repeats--) {
        checksum = combine(checksum, (uint64_t)interpret(program, (int64_t)size));
        REPETITION();
    }
    return checksum;
}
