"""Backends that are wrong in one execution mode alone, over the reference: ``.../mode_fakes.py:WRONG_STEP``."""

from __future__ import annotations

from typing import Any

import msgspec

from assay64.harness.backends.reference import ReferenceBackend


class Instance:
    """The reference's instance, whose X9 comes out wrong after a single step, or after code that it ran before."""

    def __init__(self, inner: Any, mode: str) -> None:
        self._inner, self._mode = inner, mode
        self._runs, self._wrong = 0, False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def set_state(self, vcpu: int, state: Any) -> None:
        self._wrong = False
        self._inner.set_state(vcpu, state)

    def run(self, vcpu: int, budget: int, until: int | None) -> Any:
        self._runs += 1
        self._wrong |= self._mode == "cached" and self._runs > 1
        return self._inner.run(vcpu, budget, until)

    def step(self, vcpu: int) -> Any:
        self._wrong |= self._mode == "step"
        return self._inner.step(vcpu)

    def notify_code(self, address: int, size: int) -> None:
        self._runs = 0
        self._inner.notify_code(address, size)

    def get_state(self, vcpu: int, state: Any) -> None:
        self._inner.get_state(vcpu, state)
        if self._wrong:
            state["x"][9] ^= 1


class Backend(ReferenceBackend):
    def __init__(self, name: str, mode: str) -> None:
        super().__init__()
        self.name, self._mode = name, mode

    def capabilities(self) -> Any:
        return msgspec.structs.replace(super().capabilities(), name=self.name)

    def create(self, environment: Any, vcpus: int = 1) -> Any:
        return Instance(super().create(environment, vcpus), self._mode)


WRONG_STEP = Backend("wrong_step", "step")
WRONG_CACHED = Backend("wrong_cached", "cached")
