"""CPU models as data: which features a core has, and what it does where Arm leaves a choice.

The data are in model_data/*.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "model_data"
# Features that no model has: the specification asks for the first; of the others it has no instruction, backends may.
_OF_NO_MODEL = frozenset({"FEAT_FPACCOMBINE", "FEAT_MTE", "FEAT_RNG"})


@dataclass(frozen=True)
class Model:
    """``features`` are FEAT_* names beyond Armv8.0; ``choices`` maps a CONSTRAINED UNPREDICTABLE case to the behaviour
    taken.
    """

    name: str
    description: str
    features: frozenset[str]
    choices: Mapping[str, str]


def model_names() -> tuple[str, ...]:
    return tuple(sorted(path.stem for path in _FOLDER.glob("*.toml")))


@cache
def feature_names() -> frozenset[str]:
    """The features that a model can have: those that make a difference here, and those that backends are known for."""
    return _OF_NO_MODEL.union(*(_data(name)["features"] for name in model_names()))


@cache
def model(name: str) -> Model:
    """The model called ``name``; ``cortex-a57+FEAT_LSE`` is that model with features added. ValueError lists those that
    exist.
    """
    base, *added = name.split("+")
    if base not in model_names():
        raise ValueError(f"no CPU model is called {base!r}: there are {', '.join(model_names())}")
    data = _data(base)
    for feature in added:
        if feature not in feature_names():
            near = get_close_matches(feature, feature_names(), n=1, cutoff=0.5)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise ValueError(f"CPU model {name!r}: no feature is called {feature!r}{hint}")
    return Model(name, data["description"], frozenset(data["features"]) | frozenset(added), data.get("choices", {}))


def _data(name: str) -> dict[str, Any]:
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
