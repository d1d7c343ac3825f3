"""What `assay64 spec show` says of an instruction class beyond its definition: the tests that cover it, and which
backends have it.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from assay64.harness.errors import AssayError

if TYPE_CHECKING:
    from assay64.reference.encoding.definition import Definition

RANDOM = ("random_instructions/test_rows.py::test_rows", "random_instructions/test_random.py::test_single_instructions")
NAMES_SHOWN = 4


def covering_tests(one: Definition) -> Mapping[str, list[str]]:
    """The directed tests whose cases contain the definition, by file of the suites; from their generated index."""
    import msgspec

    import assay64.suites

    index = Path(assay64.suites.__file__ or "").parent / "_generated" / "covers.json"
    data: dict[str, Any] = msgspec.json.decode(index.read_bytes())
    return data["covers"].get(one.name, {})


def tests_text(one: Definition) -> str:
    lines = [f"  {RANDOM[0]}[{one.name}]", f"  {RANDOM[1]}[{one.name}]"]
    for path, names in covering_tests(one).items():
        shown = ", ".join(names[:NAMES_SHOWN])
        rest = f" and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else ""
        lines.append(f"  {path}  {shown}{rest}")
    return "\n".join(["Tests (below suites/)", *lines])


class Backends:
    """The backends that can run here, with the features that each declares. Worker processes ask them, once."""

    def __init__(self) -> None:
        from assay64.harness.cli.options import available_backends
        from assay64.harness.judge.pool import Worker

        self._features = dict[str, frozenset[str]]()
        self.missing = dict[str, str]()
        for name, missing in available_backends():
            try:
                if missing is None:
                    with Worker(name) as worker:
                        self._features[name] = worker.capabilities.features
            except AssayError as error:
                missing = str(error)
            if missing is not None:
                self.missing[name] = missing

    def having(self, one: Definition) -> Mapping[str, str]:
        """For each backend ``yes``, or what it lacks for which mnemonics."""
        from random import Random

        from assay64.harness.cases.rows import rows_of
        from assay64.reference import model
        from assay64.reference.engines.allocation import features_of

        every = model("max")
        base = model("cortex-a57").features & {"FEAT_FP", "FEAT_AdvSIMD"}  # of Armv8.0
        needed = dict[frozenset[str], list[str]]()
        for row in rows_of(one, "max"):
            word = row.word(Random(row.name), every, attempts=4000)
            if word is not None:
                needed.setdefault(features_of(word) - base, []).append(row.mnemonic)
        found = dict[str, str]()
        for name, features in self._features.items():
            lacking = {
                ", ".join(sorted(wanted - features)): list(dict.fromkeys(mnemonics))
                for wanted, mnemonics in needed.items()
                if not wanted <= features
            }
            whole = len(lacking) == len(needed)
            parts = [what if whole else f"{what} for {', '.join(names)}" for what, names in lacking.items()]
            found[name] = "yes" if not parts else f"{'no' if whole else 'in part'}: lacks {'; '.join(parts)}"
        return found

    def text(self, one: Definition) -> str:
        from tabulate import tabulate

        lines = [[name, what] for name, what in self.having(one).items()]
        lines += [[name, f"not available here: {why}"] for name, why in self.missing.items()]
        table = tabulate(lines, tablefmt="plain", disable_numparse=True)
        return f"Backends, by the features that they declare\n{textwrap.indent(table, '  ')}"
