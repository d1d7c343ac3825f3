"""Backends in a few lines of Python for the tests of the judge: a tiny interpreter, and ones that crash, hang and
chatter.

They are loaded by name (``assay64.suites.selftest.judge_backends:Crashing``), in worker processes too. No test is in
here.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import threading
import time
from typing import Any

import msgspec
import numpy as np

from assay64.harness.backends.base import OptionalActions
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.layout import EXIT_KINDS, pack_exit
from assay64.harness.cases.outcome import Access, Exit, ExitKind

MODULE = "assay64.suites.selftest.judge_backends"
NOP, MOVZ, ADD, ADDS, STR, SVC = 0xD503201F, 0xD2800000, 0x8B000000, 0xAB000000, 0xF9000000, 0xD4000001
CRASH, HANG, NOISE, RAISE = 0xD4200020, 0xD4200040, 0xD4200060, 0xD4200080  # BRK #1 to BRK #4


def movz(rd: int, immediate: int) -> int:
    return MOVZ | immediate << 5 | rd


def add(rd: int, rn: int, rm: int) -> int:
    return ADD | rm << 16 | rn << 5 | rd


def adds(rd: int, rn: int, rm: int) -> int:
    return ADDS | rm << 16 | rn << 5 | rd


def str_(rt: int, rn: int, offset: int = 0) -> int:
    return STR | offset // 8 << 10 | rn << 5 | rt


class TinyInstance(OptionalActions):
    """Executes MOVZ, ADD, ADDS, STR (all 64-bit, ADD without shift), NOP and SVC; it declines everything else.

    Like a JIT it keeps what it decoded until it is told that code changed.
    """

    def __init__(self, backend: Tiny, vcpus: int) -> None:
        self.backend = backend
        self.windows: list[Any] = []
        self.states: list[Any] = [None] * vcpus
        self.decoded: dict[int, int] = {}

    def map(self, address, memory, offset, size, permissions, *, device=False, guarded=False):
        self.windows.append((address, memory, offset, size, permissions))

    def unmap(self, address, size):
        self.windows = [window for window in self.windows if window[0] != address]

    def set_state(self, vcpu, state):
        self.states[vcpu] = state.copy()

    def get_state(self, vcpu, state):
        state[...] = self.states[vcpu]

    def notify_code(self, address, size):
        self.decoded = {a: w for a, w in self.decoded.items() if not address - 4 < a < address + size}

    def close(self):
        self.backend.closed += 1

    def place(self, address, letter):
        for start, memory, offset, size, permissions in self.windows:
            if start <= address and address + 4 <= start + size and letter in permissions:
                return memory.bytes, offset + address - start
        return None

    def run(self, vcpu, budget, until):
        for _ in range(budget):
            if int(self.states[vcpu]["pc"]) == until:
                return Exit(kind=ExitKind.UNTIL)
            if (exit_ := self.step(vcpu)).kind is not ExitKind.STEP:
                return exit_
        return Exit(kind=ExitKind.BUDGET)

    def step(self, vcpu):
        state = self.states[vcpu]
        pc = int(state["pc"])
        if pc not in self.decoded:
            place = self.place(pc, "x")
            if place is None:
                return Exit(kind=ExitKind.INSTRUCTION_ABORT, access=Access.FETCH, address=pc)
            self.decoded[pc] = int.from_bytes(place[0][place[1] : place[1] + 4].tobytes(), "little")
        exit_ = self.execute(state, self.decoded[pc])
        if exit_ is None or exit_.kind is ExitKind.SVC:
            state["pc"] = pc + 4
        return exit_ or Exit(kind=ExitKind.STEP)

    def execute(self, state, word):
        rd, rn, rm = word & 31, word >> 5 & 31, word >> 16 & 31
        x = [*state["x"].tolist(), 0]
        if word == NOP:
            return None
        if word >> 23 == MOVZ >> 23:
            self.write(state, rd, word >> 5 & 0xFFFF)
        elif word & 0xDFE0FC00 == ADD:
            total = x[rn] + x[rm]
            result = total % (1 << 64)
            self.write(state, rd, result)
            if word >> 29 & 1:
                overflow = (x[rn] ^ result) & (x[rm] ^ result)
                carry = total >> 64 if self.backend.sets_carry else 0
                flags = (result >> 63) << 3 | (result == 0) << 2 | carry << 1 | overflow >> 63
                state["pstate"] = int(state["pstate"]) & ~(15 << 28) | flags << 28
        elif word >> 22 == STR >> 22:
            address = (int(state["sp"]) if rn == 31 else x[rn]) + (word >> 10 & 0xFFF) * 8
            place = self.place(address, "w")
            if place is None:
                return Exit(kind=ExitKind.DATA_ABORT, access=Access.WRITE, address=address)
            place[0][place[1] : place[1] + 8] = np.frombuffer(x[rd].to_bytes(8, "little"), np.uint8)
        elif word & 0xFFE0001F == SVC:
            return Exit(kind=ExitKind.SVC, immediate=word >> 5 & 0xFFFF)
        else:
            return self.other(word)
        return None

    def other(self, word) -> Exit | None:
        return Exit(kind=ExitKind.DECLINED)

    @staticmethod
    def write(state, rd, value):
        if rd != 31:
            state["x"][rd] = value


class Tiny:
    """The interpreter as a backend."""

    name = "tiny"
    sets_carry = True
    instance = TinyInstance
    actions = "run step write map unmap alias notify_code schedule free_run"

    def __init__(self) -> None:
        self.created = self.closed = self.started = 0

    def available(self) -> str | None:
        return None

    def capabilities(self):
        return Capabilities(
            name=self.name,
            version="1.0",
            features=frozenset({"FEAT_LSE"}),
            vcpus=2,
            actions=frozenset(self.actions.split()),
            distinguishes_undefined=False,
        )

    def create(self, environment, vcpus=1):
        self.created += 1
        return self.instance(self, vcpus)


class WrongCarry(Tiny):
    """ADDS never sets C."""

    sets_carry = False


class RogueInstance(TinyInstance):
    """Crashes, hangs, chatters or raises at one word each."""

    def other(self, word):
        if word == CRASH:
            os.write(2, b"tiny: assertion failed: code_buffer != 0\n")
            os.kill(os.getpid(), signal.SIGSEGV)
        if word == HANG:
            while True:
                time.sleep(0.01)
        if word == NOISE:
            os.write(1, b"\x10\0\0\0\0\0\0\0garbage on stdout" * 9000)
            sys.stdout.write("and more of it\n")
            sys.stdout.flush()
            return None
        if word == RAISE:
            raise KeyError("no such register")
        return super().other(word)


class Rogue(Tiny):
    instance = RogueInstance


class Threaded(Rogue):
    """Has a thread of its own from the moment it is loaded: it cannot be forked."""

    def available(self):
        threading.Thread(target=time.sleep, args=(1000,), daemon=True).start()
        return super().available()


class MadeAheadInstance(RogueInstance):
    """Tells in x1 which process made it, in x2 which one uses it, and in x3 how many states it was given before."""

    def __init__(self, backend, vcpus):
        super().__init__(backend, vcpus)
        self.maker, self.given = os.getpid(), 0

    def set_state(self, vcpu, state):
        super().set_state(vcpu, state)
        self.states[vcpu]["x"][1:4] = self.maker, os.getpid(), self.given
        self.given += 1


class MadeAhead(Tiny):
    instance = MadeAheadInstance
    survives_fork = True


class CrashesInCompanyInstance(TinyInstance):
    """Crashes at the third case of a process, whatever it is."""

    def set_state(self, vcpu, state):
        super().set_state(vcpu, state)
        self.backend.started += 1
        if self.backend.started == 3:
            os.abort()


class CrashesInCompany(Tiny):
    instance = CrashesInCompanyInstance


class BatchInstance(RogueInstance):
    """Runs batches one case at a time through the interpreter."""

    def run_batch(self, batch, progress):
        from assay64.harness.cases.case import DEFAULT_REGIONS
        from assay64.harness.cases.memory import HostMemory

        for region in DEFAULT_REGIONS if not self.windows else ():
            self.map(region.address, HostMemory(region.size), 0, region.size, region.permissions)
        for index in range(len(batch)):
            count = int(batch.code_words[index])
            place = self.place(batch.code_address, "x")
            assert place is not None
            memory, offset = place
            memory[offset : offset + 4 * count] = batch.code[index, :count].view(np.uint8)
            self.notify_code(batch.code_address, 4 * count)
            self.set_state(0, batch.initial[index])
            batch.exits[index] = pack_exit(self.run(0, batch.budget, batch.code_address + 4 * count))
            self.get_state(0, batch.final[index : index + 1])
            batch.changes[batch.n_changes] = (index, 0, 0x2000_0000, index + 1)
            batch.n_changes += 1
            batch.done += 1
            progress.words()[0] = batch.done


class Batched(Tiny):
    instance = BatchInstance


class LeakyInstance(BatchInstance):
    """Has used up its process after a hundred cases."""

    def set_state(self, vcpu, state):
        super().set_state(vcpu, state)
        self.backend.started += 1
        if self.backend.started > 100:
            raise OSError(errno.ENOMEM, "no mappings left")


class Leaky(Tiny):
    instance = LeakyInstance


class VolumeInstance(RogueInstance):
    """Runs batches of ``add x0, x1, x2`` as arrays, as fast as a JIT; CRASH and HANG are what they are elsewhere.

    One sum in a thousand is wrong, so that there is something to find.
    """

    def run_batch(self, batch, progress):
        stops = np.isin(batch.code[:, 0], (CRASH, HANG)).nonzero()[0]
        end = int(stops[0]) if len(stops) else len(batch)
        final = batch.final[:end]
        final[:] = batch.initial[:end]
        given = batch.initial["x"][:end]
        final["x"][:, 0] = given[:, 1] + given[:, 2] + (given[:, 1] % 1000 == 7)
        final["pc"] = batch.code_address + 4
        batch.exits["kind"][:end] = EXIT_KINDS.index(ExitKind.UNTIL)
        batch.done = progress.words()[0] = end
        if end < len(batch):
            self.other(int(batch.code[end, 0]))


class Volume(Tiny):
    instance = VolumeInstance

    def capabilities(self):
        return msgspec.structs.replace(super().capabilities(), batch=True)


class InPlaceInstance(RogueInstance):
    """Runs batches of ``add x0, x0, x1`` in place, so that a case which runs twice is found. At CRASH and RAISE it
    does that; where there is NOISE it lists a change that cannot be, after all cases.
    """

    def run_batch(self, batch, progress):
        assert batch.final is batch.initial
        for index, word in enumerate(batch.code[:, 0].tolist()):
            if word in (CRASH, RAISE):
                self.other(word)
            batch.final["x"][index, 0] += batch.initial["x"][index, 1]
            batch.exits["kind"][index] = EXIT_KINDS.index(ExitKind.UNTIL)
            batch.done = progress.words()[0] = index + 1
        if NOISE in batch.code:
            batch.changes[0] = (len(batch), 0, 0x2000_0000, 1)
            batch.n_changes = 1


class InPlace(Tiny):
    instance = InPlaceInstance

    def capabilities(self):
        return msgspec.structs.replace(super().capabilities(), batch=True, in_place=True)


class GreedyInstance(TinyInstance):
    """Takes memory at one word, and prints without end at another."""

    def other(self, word):
        if word == CRASH:
            self.taken = [np.ones(64 << 20, np.uint8) for _ in range(1000) if time.sleep(0.01) is None]
        if word == NOISE:
            while True:
                os.write(1, b"x" * 65536)
        return super().other(word)


class Greedy(Tiny):
    instance = GreedyInstance


class DisorderlyInstance(TinyInstance):
    """Lists changes of a case that the batch does not have."""

    def run_batch(self, batch, progress):
        batch.changes[0] = (len(batch), 0, 0x2000_0000, 1)
        batch.n_changes, batch.done = 1, len(batch)


class Disorderly(Tiny):
    instance = DisorderlyInstance


class Absent(Tiny):
    def available(self):
        return "libabsent is not installed: apt install libabsent-dev"


class DiesAtStart(Tiny):
    def available(self):
        os.abort()
