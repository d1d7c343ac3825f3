"""The module of the Python package icicle-emu, which comes without type information and may be absent."""

from __future__ import annotations

from importlib import import_module
from typing import Any

icicle: Any = import_module("icicle")
