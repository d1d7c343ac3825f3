"""The backend ``dynarmic``: a C++ adapter from assay64_backend.h to an installed libdynarmic, compiled on first use.

adapter.cpp has the C functions, core.cpp one vCPU and the facts about Dynarmic, memory.h the guest's pages, batch.cpp
the batches.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

import msgspec

from assay64.harness.backends.dynarmic import build
from assay64.harness.backends.library import LibraryBackend, LibraryInstance
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Environment


class DynarmicBackend:
    """See contract.Backend. ``settings`` reach the adapter: ``code_cache_size`` in bytes, ``fast_dispatch`` 0 or 1,
    ``optimiser`` 0 or 1.
    """

    name = "dynarmic"
    survives_fork = True

    def __init__(self, settings: Mapping[str, int | str] | None = None) -> None:
        self._settings = dict(settings or {})
        self._optimises = bool(self._settings.get("optimiser", 1))

    @cached_property
    def _backend(self) -> LibraryBackend:
        return LibraryBackend(build.build(), self._settings)

    def available(self) -> str | None:
        """Says what is missing without compiling anything."""
        return build.missing()

    def capabilities(self) -> Capabilities:
        found = self._backend.capabilities()
        return msgspec.structs.replace(found, optimiser_off=OPTIMISER_OFF) if self._optimises else found

    def create(self, environment: Environment, vcpus: int = 1) -> LibraryInstance:
        return self._backend.create(environment, vcpus)


BACKEND = DynarmicBackend()
UNOPTIMISED = DynarmicBackend({"optimiser": 0})
OPTIMISER_OFF = f"{__name__}:UNOPTIMISED"
