"""Prints results/findings.md: every known deviation of the backends, with the rule that it breaks and a token.

``python results/findings.py > results/findings.md``. The entries are those of harness/judge/deviations; what the
campaigns were is written here.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
BACKENDS = {
    "dynarmic": "Dynarmic 6.4.5",
    "unicorn": "Unicorn 2.1.4 (QEMU 5.0.1)",
    "qemu-user": "QEMU 10.0.2, user mode",
    "icicle": "icicle 0.0.11 (SLEIGH)",
}
HEAD = (ROOT / "results" / "campaigns.md").read_text("utf-8")


def entries(backend: str) -> list[dict[str, Any]]:
    path = ROOT / "harness" / "judge" / "deviations" / f"{backend}.toml"
    return tomllib.loads(path.read_text("utf-8"))["deviation"]


def lines() -> Iterator[str]:
    yield HEAD.rstrip()
    yield ""
    for backend, name in BACKENDS.items():
        found = entries(backend)
        yield f"## {name}: {len(found)} causes"
        for entry in found:
            yield ""
            yield f"### {entry['title']}"
            yield ""
            yield f"`{entry['id']}`. {' '.join(entry['reason'].split())}"
            yield ""
            yield f"- Rule: {entry['rule']}."
            yield f"- Upstream: {entry['link'] if 'link' in entry else 'no report found'}"
            yield f"- `assay64 replay '{entry['evidence']}' --backend {backend}`"
        yield ""


print("\n".join(lines()).rstrip())
