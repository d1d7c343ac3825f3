"""A backend with a machine made ahead, for processes that are forked: each finds a copy of it ready to be used.

Making a machine takes a JIT up to 300 ms, a fork takes few: this makes it cheap to replace a crashed worker.
"""

from __future__ import annotations

from assay64.harness.backends.contract import Backend, Forkable, Instance
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Case, Environment
from assay64.harness.judge.execute import Executor

NOP = 0xD503201F


def prepared(backend: Backend) -> Backend:
    """``backend`` with a machine of the default environment made ahead, where its machines outlive a fork."""
    if not (isinstance(backend, Forkable) and backend.survives_fork):
        return backend
    try:
        return _Prepared(backend)
    except Exception:  # noqa: BLE001 - the case that needs a machine will meet it again, and then it is a result
        return backend


class _Prepared:
    def __init__(self, backend: Backend) -> None:
        self.name = backend.name
        self._backend = backend
        self._capabilities = backend.capabilities()
        self._environment = Environment()
        # What the library makes once for all its machines, such as Dynarmic's table of decoders, is made by the first
        # instruction. The machine that ran it is not handed on: a case must not depend on it.
        Executor(backend, kept_instances=0).execute(Case(code=(NOP,)))
        self._ready: Instance | None = backend.create(self._environment)

    def available(self) -> str | None:
        return self._backend.available()

    def capabilities(self) -> Capabilities:
        return self._capabilities

    def create(self, environment: Environment, vcpus: int = 1) -> Instance:
        if self._ready is None or (environment, vcpus) != (self._environment, 1):
            return self._backend.create(environment, vcpus)
        instance, self._ready = self._ready, None
        return instance
