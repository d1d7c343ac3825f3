"""Backends that are wrong on purpose, over the reference: named to the command line as ``.../fakes.py:WRONG_CARRY``."""

from __future__ import annotations

import os
import signal
import time
from typing import Any

import msgspec

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.reference import ReferenceBackend
from assay64.harness.cases.case import CODE_REGION
from assay64.harness.cases.outcome import Exit, ExitKind

CARRY = 1 << 29
ADDS_MASK, ADDS = 0x7F20_0000, 0x2B00_0000  # ADDS (shifted register)
CRASH_WORD = 0xD503_205F  # hint #2
HANG_WORD = 0xD503_207F  # hint #3


class Instance:
    """The reference's instance; ``spoil`` says what goes wrong after a run of code that holds a word."""

    def __init__(self, inner: Any, spoil: str) -> None:
        self._inner, self._spoil = inner, spoil
        self._code: Any = None
        self._wrong = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def map(self, address: int, memory: Any, *arguments: Any, **more: Any) -> None:
        if address == CODE_REGION[0]:
            self._code = memory
        self._inner.map(address, memory, *arguments, **more)

    def set_watchpoint(self, address: int, size: int, access: Any) -> None:
        if self._spoil == "boast":
            raise Unsupported("no watchpoints after all")
        self._inner.set_watchpoint(address, size, access)

    def _words(self, until: int | None) -> set[int]:
        return {word for word in self._code.bytes.view("<u4")[0x4000:0x4020].tolist() if word}

    def set_state(self, vcpu: int, state: Any) -> None:
        self._wrong = False
        self._inner.set_state(vcpu, state)

    def run(self, vcpu: int, budget: int, until: int | None) -> Exit:
        words = self._words(until)
        if self._spoil == "crash" and CRASH_WORD in words:
            os.kill(os.getpid(), signal.SIGSEGV)
        if self._spoil == "hang" and HANG_WORD in words:
            time.sleep(3600)
        found = self._inner.run(vcpu, budget, until)
        self._wrong = self._spoil == "carry" and any(word & ADDS_MASK == ADDS for word in words)
        if self._spoil == "budget" and found.kind is ExitKind.BUDGET:
            self._inner.run(vcpu, 1, until)
        return found

    def step(self, vcpu: int) -> Exit:
        if self._spoil == "crash step":
            os.kill(os.getpid(), signal.SIGSEGV)
        if self._spoil == "hang step":
            time.sleep(3600)
        return self._inner.step(vcpu)

    def get_state(self, vcpu: int, state: Any) -> None:
        self._inner.get_state(vcpu, state)
        if self._spoil == "registers":
            state["v"][31] = 0
        if self._wrong:
            state["pstate"] ^= CARRY


class Backend(ReferenceBackend):
    def __init__(self, name: str, spoil: str, **declared: Any) -> None:
        super().__init__()
        self.name, self._spoil, self._declared = name, spoil, declared

    def capabilities(self) -> Any:
        return msgspec.structs.replace(super().capabilities(), name=self.name, **self._declared)

    def create(self, environment: Any, vcpus: int = 1) -> Any:
        return Instance(super().create(environment, vcpus), self._spoil)


class Missing(Backend):
    def available(self) -> str | None:
        return "libmissing.so is not installed; apt install libmissing"


WRONG_CARRY = Backend("wrong_carry", "carry")
CRASHING = Backend("crashing", "crash")
HANGING = Backend("hanging", "hang")
WRONG_BUDGET = Backend("wrong_budget", "budget")
BOASTING = Backend(
    "boasting", "boast", actions=frozenset({"run", "set_watchpoint"}), features=frozenset({"FEAT_PAuth"})
)
LOSING_REGISTERS = Backend("losing_registers", "registers")
CRASHING_STEP = Backend("crashing_step", "crash step")
HANGING_STEP = Backend("hanging_step", "hang step")
MISSING = Missing("missing", "")
