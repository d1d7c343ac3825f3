"""A C program with the code in assembly, for arm64 Linux: hardware, or qemu-aarch64.

It enters the code by rewriting the frame of a signal, which loads every register at once, and leaves it by a BRK behind
the code or by the signal that the code causes, whose frame holds every register.
"""

from __future__ import annotations

from assay64.harness.cases.emitting.c_language import COMPARISON, STRUCTURES, comment, regions, tables
from assay64.harness.cases.emitting.scenario import Ending, Scenario, Unfit
from assay64.harness.cases.outcome import ExitKind, Fault
from assay64.harness.cases.state import PAC_KEYS

# What Linux makes of an exception of EL0: the signal's number (arch/arm64/kernel/traps.c, mm/fault.c). 0: the end.
SIGILL, SIGTRAP, SIGBUS, SIGSEGV = 4, 5, 7, 11
_SIGNALS = {
    ExitKind.UNTIL: 0,
    ExitKind.BRK: SIGTRAP,
    ExitKind.UNDEFINED: SIGILL,
    ExitKind.DATA_ABORT: SIGSEGV,
    ExitKind.INSTRUCTION_ABORT: SIGSEGV,
    ExitKind.PC_ALIGNMENT: SIGBUS,
    ExitKind.SP_ALIGNMENT: SIGBUS,
}
AT_END = 0xD420_0000
_CODES = {Fault.TRANSLATION: "SEGV_MAPERR", Fault.PERMISSION: "SEGV_ACCERR"}
# It does not tell the top byte of a fault's address.
MASK56 = (1 << 56) - 1

_HEAD = """\
#define _GNU_SOURCE
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

"""

_BODY = """\
static void read_memory(uint64_t address, void *data, size_t size) { memcpy(data, (const void *)address, size); }

"""

_TAIL = """\
/* The record of the vector registers in a signal frame. */
struct vectors {
    uint32_t magic, size, fpsr, fpcr;
    uint64_t v[32][2];
};

static uint32_t *find_record(ucontext_t *context, uint32_t magic) {
    uint32_t *record = (uint32_t *)context->uc_mcontext.__reserved;
    while (record[0] && record[0] != magic) record += record[1] / 4;
    return record;
}

static struct vectors *find_vectors(ucontext_t *context) {
    return (struct vectors *)find_record(context, 0x46508001);
}

/* Where there is SVE, its record may be what counts: behind the header the length of a register, then the registers. */
static void fill_sve(ucontext_t *context) {
    uint32_t *record = find_record(context, 0x53564501);
    const unsigned size = record[0] ? *(uint16_t *)(record + 2) : 0;
    if (!size || record[1] < 16 + 32 * size) return;
    memset(record + 4, 0, 32 * size);
    for (unsigned i = 0; i < 32; ++i) memcpy((char *)(record + 4) + i * size, given.v[i], 16);
}

static mcontext_t host;
static volatile sig_atomic_t running;
static struct registers got;
static struct ending ending = {-1, 0, 0, 0};

static void enter(ucontext_t *context) {
    mcontext_t *frame = &context->uc_mcontext;
    struct vectors *vectors = find_vectors(context);
    host = *frame;
    memcpy(frame->regs, given.x, sizeof given.x);
    frame->sp = given.sp;
    frame->pc = CODE_ADDRESS;
    frame->pstate = (frame->pstate & ~0xf0000000ull) | given.nzcv << 28;
    memcpy(vectors->v, given.v, sizeof given.v);
    vectors->fpcr = (uint32_t)given.fpcr;
    vectors->fpsr = (uint32_t)given.fpsr;
    fill_sve(context);
    running = 1;
}

static void leave(int number, const siginfo_t *info, ucontext_t *context) {
    mcontext_t *frame = &context->uc_mcontext;
    struct vectors *vectors = find_vectors(context);
    memcpy(got.x, frame->regs, sizeof got.x);
    got.sp = frame->sp;
    got.pc = frame->pc;
    got.nzcv = frame->pstate >> 28 & 15;
    memcpy(got.v, vectors->v, sizeof got.v);
    got.fpcr = vectors->fpcr;
    got.fpsr = vectors->fpsr;
    ending.stop = number == SIGTRAP && frame->pc == UNTIL ? 0 : number;
    ending.kind = info->si_code;
    ending.address = (uint64_t)info->si_addr;
    running = 0;
    *frame = host;
}

static void on_signal(int number, siginfo_t *info, void *context) {
    if (number == SIGUSR1 && !running)
        enter(context);
    else if (running)
        leave(number, info, context);
    else
        abort();
}

static void map(uint64_t address, uint64_t size) {
    const int flags = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE;
    void *found = mmap((void *)address, size, PROT_READ | PROT_WRITE, flags, -1, 0);
    if (found != (void *)address) {
        perror("mmap");
        exit(2);
    }
}

"""

_MAIN = """\
int main(void) {
    static char alternate[1 << 16];
    stack_t stack = {.ss_sp = alternate, .ss_size = sizeof alternate};
    struct sigaction action = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_ONSTACK | SA_NODEFER};
    const int signals[] = {SIGUSR1, SIGILL, SIGTRAP, SIGBUS, SIGSEGV, SIGFPE, SIGALRM};
    map_regions();
    for (unsigned i = 0; i < sizeof contents / sizeof *contents; ++i)
        memcpy((void *)contents[i].address, contents[i].data, contents[i].size);
    memcpy((void *)CODE_ADDRESS, first_word, (size_t)(end_of_code - first_word));
    *(uint32_t *)UNTIL = AT_END;
    __builtin___clear_cache((char *)CODE_ADDRESS, (char *)UNTIL + 4);
    remember_memory();
    protect_regions();
    sigaltstack(&stack, NULL);
    for (unsigned i = 0; i < sizeof signals / sizeof *signals; ++i) sigaction(signals[i], &action, NULL);
    alarm(5);
    raise(SIGUSR1);
    alarm(0);
    for (struct region *one = regions; one < regions + N_REGIONS; ++one)
        mprotect((void *)one->address, one->size, PROT_READ);
    look_at_memory();
    return judge(&got, ending);
}
"""


def write(scenario: Scenario) -> str:
    for ending in scenario.endings:
        if ending.exit.kind is ExitKind.SVC:
            raise Unfit("it ends with SVC, which is a system call on Linux")
    scenario.only(*_SIGNALS)
    if any(word & 0xFFFF_F000 == 0xD538_0000 for word in scenario.code):
        raise Unfit("Linux answers reads of ID registers itself")
    scenario.without("tpidr_el0", "tpidrro_el0", "btype", "ssbs", "dit", "tco", "ss", "il", "daif", *PAC_KEYS)
    size = 4 * len(scenario.code)
    if not any(
        region.address <= scenario.until and scenario.until + 4 <= region.address + region.size
        for region in scenario.regions
    ):
        raise Unfit("it ends where no memory is, so that no BRK can stand there")
    if scenario.code_address <= scenario.until < scenario.code_address + size:
        raise Unfit("it ends inside its code, where a BRK would change it")
    assembly = "\n".join(f'    "    .inst 0x{word:08x} // {text}\\n"' for _, word, text in scenario.listing())
    maps = "".join(f"    map(0x{address:x}, 0x{size:x});\n" for address, size, _ in regions(scenario))
    protections = "".join(
        f"    mprotect((void *)0x{address:x}, 0x{size:x}, {_protection(letters)});\n"
        for address, size, letters in regions(scenario)
    )
    return "".join(
        (
            comment(
                [
                    *scenario.heading(),
                    "",
                    "For arm64 Linux: cc -static -o repro repro.c && ./repro",
                    "Elsewhere: qemu-aarch64 -cpu MODEL ./repro",
                ]
            ),
            _HEAD,
            f"#define CODE_ADDRESS 0x{scenario.code_address:x}ull\n#define UNTIL 0x{scenario.until:x}ull\n"
            f"#define AT_END 0x{AT_END:x} /* brk #0 */\n\n",
            f'__asm__(\n    ".pushsection .rodata\\n"\n    "first_word:\\n"\n{assembly}\n'
            '    "end_of_code:\\n"\n    ".popsection\\n");\nextern const char first_word[], end_of_code[];\n\n',
            STRUCTURES,
            tables(scenario, [_stop(ending) for ending in scenario.endings], MASK56),
            "\n",
            _BODY,
            COMPARISON,
            "\n",
            _TAIL,
            f"static void map_regions(void) {{\n{maps}}}\n\n",
            f"static void protect_regions(void) {{\n{protections}}}\n\n",
            _MAIN,
        )
    )


def _stop(ending: Ending) -> tuple[int, int | str]:
    """The signal, and its code where that tells the kind of the fault."""
    ended = ending.exit
    if ended.kind is ExitKind.DATA_ABORT and ended.fault is Fault.ALIGNMENT:
        return SIGBUS, "BUS_ADRALN"
    return _SIGNALS[ended.kind], "ANY" if ending.fault is None else _CODES.get(ending.fault, "ANY")


def _protection(letters: str) -> str:
    names = {"r": "PROT_READ", "w": "PROT_WRITE", "x": "PROT_EXEC"}
    return " | ".join(names[letter] for letter in letters) or "PROT_NONE"
