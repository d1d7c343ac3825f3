"""A campaign over the rows of the specification: random states of each row judged on a backend, and a record of what
those states had: operand classes, registers that coincide, exceptions, FPCR.

It stands above the judge: it sees cases, verdicts and what Arm permits, and counts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import combinations
from typing import Protocol

from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import DATA_REGION, PAGE_SIZE, STACK_POINTER, Case
from assay64.harness.cases.operand_classes import class_of, classes
from assay64.harness.cases.operands import FIELDS, Operand, Shape, register, shape
from assay64.harness.cases.outcome import ExitKind, Permitted, Verdict, VerdictKind
from assay64.harness.cases.random_rows import RowGenerator, combination_of
from assay64.harness.cases.rows import Row
from assay64.harness.check_context import CheckFailed
from assay64.harness.record.records import FAILING
from assay64.harness.record.rows import NO_FPCR, RowRecord, key
from assay64.harness.under_test import BackendUnderTest
from assay64.reference.engines.allocation import features_of

FPSR_FLAGS = {0: "IOC", 1: "DZC", 2: "OFC", 3: "UFC", 4: "IXC", 7: "IDC", 27: "QC"}
ADDRESS_CLASSES = ("aligned", "unaligned", "crosses a page", "beside the data")
_TRIED = 8  # states that all need what a backend lacks: then the row does
_REACH = 64  # bytes before a page's end from which an access may cross it


class ExpectingJudge(Protocol):
    """What is needed of ``judge.Judge`` beyond verdicts."""

    def capabilities(self, backend: str) -> Capabilities: ...

    def expected(self, case: Case) -> tuple[Permitted, ...] | Verdict: ...


def check_rows(rows: Iterable[Row], backend: BackendUnderTest, judge: ExpectingJudge, seed: int, count: int) -> None:
    """Judge ``count`` random states of each row; one of a row whose features the backend lacks, to show that.

    Raises CheckFailed at the end, with the reports of the rows that failed.
    """
    reports, features = list[str](), judge.capabilities(backend.name).features
    for row in rows:
        counting, generator = _Counting(row, judge), RowGenerator(seed, row=row, features=features)
        # One of a system register's names may need what the others do not.
        lacks = all(not set(generator.case(number).requires) <= features for number in range(_TRIED))
        try:
            backend.check_many(generator.cases(1 if lacks else count), observe=counting.observe)
        except CheckFailed as failed:
            reports.append(f"{row.name}:\n{failed}")
        finally:
            if counting.drawn:
                record = counting.record(backend.name, seed)
                backend.note(key(record), record)
    if reports:
        raise CheckFailed("\n".join(reports))


class _Counting:
    """Counts the states of one row."""

    def __init__(self, row: Row, judge: ExpectingJudge) -> None:
        self._row, self._judge = row, judge
        self._word = 0
        self._shape: Shape | None = None
        self.drawn = self._judged = self._failures = 0
        self._known, self._unsupported, self._classes = Counter[str](), Counter[str](), Counter[str]()
        self._fpcr = 0

    def observe(self, case: Case, verdict: Verdict) -> None:
        self.drawn += 1
        self._word = case.code[-1]
        self._shape = shape(self._row, self._word)
        if verdict.kind is VerdictKind.UNSUPPORTED:
            self._unsupported[verdict.detail] += 1
            return
        self._judged += 1
        self._failures += verdict.kind in FAILING
        if verdict.kind is VerdictKind.KNOWN_DEVIATION:
            self._known[verdict.deviation] += 1
        self._fpcr |= 1 << combination_of(case.states[0].simd.fpcr)
        self._classes.update({*_operand_classes(case, self._shape), *self._outcome_classes(case)})

    def record(self, backend: str, seed: int) -> RowRecord:
        of_word = self._shape
        assert of_word is not None
        return RowRecord(
            backend=backend,
            row=self._row.name,
            definition=self._row.definition.name,
            mnemonic=self._row.mnemonic,
            group=self._row.definition.group,
            word=self._word,
            features=tuple(sorted(features_of(self._word))),
            seeds=(seed,),
            drawn=self.drawn,
            judged=self._judged,
            failures=self._failures,
            known=dict(self._known),
            unsupported=dict(self._unsupported),
            fpcr=self._fpcr if of_word.reads_fpcr else NO_FPCR,
            classes=dict(sorted(self._classes.items())),
            possible=sum(_possible(operand, of_word) for operand in of_word.operands),
        )

    def _outcome_classes(self, case: Case) -> Iterator[str]:
        """The exceptions that Arm demands of a state: cumulative flags that the instruction sets, and exits."""
        expected = self._judge.expected(case)
        if isinstance(expected, Verdict):
            return
        outcome = expected[0].outcome
        raised = outcome.states[0].simd.fpsr & ~case.states[0].simd.fpsr
        yield from (name for bit, name in FPSR_FLAGS.items() if raised >> bit & 1)
        yield from (str(one.kind) for one in outcome.exits if one.kind is not ExitKind.UNTIL)


def _possible(operand: Operand, of_word: Shape) -> int:
    if operand.address:
        return len(ADDRESS_CLASSES)
    return len(classes(floating=of_word.floating and operand.file == "V"))


def _operand_classes(case: Case, of_word: Shape) -> Iterator[str]:
    word, state = case.code[-1], case.states[0]
    fields = _fields(word)
    for operand in of_word.operands:
        number = register(fields, operand.field)
        if operand.address:
            sp = STACK_POINTER if state.general.sp is None else state.general.sp
            yield f"{operand.field}: {_address_class(sp if number == 31 else state.general.x.get(number, 0))}"
        elif operand.file == "X":
            size = min(of_word.size, 64)
            value = state.general.x.get(number, 0) & (1 << size) - 1
            yield f"{operand.field}: {class_of(value, size, floating=False)}"
        else:
            vector = state.simd.v.get(number, 0)
            for low in range(0, 128, of_word.size):
                element = vector >> low & (1 << of_word.size) - 1
                yield f"{operand.field}: {class_of(element, of_word.size, floating=of_word.floating)}"
    there = [name for name in FIELDS if name in fields]
    yield from (f"{one}={other}" for one, other in combinations(there, 2) if fields[one] == fields[other])


def _fields(word: int) -> dict[str, int]:
    from assay64.reference import decode

    decoded = decode(word)
    return {} if decoded is None else decoded.definition.operands(word)


def _address_class(address: int) -> str:
    start, size = DATA_REGION
    offset = (address & (1 << 56) - 1) - start
    if not 0 <= offset < size:
        return "beside the data"
    if offset % PAGE_SIZE >= PAGE_SIZE - _REACH:
        return "crosses a page"
    return "unaligned" if offset % 16 else "aligned"
