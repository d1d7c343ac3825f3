#!/usr/bin/env python3
"""A backend for assay64 as a program: an interpreter of five A64 instructions that declines every other word.

It speaks docs/pipe-protocol.md on its standard streams and needs nothing but Python. Copy it, put your emulator where
``execute`` is, and declare in CAPABILITIES what that can do.

    assay64 check-backend 'exec:python3 toy.py'
"""

import json
import socket
import struct
import sys
from pathlib import Path

HELLO, CREATE, DESTROY, MAP, PROTECT, UNMAP, WRITE, SET_STATE, GET_STATE, RUN = range(1, 11)
RUN_BATCH = 17
OK, UNSUPPORTED, ERROR = range(3)
HEADER = struct.Struct("<IIQ")
STATE = struct.Struct("<II31QQQQ64QQQQQ10QQ4Q")  # struct assay64_state
PC, SP, X = 2 + 31 + 1, 2 + 31, 2  # where these registers are in it
EXIT = struct.Struct("<IIIIQQQ")  # struct assay64_exit
CHANGE = struct.Struct("<IIQQ")  # struct assay64_change
# Exits, accesses and faults as assay64_backend.h numbers them
BUDGET, UNTIL, DECLINED, DATA_ABORT, INSTRUCTION_ABORT, PC_ALIGNMENT, SP_ALIGNMENT = 1, 2, 9, 10, 11, 12, 13
READ, WRITTEN, FETCH, TRANSLATION, PERMISSION = 1, 2, 3, 1, 2
LETTERS = {READ: 1, WRITTEN: 2, FETCH: 4}  # the permission that an access needs
INFO = struct.pack("<6I", 24, 1, STATE.size, EXIT.size, CHANGE.size, 200)  # 200: struct assay64_batch
MASK, PAGE, MOST = (1 << 64) - 1, 4096, 1 << 26  # MOST: bytes of a frame, or of a range of pages
CAPABILITIES = {
    "name": "toy-program",
    "version": "1.0",
    "description": "five instructions, in a process",
    "actions": ["run", "write", "map", "protect", "unmap", "notify_code"],
    "distinguishes_undefined": False,
    "batch": True,
    "fixed": {"sctlr_el1": 67489821, "cpacr_el1": 3145728, "tcr_el1": 0, "cntkctl_el1": 3, "top_byte_ignore": False},
}


class Stop(Exception):
    """An exit: kind, access, fault, address."""


class Machine:
    def __init__(self):
        self.pages = {}  # page number -> [bytes, permissions]
        self.state = [STATE.size, 1] + [0] * (len(STATE.unpack(bytes(STATE.size))) - 2)
        self.written = set()  # addresses of the eight bytes that the guest has changed

    def map(self, address, size, permissions, contents):
        for start in range(0, size, PAGE):
            self.pages[(address + start) // PAGE] = [bytearray(contents[start : start + PAGE]), permissions]

    def bytes(self, address, size, access):
        """Where the guest's bytes lie, as (page, offset); Stop when one of them cannot be accessed so."""
        found = []
        for one in range(address, address + size):
            page, permissions = self.pages.get((one & MASK) // PAGE, (None, 0))
            if not permissions & LETTERS[access]:
                kind = INSTRUCTION_ABORT if access == FETCH else DATA_ABORT
                raise Stop(kind, access, TRANSLATION if page is None else PERMISSION, one & MASK)
            found.append((page, one % PAGE))
        return found

    def read(self, address, size, access=READ):
        return int.from_bytes(bytes(page[offset] for page, offset in self.bytes(address, size, access)), "little")

    def store(self, address, value, size):
        for index, (page, offset) in enumerate(self.bytes(address, size, WRITTEN)):
            page[offset] = value >> 8 * index & 255
            self.written.add((address + index) & MASK & ~7)

    def execute(self, word):
        """One instruction. Stop when it did not complete: then nothing has changed."""
        state, d, n = self.state, word & 31, word >> 5 & 31
        imm12, target = word >> 10 & 0xFFF, state[PC] + 4
        if word & 0xFF800000 == 0x91000000:  # add x|sp, x|sp, #imm12 {, lsl #12}
            state[X + d] = state[X + n] + (imm12 << 12 * (word >> 22 & 1)) & MASK  # SP stands behind X30
        elif word & 0xFF800000 == 0xF9000000:  # ldr, str x, [x|sp, #imm]
            address = state[X + n] + imm12 * 8
            if n == 31 and state[SP] % 16:
                raise Stop(SP_ALIGNMENT, 0, 0, 0)
            if not word >> 22 & 1:
                self.store(address, state[X + d] if d != 31 else 0, 8)
            else:
                value = self.read(address, 8)
                state[X + d] = value if d != 31 else state[SP]
        elif word & 0xFC000000 == 0x14000000:  # b label
            target = state[PC] + ((word & 0x3FFFFFF) << 2) - ((word >> 25 & 1) << 28)
        elif word != 0xD503201F:  # nop
            raise Stop(DECLINED, 0, 0, 0)
        state[PC] = target & MASK

    def run(self, budget, until):
        """struct assay64_exit and the changes of memory."""
        executed = 0
        try:
            while self.state[PC] != until and executed < budget:
                if self.state[PC] % 4:
                    raise Stop(PC_ALIGNMENT, 0, 0, 0)
                self.execute(self.read(self.state[PC], 4, FETCH))
                executed += 1
            kind, access, fault, address = UNTIL if self.state[PC] == until else BUDGET, 0, 0, 0
        except Stop as stop:
            kind, access, fault, address = stop.args
        changes = b"".join(CHANGE.pack(0, 0, where, self.read(where, 8, WRITTEN)) for where in sorted(self.written))
        self.written.clear()
        return EXIT.pack(kind, access, fault, 0, 0, address, executed) + changes

    def batch(self, payload):
        """For each case struct assay64_state, struct assay64_exit and the changes of the data region."""
        count, width, code_address, budget, data_address, size = struct.unpack_from("<6Q", payload)
        rows, words = 48, 48 + 4 * count * width
        states, pristine = words + 4 * count, words + 4 * count + STATE.size * count
        lengths = struct.unpack_from(f"<{count}I", payload, words) if len(payload) == pristine + size else [width + 1]
        if max(lengths, default=0) > width:
            raise ValueError("a batch whose parts do not fit")
        for case, used in enumerate(lengths):
            code = payload[rows + 4 * width * case :][: 4 * used]
            page = bytearray(PAGE * (2 + 4 * used // PAGE))
            page[code_address % PAGE : code_address % PAGE + len(code)] = code
            self.map(code_address // PAGE * PAGE, len(page), 5, page)
            self.map(data_address, size, 3, payload[pristine : pristine + size])
            self.state = list(STATE.unpack_from(payload, states + STATE.size * case))
            ended = self.run(budget, code_address + 4 * used)
            yield STATE.pack(*self.state) + ended


def answer(machines, kind, number, payload):
    """The answers to a frame."""
    reply, machine = b"", None if kind in (HELLO, CREATE) else machines[number]
    if kind == HELLO:
        reply = INFO + json.dumps(CAPABILITIES).encode()
    elif kind == CREATE:
        if b"vcpus = 1\n" not in payload or b"exception_level = 0\n" not in payload:
            raise NotImplementedError("the toy has one vCPU, at EL0")
        machines[number] = Machine()
    elif kind == DESTROY:
        del machines[number]
    elif kind in (MAP, PROTECT, UNMAP, WRITE):
        address, size = struct.unpack_from("<QQ", payload)
        permissions, flags = struct.unpack_from("<II", payload, 16) if kind in (MAP, PROTECT) else (0, 0)
        if flags:
            raise NotImplementedError("the toy has Normal memory alone, and no guarded pages")
        if size > MOST or len(payload) != {MAP: 24 + size, PROTECT: 24, UNMAP: 16, WRITE: 16 + size}[kind]:
            raise ValueError(f"{len(payload)} bytes for a range of {size}")
        if kind == MAP:
            machine.map(address, size, permissions, payload[24:])
        for page in range(address // PAGE, (address + size) // PAGE):
            if kind == UNMAP:
                machine.pages.pop(page, None)
            elif kind == PROTECT:
                machine.pages[page][1] = permissions
        for index, value in enumerate(payload[16:] if kind == WRITE else b""):
            machine.pages[(address + index) // PAGE][0][(address + index) % PAGE] = value
    elif kind == RUN_BATCH:
        yield from machine.batch(payload)
        return
    elif kind not in (SET_STATE, GET_STATE, RUN):
        raise NotImplementedError(f"the toy has no action for frames of kind {kind}")
    elif struct.unpack_from("<I", payload)[0] != 0:
        raise ValueError("the toy has one vCPU")
    elif kind == SET_STATE:
        machine.state = list(STATE.unpack_from(payload, 8))
    else:
        reply = STATE.pack(*machine.state) if kind == GET_STATE else machine.run(*struct.unpack_from("<QQ", payload, 8))
    yield reply


def serve(requests, answers):
    machines = {}
    while len(header := requests.read(HEADER.size)) == HEADER.size:
        kind, number, size = HEADER.unpack(header)
        if size > MOST or len(payload := requests.read(size)) < size:
            sys.stderr.write(f"the toy cannot read {size} bytes of a frame of kind {kind}\n")
            break
        try:
            for data in answer(machines, kind, number, payload):
                answers.write(HEADER.pack(kind, OK, len(data)) + data)
                answers.flush()
        except (NotImplementedError, ValueError, LookupError, struct.error) as error:
            status = UNSUPPORTED if isinstance(error, NotImplementedError) else ERROR
            reason = f"{type(error).__name__}: {error}".encode()
            answers.write(HEADER.pack(kind, status, len(reason)) + reason)
            answers.flush()


if __name__ == "__main__" and len(sys.argv) == 1:
    serve(sys.stdin.buffer, sys.stdout.buffer)
elif __name__ == "__main__":  # toy.py PATH: listen at a local socket, one connection after the other
    Path(sys.argv[1]).unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(sys.argv[1])
        listener.listen()
        while True:
            link, _ = listener.accept()
            with link, link.makefile("rb") as requests, link.makefile("wb") as answers:
                serve(requests, answers)
