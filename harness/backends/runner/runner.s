// The guest side of the backends `native` and `qemu-user`: a static AArch64 Linux program that does what the harness
// writes into a file that both map (the arena), and runs cases between two signals. GNU as takes this file as it is;
// elf.py makes the program, process.py is the other side, and has the names of the offsets that stand here as numbers.
//
// Registers outside of a guest: x19 arena, x21 number of the case in hand. The arguments are two descriptors: of the
// arena's file, and of a socket on which a byte from the harness asks for the command in the arena, and a byte to it
// says that it is done. (QEMU's semihosting may use the standard ones.)
//
// Arena: 0x0 command, 0x8 byte of the socket, 0x10 system call and its six arguments, 0x48 its result,
// 0x50 next case, 0x58 number of cases, 0x60 case to be stopped, 0x68 initial states, 0x70 final states, 0x78 ends,
// 0x80 code rows, 0x88 bytes of a row, 0x90 where code is written, 0x98 where it runs, 0xa0 data, 0xa8 its initial
// contents, 0xb0 its size, 0xb8 next change, 0xc0 the last place for changes at which a case may begin, 0xc8 end of the
// ranges of changed code, 0xd0 not 0: changed code is told by mprotect, 0xd8 the socket's descriptor, 0x400 ranges,
// 0xc00 auxiliary vector, 0x1000 signal frame.

    b start

// Entered for every signal that ends a case: x1 siginfo, x2 ucontext. All signals are blocked here.
handler:
    movz x19, #0x60, lsl #32
    movk x19, #0x1000, lsl #16
    ldp x21, x22, [x19, #0x50]
    cmp w0, #10 // SIGUSR1: the harness stops one case, and it may have ended since
    b.ne record
    ldr x3, [x19, #0x60]
    cmp x3, x21
    b.eq record
    mov x8, #139 // rt_sigreturn: go on
    svc #0

record:
    mov x24, #944 // size of a state
    ldr x20, [x19, #0x70]
    madd x20, x21, x24, x20
    mrs x3, tpidr_el0
    str x3, [x20, #808]
    ldr x25, [x19, #0x78]
    add x25, x25, x21, lsl #6
    ldr w3, [x1]
    ldrsw x4, [x1, #8]
    ldr x5, [x1, #16]
    stp x3, x4, [x25] // signal, si_code
    stp x5, xzr, [x25, #16] // si_addr, syndrome
    str xzr, [x25, #32] // is there a syndrome?
    add x26, x2, #464 // the records behind the general registers
    add x0, x20, #8
    add x1, x2, #184
    mov x2, #272 // X0 to X30, SP, PC, PSTATE
    bl copy
    movz x27, #0x4650, lsl #16
    movk x27, #0x8001 // FPSIMD_MAGIC
    movz x28, #0x4553, lsl #16
    movk x28, #0x5201 // ESR_MAGIC
records:
    ldp w3, w4, [x26]
    cbz w4, compare
    cmp w3, w27
    b.eq vectors
    cmp w3, w28
    b.ne following
    ldr x5, [x26, #8]
    mov x6, #1
    stp x5, x6, [x25, #24]
    b following
vectors:
    ldp w5, w6, [x26, #8]
    str x6, [x20, #792] // FPCR
    str x5, [x20, #800] // FPSR
    add x0, x20, #280
    add x1, x26, #16
    mov x2, #512
    bl copy
    ldr w4, [x26, #4]
following:
    add x26, x26, x4
    b records

// List the words of the data that the case changed, and put them back.
compare:
    ldp x9, x10, [x19, #0xa0]
    ldr x11, [x19, #0xb0]
    cbz x11, ended
    add x11, x9, x11
block:
    ldp x0, x1, [x9]
    ldp x2, x3, [x10]
    ldp x4, x5, [x9, #16]
    ldp x6, x7, [x10, #16]
    eor x0, x0, x2
    eor x1, x1, x3
    eor x4, x4, x6
    eor x5, x5, x7
    orr x0, x0, x1
    orr x4, x4, x5
    orr x12, x0, x4
    ldp x0, x1, [x9, #32]
    ldp x2, x3, [x10, #32]
    ldp x4, x5, [x9, #48]
    ldp x6, x7, [x10, #48]
    eor x0, x0, x2
    eor x1, x1, x3
    eor x4, x4, x6
    eor x5, x5, x7
    orr x0, x0, x1
    orr x4, x4, x5
    orr x0, x0, x4
    orr x12, x12, x0
    cbnz x12, changed
unchanged:
    add x9, x9, #64
    add x10, x10, #64
    cmp x9, x11
    b.lo block
    b ended
changed:
    mov x5, #0
word:
    ldr x0, [x9, x5]
    ldr x1, [x10, x5]
    cmp x0, x1
    b.eq same
    ldr x6, [x19, #0xb8]
    add x7, x9, x5
    stp x21, x7, [x6]
    str x0, [x6, #16]
    add x6, x6, #24
    str x6, [x19, #0xb8]
    str x1, [x9, x5]
same:
    add x5, x5, #8
    cmp x5, #64
    b.ne word
    b unchanged
ended:
    add x21, x21, #1
    str x21, [x19, #0x50]

// The next case, on this stack: the frame that begins it is ours, and nothing returns to the one of the last signal.
case:
    ldp x21, x22, [x19, #0x50]
    cmp x21, x22
    b.hs done
    ldp x0, x1, [x19, #0xb8]
    cmp x0, x1
    b.hi done
    ldr x23, [x19, #0x88]
    cbz x23, load
    ldr x0, [x19, #0x90]
    ldr x1, [x19, #0x80]
    madd x1, x21, x23, x1
    mov x2, x23
    bl copy
    ldr x0, [x19, #0x98]
    add x1, x0, x23
    bl synchronise
load:
    mov x24, #944
    ldr x20, [x19, #0x68]
    madd x20, x21, x24, x20
    add x25, x19, #1, lsl #12
    add x0, x25, #312
    add x1, x20, #8
    mov x2, #272
    bl copy
    add x0, x25, #608
    add x1, x20, #280
    mov x2, #512
    bl copy
    ldr x0, [x20, #792]
    ldr x1, [x20, #800]
    str w0, [x25, #604]
    str w1, [x25, #600]
    ldr x0, [x20, #808]
    msr tpidr_el0, x0
    mov sp, x25
    mov x8, #139 // rt_sigreturn: to the guest
    svc #0

// Bytes x1 to x0; x2, a multiple of 16, says how many.
copy:
    ldp x3, x4, [x1], #16
    stp x3, x4, [x0], #16
    subs x2, x2, #16
    b.hi copy
    ret

// Code from x0 to x1 was changed through another mapping, or by the harness.
synchronise:
    ldr x2, [x19, #0xd0]
    cbnz x2, remap
    mrs x2, ctr_el0
    mov x3, #4
    ubfx x4, x2, #16, #4
    lsl x4, x3, x4 // bytes of the smallest data cache line
    and x2, x2, #15
    lsl x5, x3, x2 // and of an instruction cache line
    sub x6, x4, #1
    bic x6, x0, x6
clean:
    dc cvau, x6
    add x6, x6, x4
    cmp x6, x1
    b.lo clean
    dsb ish
    sub x6, x5, #1
    bic x6, x0, x6
invalidate:
    ic ivau, x6
    add x6, x6, x5
    cmp x6, x1
    b.lo invalidate
    dsb ish
    isb
    ret
remap:
    and x3, x0, #0xfffffffffffff000
    sub x1, x1, x3
    mov x8, #226 // mprotect
    mov x0, x3
    mov x2, #7 // PROT_READ | PROT_WRITE | PROT_EXEC
    svc #0
    mov x0, x3
    mov x2, #5 // PROT_READ | PROT_EXEC
    svc #0
    ret

start:
    mov x9, sp
    ldr x10, [x9, #16]
    bl number
    mov x4, x0
    movz x19, #0x60, lsl #32
    movk x19, #0x1000, lsl #16
    mov x0, x19
    movz x1, #0x40, lsl #16 // size of the arena
    mov x2, #3 // PROT_READ | PROT_WRITE
    mov x3, #0x11 // MAP_SHARED | MAP_FIXED
    mov x5, #0
    mov x8, #222 // mmap
    svc #0
    cmp x0, x19
    b.ne leave
    ldr x10, [x9, #24]
    bl number
    str x0, [x19, #0xd8]
    ldr x1, [x9], #8 // behind argc, argv and a zero: the environment and a zero
    add x9, x9, x1, lsl #3
    add x9, x9, #8
environment:
    ldr x1, [x9], #8
    cbnz x1, environment
    add x2, x19, #0xc00
    add x3, x19, #1, lsl #12
auxiliary:
    ldp x0, x1, [x9], #16
    stp x0, x1, [x2], #16
    cbz x0, done
    cmp x2, x3
    b.lo auxiliary

done:
    ldr x0, [x19, #0xd8]
    add x1, x19, #8
    mov x2, #1
    mov x8, #64 // write
    svc #0
    ldr x0, [x19, #0xd8]
    add x1, x19, #8
    mov x2, #1
    mov x8, #63 // read
    svc #0
    cmp x0, #1
    b.ne leave
    ldr x0, [x19]
    cbnz x0, cases
    ldr x8, [x19, #0x10]
    ldp x0, x1, [x19, #0x18]
    ldp x2, x3, [x19, #0x28]
    ldp x4, x5, [x19, #0x38]
    svc #0
    str x0, [x19, #0x48]
    b done

cases:
    ldr x9, [x19, #0xc8]
    add x10, x19, #0x400
range:
    cmp x10, x9
    b.hs case
    ldp x0, x1, [x10], #16
    bl synchronise
    b range

// The decimal number that the string x10 spells, to x0.
number:
    mov x0, #0
    mov x2, #10
digit:
    ldrb w1, [x10], #1
    cbz w1, spelt
    sub w1, w1, #48
    madd x0, x0, x2, x1
    b digit
spelt:
    ret

leave:
    mov x0, #0
    mov x8, #94 // exit_group
    svc #0
