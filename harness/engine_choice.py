"""Which of the reference's engines answers for the judge: the environment variable ASSAY64_ENGINE."""

from __future__ import annotations

import os

from assay64.harness.errors import UsageError

ENGINES = ("native", "golden")


def chosen_engine() -> str:
    """``native`` unless the variable says ``golden``. UsageError for anything else."""
    engine = os.environ.get("ASSAY64_ENGINE", ENGINES[0])
    if engine not in ENGINES:
        raise UsageError(f"ASSAY64_ENGINE={engine}: the reference's engines are {' and '.join(ENGINES)}")
    return engine
