"""The reference: A64 as an executable specification, and the engines that run it.

It is useful without the rest of assay64.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from assay64.reference.encoding import Decoded, Definition, decode, definitions
    from assay64.reference.engines.sizes import TableSizes
    from assay64.reference.machine import Machine, Stop
    from assay64.reference.models import Model, model, model_names

__all__ = [
    "Decoded",
    "Definition",
    "Machine",
    "Model",
    "Stop",
    "TableSizes",
    "decode",
    "definitions",
    "model",
    "model_names",
]

# Imported when they are asked for: whoever wants one small module of this package, such as a worker that looks into the
# cache, must not wait for an engine and the whole pseudocode.
_MODULES = {
    "Decoded": "encoding",
    "Definition": "encoding",
    "Machine": "machine",
    "Model": "models",
    "Stop": "machine",
    "TableSizes": "engines.sizes",
    "decode": "encoding",
    "definitions": "encoding",
    "model": "models",
    "model_names": "models",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
