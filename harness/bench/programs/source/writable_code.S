/* 4 KiB of memory that is read, written and executed, for self_writing.c. */
    .section .writable_code, "awx", @nobits
    .balign 64
    .global writable_code
writable_code:
    .zero   4096
