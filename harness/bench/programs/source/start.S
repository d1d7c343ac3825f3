/* Entry of every program. An engine enters with repeats in x0, size in x1 and a stack, and gets the checksum in x0 at
   `svc #0`, with the number of exit in x8. Linux enters with x0 = 0 and argc, argv on the stack: then the numbers are
   decimal arguments, and the checksum is printed as 16 hexadecimal digits. */
    .section .text.entry, "ax"
    .global _start
_start:
    mov     x29, xzr
    mov     x30, xzr
    cbz     x0, linux
    bl      run
    mov     x8, #93                 // exit
    svc     #0

linux:
    ldr     x0, [sp, #16]           // argv[1]
    bl      decimal
    mov     x19, x0
    ldr     x0, [sp, #24]           // argv[2]
    bl      decimal
    mov     x1, x0
    mov     x0, x19
    bl      run
    sub     sp, sp, #32
    mov     x2, #16
    mov     w3, #'\n'
    strb    w3, [sp, #16]
digit:
    and     x3, x0, #15
    lsr     x0, x0, #4
    cmp     x3, #10
    add     x4, x3, #'0'
    add     x5, x3, #'a' - 10
    csel    x3, x4, x5, lo
    sub     x2, x2, #1
    strb    w3, [sp, x2]
    cbnz    x2, digit
    mov     x0, #1
    mov     x1, sp
    mov     x2, #17
    mov     x8, #64                 // write
    svc     #0
    mov     x0, #0
    mov     x8, #93                 // exit
    svc     #0

/* The number that the digits at x0 spell; they end with a zero byte. */
decimal:
    mov     x1, xzr
    mov     x3, #10
next:
    ldrb    w2, [x0], #1
    cbz     w2, done
    sub     w2, w2, #'0'
    madd    x1, x1, x3, x2
    b       next
done:
    mov     x0, x1
    ret
