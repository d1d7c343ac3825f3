"""CPU models with the features that a suite's instructions need."""

from typing import Any

from assay64.harness.cases.case import Environment
from assay64.reference import model


def with_features(*features: str) -> dict[str, Any]:
    """What ``case`` is to be told: the features are required, and the default CPU model gets those that it lacks."""
    base = Environment().model
    added = [feature for feature in features if feature not in model(base).features]
    return {"requires": features, "environment": Environment(model="+".join((base, *added)))}
