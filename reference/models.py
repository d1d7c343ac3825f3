"""CPU models as data: which features a core has, and what it does where Arm leaves a choice.

The data are in model_data/*.toml.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FOLDER = Path(__file__).parent / "model_data"


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
def model(name: str) -> Model:
    """The model called ``name``; ``cortex-a57+FEAT_LSE`` is that model with features added. ValueError lists those that
    exist.
    """
    base, *added = name.split("+")
    if base not in model_names():
        raise ValueError(f"no CPU model is called {base!r}: there are {', '.join(model_names())}")
    data = tomllib.loads((_FOLDER / f"{base}.toml").read_text(encoding="utf-8"))
    if wrong := [feature for feature in added if not feature.startswith("FEAT_")]:
        raise ValueError(f"CPU model {name!r}: features are called FEAT_..., not {', '.join(wrong)}")
    return Model(name, data["description"], frozenset(data["features"]) | frozenset(added), data.get("choices", {}))
