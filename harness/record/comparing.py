"""Two runs held against each other: what appeared, what was fixed, what changed its cause, what is no longer shown.

It reads records and nothing else; what of it makes a release fail is for whoever asks (``broken``).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

import msgspec

from assay64.harness.cases.outcome import VerdictKind
from assay64.harness.errors import UsageError
from assay64.harness.record.journal import LETTERS
from assay64.harness.record.records import FAILING, CheckRecord, Records

# What can be a reason to fail, and what it means.
POLICIES: Mapping[str, str] = {
    "new": "a cause of failures that the old run does not have",
    "changed": "a case that fails for another cause than before",
    "crash": "any crash in the new run",
    "hang": "any hang in the new run",
    "error": "an error of a backend, or a test that could not be run to the end, in the new run",
    "unsupported": "a test with more unsupported cases than before",
    "missing": "a test on a backend that the old run has and the new run has not",
    "deviation": "a known deviation that the old run does not show",
}


class Cause(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What cases of one backend failed for, how often in both runs, and the token of the smallest of them."""

    backend: str
    cause: str
    old: int = 0
    new: int = 0
    token: str = ""


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A case that fails in both runs, and not for the same cause."""

    backend: str
    token: str
    old: str
    new: str


class Comparison(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What two runs differ in.

    ``gone`` are causes of the old run whose tests the new run did not run: nobody knows whether they are fixed.
    ``cases`` counts, of the tests that judged the same cases in both runs, how many went from one verdict to another.
    """

    new: tuple[Cause, ...] = ()
    fixed: tuple[Cause, ...] = ()
    gone: tuple[Cause, ...] = ()
    remaining: tuple[Cause, ...] = ()
    changed: tuple[Changed, ...] = ()
    new_deviations: tuple[Cause, ...] = ()
    fixed_deviations: tuple[Cause, ...] = ()
    crashes: int = 0
    hangs: int = 0
    errors: int = 0
    unsupported: dict[str, int] = {}
    missing: tuple[str, ...] = ()
    cases: dict[str, int] = {}
    notes: tuple[str, ...] = ()


def parse_policy(text: str) -> tuple[str, ...]:
    """The reasons in ``new,crash``; ``none`` for no reason at all. UsageError for one that does not exist."""
    wanted = tuple(part.strip() for part in text.split(",") if part.strip())
    if wanted == ("none",):
        return ()
    for name in wanted:
        if name not in POLICIES:
            raise UsageError(f"--fail-on: there is no {name!r}; there are {', '.join(POLICIES)}, and none")
    if not wanted:
        raise UsageError(f"--fail-on: name at least one of {', '.join(POLICIES)}, or none")
    return wanted


def broken(comparison: Comparison, policy: Iterable[str]) -> tuple[str, ...]:
    """The reasons of ``policy`` that the comparison gives."""
    counts = {
        "new": len(comparison.new),
        "changed": len(comparison.changed),
        "crash": comparison.crashes,
        "hang": comparison.hangs,
        "error": comparison.errors,
        "unsupported": len(comparison.unsupported),
        "missing": len(comparison.missing),
        "deviation": len(comparison.new_deviations),
    }
    return tuple(name for name in policy if counts[name])


def compare_runs(
    old: Records,
    new: Records,
    old_letters: Mapping[tuple[str, str], str] | None = None,
    new_letters: Mapping[tuple[str, str], str] | None = None,
) -> Comparison:
    """``old`` and ``new`` held against each other. The letters are those of store.verdicts."""
    failing, known = FAILING, frozenset({VerdictKind.KNOWN_DEVIATION})
    ran = {(tally.test, tally.backend) for tally in new.tallies}
    appeared, fixed, gone, remaining = _by_cause(old, new, failing, ran)
    new_deviations, fixed_deviations, _, _ = _by_cause(old, new, known, ran)
    unsupported = _unsupported(new) - _unsupported(old)
    both = {(tally.test, tally.backend) for tally in old.tallies}
    return Comparison(
        new=appeared,
        fixed=fixed,
        gone=gone,
        remaining=remaining,
        changed=tuple(_changed(old, new)),
        new_deviations=new_deviations,
        fixed_deviations=fixed_deviations,
        crashes=new.count((VerdictKind.CRASH,)),
        hangs=new.count((VerdictKind.HANG,)),
        errors=new.count((VerdictKind.ERROR,)) + len(new.errors()),
        unsupported={f"{test} on {backend}": count for (test, backend), count in sorted(unsupported.items())},
        missing=tuple(f"{test} on {backend}" for test, backend in sorted(both - ran)),
        cases=_transitions(old, new, old_letters or {}, new_letters or {}),
        notes=tuple(_notes(old, new)),
    )


def _by_cause(
    old: Records, new: Records, kinds: frozenset[VerdictKind], ran: set[tuple[str, str]]
) -> tuple[tuple[Cause, ...], tuple[Cause, ...], tuple[Cause, ...], tuple[Cause, ...]]:
    """(new, fixed, gone, remaining) causes."""
    counts: tuple[Counter[tuple[str, str]], ...] = (Counter(), Counter())
    places: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for counter, records in zip(counts, (old, new), strict=True):
        for tally in records.tallies:
            if tally.kind in kinds:
                counter[tally.backend, tally.cause] += tally.cases
                if records is old:
                    places.setdefault((tally.backend, tally.cause), set()).add((tally.test, tally.backend))
    found: tuple[list[Cause], ...] = ([], [], [], [])
    for key in sorted(counts[0].keys() | counts[1].keys()):
        before, after = counts[0][key], counts[1][key]
        token = _token(new if after else old, *key, kinds)
        kind = 3 if before and after else 0 if after else 1 if places[key] & ran else 2
        found[kind].append(Cause(backend=key[0], cause=key[1], old=before, new=after, token=token))
    new_ones, fixed, gone, remaining = map(tuple, found)
    return new_ones, fixed, gone, remaining


def _token(records: Records, backend: str, cause: str, kinds: frozenset[VerdictKind]) -> str:
    tokens = [
        check.token
        for check in records.checks
        if (check.backend, check.cause) == (backend, cause) and check.verdict.kind in kinds
    ]
    return min(tokens, key=lambda token: (len(token), token), default="")


def _failing_cases(records: Records) -> dict[tuple[str, str, str], CheckRecord]:
    """The failures by test, backend and the case that was judged."""
    return {(check.test, check.backend, check.case or check.token): check for check in records.failures()}


def _changed(old: Records, new: Records) -> Iterable[Changed]:
    before = _failing_cases(old)
    for key, check in _failing_cases(new).items():
        if key in before and before[key].cause != check.cause:
            yield Changed(backend=check.backend, token=check.token, old=before[key].cause, new=check.cause)


def _unsupported(records: Records) -> Counter[tuple[str, str]]:
    found = Counter[tuple[str, str]]()
    for tally in records.tallies:
        if tally.kind is VerdictKind.UNSUPPORTED:
            found[tally.test, tally.backend] += tally.cases
    return found


def _same_cases(old: Records, new: Records) -> bool:
    """Whether a test judges the same cases in both runs, as far as the circumstances can tell."""
    one, other = old.info, new.info
    return (one.seed, one.specification, one.assay64) == (other.seed, other.specification, other.assay64)


def _transitions(
    old: Records, new: Records, before: Mapping[tuple[str, str], str], after: Mapping[tuple[str, str], str]
) -> dict[str, int]:
    """``match -> crash`` and how many cases, where both runs judged the same."""
    if not _same_cases(old, new):
        return {}
    names = {letter: str(kind) for kind, letter in LETTERS.items()}
    found = Counter[tuple[str, str]]()
    for key in before.keys() & after.keys():
        if before[key] != after[key] and len(before[key]) == len(after[key]):
            found.update(
                (one, other) for one, other in zip(before[key], after[key], strict=True) if "?" not in one + other
            )
    return {f"{names[one]} -> {names[other]}": count for (one, other), count in sorted(found.items()) if one != other}


def _notes(old: Records, new: Records) -> Iterable[str]:
    """What one should know before one believes the comparison."""
    if old.info.specification != new.info.specification:
        yield "the specification is not the same in both runs: a verdict can change without the backend"
    if old.info.seed != new.info.seed:
        yield f"the seeds differ ({old.info.seed} and {new.info.seed}): random tests judged other cases"
    versions = [{one.name: one.version for one in records.info.backends if not one.missing} for records in (old, new)]
    for name in sorted(versions[0].keys() & versions[1].keys()):
        if versions[0][name] != versions[1][name]:
            yield f"{name}: version {versions[0][name] or '?'} before, {versions[1][name] or '?'} now"
    for records, name in ((old, "old"), (new, "new")):
        if records.unfinished:
            yield f"the {name} run was not brought to its end: what it lacks may only not have been reached"
