"""assay64: does an ARM64 execution backend run A64 code as the Arm architecture demands, and how fast?

Three packages, whose imports point one way, `suites` -> `harness` -> `reference`:
`assay64.reference` is the architecture as an executable specification, `assay64.harness` runs cases on backends and
judges them, `assay64.suites` is what a backend must show.

This file becomes `assay64/__init__.py`. It must import none of the three, so that each costs only what it needs.
"""

from __future__ import annotations

__version__: str


def __getattr__(name: str) -> str:
    """``__version__`` is looked up when it is asked for: every worker process imports this, and none needs it."""
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib.metadata import version

    return version("assay64")
