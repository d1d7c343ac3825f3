"""Random cases of one row of the specification: a word of the row, operands from every class of values, registers that
coincide, addresses at their corners, and, where FPCR matters, each of its combinations in turn.

A case is a function of (seed, row, number) alone.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import msgspec

from assay64.harness.cases.case import DEFAULT_REGIONS, SCTLR_EL1, Case, Environment, Run
from assay64.harness.cases.operand_classes import classes, corner_value
from assay64.harness.cases.operands import Shape, register, shape
from assay64.harness.cases.random_cases import BUDGET, EVERYTHING, Generator
from assay64.harness.cases.random_pointers import FEATURES as POINTER_FEATURES
from assay64.harness.cases.random_pointers import corner_environment
from assay64.harness.cases.rows import Row
from assay64.harness.cases.state import State
from assay64.harness.errors import UsageError
from assay64.reference import decode, model
from assay64.reference.engines.allocation import features_of

# FPCR: RMode, FZ, DN, FZ16, AHP.
FPCR_BITS = (22, 23, 24, 25, 19, 26)
FPCR_COMBINATIONS = 1 << len(FPCR_BITS)
_FZ16 = 1 << 19
_HALF_PRECISION = "FEAT_FP16"
_BLOCK = FPCR_COMBINATIONS  # cases between a CPU with FEAT_FP16, whose FPCR has FZ16, and one without
_EXCLUSIVES = frozenset({"store_exclusive", "store_exclusive_pair"})
_LOAD, _STATUS, _SECOND = 1 << 22, 31 << 16, 31 << 10


def fpcr_combination(number: int) -> int:
    """The FPCR of the ``number``-th combination."""
    return sum((number >> index & 1) << bit for index, bit in enumerate(FPCR_BITS))


def combination_of(fpcr: int) -> int:
    return sum((fpcr >> bit & 1) << index for index, bit in enumerate(FPCR_BITS))


@dataclass(frozen=True, kw_only=True)
class RowGenerator(Generator):
    """Draws cases of ``row``. Without FEAT_FP16 among ``features`` no case has FPCR.FZ16."""

    row: Row

    def cases(self, count: int, start: int = 0) -> Iterator[Case]:
        """Cases ``start`` to ``start + count - 1`` of this seed and row. UsageError for a row that no word was found
        of.
        """
        for number in range(start, start + count):
            yield self.case(number)

    def case(self, number: int) -> Case:
        """Case ``number`` of this seed and row."""
        rng = random.Random(f"{self.seed}:{self.row.name}:{number}")
        word = self.row.word(rng, model(EVERYTHING), self._field, attempts=4000)
        if word is None:
            raise UsageError(f"no allocated word of the row {self.row.name} was found")
        of_word = shape(self.row, word)
        words = self._sequence(rng, word)
        environment, added = self._features(rng, words, of_word, number)
        fill = rng.choice((1, 2, 3))
        registers = self._registers(rng, words, environment, fill)
        self._steer_row(rng, word, of_word, registers, environment, number)
        return Case(
            name=f"random {self.seed}:{self.row.name}:{number}",
            code=tuple(words),
            states=(State.of(**registers),),
            regions=(DEFAULT_REGIONS[0], msgspec.structs.replace(DEFAULT_REGIONS[1], fill=fill)),
            environment=environment,
            requires=added,
            actions=(Run(budget=BUDGET),),
        )

    def _sequence(self, rng: random.Random, word: int) -> list[int]:
        """``word``; half of the store-exclusives behind the load-exclusive that lets them succeed."""
        decoded = decode(word)
        if decoded is None or decoded.definition.name not in _EXCLUSIVES or rng.randrange(2):
            return [word]
        fields = decoded.definition.operands(word)
        taken = {*(fields[name] for name in ("Rn", "Rs", "Rt")), fields.get("Rt2", 31)}
        first, second = rng.sample([number for number in range(31) if number not in taken], 2)
        load = word | _LOAD | _STATUS | _SECOND | 31
        load = load & ~31 | first
        if "Rt2" in fields:
            load = load & ~_SECOND | second << 10
        return [load, word]

    def _features(
        self, rng: random.Random, words: Sequence[int], of_word: Shape, number: int
    ) -> tuple[Environment, tuple[str, ...]]:
        """An environment with the features that ``words`` need, and those it has beyond ``cpu``."""
        needed = frozenset[str]().union(*map(features_of, words))
        has_half = self.features is None or _HALF_PRECISION in self.features
        if of_word.reads_fpcr and number // _BLOCK % 2 and has_half:
            needed |= {_HALF_PRECISION}
        added = tuple(sorted(needed - model(self.cpu).features))
        environment = Environment(model="+".join((self.cpu, *added)))
        if needed & POINTER_FEATURES:
            environment = corner_environment(rng, environment)
        return environment, added

    def _steer_row(
        self,
        rng: random.Random,
        word: int,
        of_word: Shape,
        registers: dict[str, int],
        environment: Environment,
        number: int,
    ) -> None:
        """Give the row's operands values of every class, and FPCR the combination that is due."""
        decoded = decode(word)
        assert decoded is not None
        fields = decoded.definition.operands(word)
        signed = environment.sctlr_el1 != SCTLR_EL1  # pointers with their codes are not to be disturbed
        for operand in of_word.operands:
            name = f"{operand.file.lower()}{register(fields, operand.field)}"
            if operand.file == "V":
                registers[name] = self._vector(rng, of_word, registers.get(name, 0))
            elif not operand.address and name != "x31" and not signed and self._is_data(operand.field):
                size = min(of_word.size, 64)
                value = corner_value(rng, size, floating=False)
                registers[name] = registers.get(name, 0) >> size << size | value
        self._relate(rng, of_word, fields, registers)
        if of_word.reads_fpcr:
            registers["fpcr"] = fpcr_combination(number % FPCR_COMBINATIONS)
        if _HALF_PRECISION not in model(environment.model).features:
            registers["fpcr"] = registers.get("fpcr", 0) & ~_FZ16  # RES0 there

    def _is_data(self, name: str) -> bool:
        """Whether a general register holds data: not in a load or store, where it may be an offset, nor the target of
        a branch.
        """
        group = self.row.definition.group
        return group in ("data_processing_register", "data_processing_immediate", "simd_and_fp")

    def _vector(self, rng: random.Random, of_word: Shape, before: int) -> int:
        """128 bits as elements of the row's size: each of a class of its own, all of one class, or as they were."""
        kind, size = rng.randrange(8), of_word.size
        if kind == 0:
            return before
        among = classes(floating=of_word.floating)
        chosen = rng.choice(among) if kind == 1 else None
        lanes = [(chosen or rng.choice(among)).draw(rng, size) for _ in range(128 // size)]
        return sum(lane << size * index for index, lane in enumerate(lanes))

    def _relate(self, rng: random.Random, of_word: Shape, fields: dict[str, int], registers: dict[str, int]) -> None:
        """Let two operands be equal, opposite, or neighbours, once in four: results cancel or compare equal."""
        data = [one for one in of_word.operands if not one.address and one.field in ("Rn", "Rm", "Rd", "Ra")]
        pair = [one for one in data if one.file == data[0].file]
        if len(pair) < 2 or rng.randrange(4) or not self._is_data(pair[0].field):
            return
        first, second = (f"{one.file.lower()}{register(fields, one.field)}" for one in rng.sample(pair, 2))
        if "x31" in (first, second):
            return
        width = 128 if pair[0].file == "V" else 64
        size = min(of_word.size, width)
        ones = sum(1 << size * lane for lane in range(width // size))
        value = registers.get(first, 0)
        change = rng.choice((0, ones << size - 1, ones, 1))
        registers[second] = value ^ change
