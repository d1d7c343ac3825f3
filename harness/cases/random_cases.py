"""Random cases, drawn from the specification's own patterns: instructions, operands that hit corners, states that make
them matter.

Every case is a function of (seed, number) alone, so a campaign can be cut into ranges and any case made again. It knows
the patterns' fields by their names in the Arm ARM and nothing of what an instruction does.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from functools import cache, cached_property, lru_cache

import msgspec

from assay64.harness.cases.case import (
    CODE_ADDRESS,
    CODE_REGION,
    DATA_REGION,
    DEFAULT_REGIONS,
    SCTLR_EL1,
    Case,
    Environment,
    Run,
)
from assay64.harness.cases.memory import fill_bytes
from assay64.harness.cases.random_pointers import BRANCH_TARGETS, corner_environment, steer_pointers
from assay64.harness.cases.random_pointers import FEATURES as POINTER_FEATURES
from assay64.harness.cases.state import FPSR_MASK, MASK64, State
from assay64.harness.errors import UsageError
from assay64.reference import Definition, decode, definitions, model
from assay64.reference.encoding.pattern import Field
from assay64.reference.encoding.table import Allocation
from assay64.reference.engines.allocation import (
    SYSTEM_SPACE,
    UNDEFINED_AT_EL0,
    allocation,
    features_of,
    is_unpredictable,
    system_encodings,
)

BUDGET = 24
# A store-exclusive may always fail, and one that does not match its load-exclusive leaves UNKNOWN values.
SEVERAL_OUTCOMES = frozenset({"store_exclusive", "store_exclusive_pair"})
EVERYTHING = "max"  # the CPU model with every feature that the specification has
DATA, DATA_SIZE = DATA_REGION
_BRANCH_OFFSETS = frozenset({"imm14", "imm19", "imm26"})
_REGISTERS = frozenset({"Rd", "Rn", "Rm", "Ra", "Rt", "Rt2", "Rs"})
_FZ16 = 1 << 19
_ATTEMPTS = 100_000
_TRANSFERRED = frozenset({"Rt", "Rt2"})


def corner_integer(rng: random.Random) -> int:
    """A 64-bit value: zero, ones, sign boundaries of every size, their neighbours, single bits, small, anything."""
    kind = rng.randrange(8)
    if kind == 0:
        return rng.choice((0, 0, 1, MASK64))
    if kind == 1:
        return (1 << rng.choice((7, 8, 15, 16, 31, 32, 63, 64))) + rng.choice((-1, 0, 1)) & MASK64
    if kind == 2:
        return -(1 << rng.choice((7, 8, 15, 16, 31, 32, 63))) + rng.choice((-1, 0, 1)) & MASK64
    if kind == 3:
        return 1 << rng.randrange(64)
    if kind == 4:
        return rng.randrange(-128, 129) & MASK64
    if kind == 5:
        return rng.getrandbits(32) | rng.choice((0, 0xFFFF_FFFF)) << 32
    if kind == 6:
        return rng.getrandbits(rng.randrange(1, 65))
    return rng.getrandbits(64)


def corner_float(rng: random.Random, size: int) -> int:
    """A floating-point number of ``size`` bits: zeros, subnormals and their borders, infinities, NaNs, exact halves,
    any.
    """
    exponent_bits = {16: 5, 32: 8, 64: 11}[size]
    fraction_bits = size - 1 - exponent_bits
    top, ones = (1 << exponent_bits) - 1, (1 << fraction_bits) - 1
    bias, half = top >> 1, 1 << fraction_bits - 1
    fraction = rng.choice((0, 1, ones, half, rng.getrandbits(fraction_bits), 1 << rng.randrange(fraction_bits)))
    near = bias + rng.randrange(-3, fraction_bits + 3)
    exponent = rng.choice((0, 0, 1, 2, top, top - 1, near, near, rng.getrandbits(exponent_bits)))
    return rng.getrandbits(1) << size - 1 | min(exponent, top) << fraction_bits | fraction


def corner_vector(rng: random.Random) -> int:
    """128 bits as lanes of one size: integers at their borders, floating-point numbers, or anything."""
    size = rng.choice((8, 16, 32, 64))
    kind = rng.randrange(3)
    lanes = list[int]()
    for _ in range(128 // size):
        if kind == 0 and size > 8:
            lanes.append(corner_float(rng, size))
        elif kind == 1:
            sign = 1 << size - 1
            lanes.append(rng.choice((0, 1, sign, sign - 1, sign + 1, 2 * sign - 1, rng.getrandbits(size))))
        else:
            lanes.append(rng.getrandbits(size))
    return sum(lane << size * index for index, lane in enumerate(lanes))


def corner_fpcr(rng: random.Random) -> int:
    """A rounding mode; flush-to-zero, default NaN, half-precision flush, alternative half precision at random."""
    return rng.randrange(4) << 22 | rng.getrandbits(3) << 24 | rng.getrandbits(1) << 19


def corner_address(rng: random.Random, reach: int = 16) -> int:
    """An address in or near the data region: aligned, unaligned, close to its ends, in the code, or anywhere."""
    kind = rng.randrange(40)
    if kind < 24:
        return DATA + DATA_SIZE // 2 + 16 * rng.randrange(-64, 64)
    if kind < 32:
        return DATA + DATA_SIZE // 2 + rng.randrange(-1024, 1024)
    if kind < 35:
        return DATA + DATA_SIZE - rng.randrange(0, 2 * reach)
    if kind < 37:
        return DATA + rng.randrange(-reach, reach)
    if kind == 37:
        return CODE_ADDRESS + rng.randrange(-0x100, 0x100)
    if kind == 38:
        return DATA + 0x1000 * rng.randrange(1, 16) - rng.randrange(1, reach)
    return rng.choice((0, MASK64, MASK64 - 7, rng.getrandbits(64)))


@dataclass(frozen=True)
class Generator:
    """Draws cases.

    ``only`` are globs of definitions or mnemonics; ``lengths`` the numbers of instructions to choose from; ``features``
    the FEAT_* beyond those of ``cpu`` that instructions may need (None: any). ``weights`` maps globs of groups,
    definitions, mnemonics or FEAT_* to factors of how often such definitions are drawn.
    """

    seed: int
    only: tuple[str, ...] = ()
    lengths: tuple[int, ...] = (1, 1, 1, 2, 4, 8)
    cpu: str = "cortex-a57"
    features: frozenset[str] | None = None
    weights: Mapping[str, float] = field(default_factory=dict[str, float])

    @cached_property
    def definitions(self) -> Sequence[tuple[Definition, tuple[str, ...]]]:
        """The definitions to draw from, with the mnemonics that are wanted of each. UsageError when there is none."""
        found = list[tuple[Definition, tuple[str, ...]]]()
        for definition in definitions():
            names = tuple(dict.fromkeys(name for name in definition.mnemonics if name != "-"))
            if self.only and not any(fnmatchcase(definition.name, glob) for glob in self.only):
                names = tuple(name for name in names if any(fnmatchcase(name, glob.upper()) for glob in self.only))
            if names:
                found.append((definition, names))
        if not found:
            raise UsageError(f"no instruction matches {' or '.join(self.only)}: see assay64 spec list")
        return found

    @cached_property
    def _weights(self) -> Sequence[float]:
        """A definition counts by its mnemonics; one that is UNDEFINED at EL0 whatever its operands counts little."""
        weights = [
            (0.25 if definition.name in UNDEFINED_AT_EL0 else min(len(names), 4)) * self._factor(definition, names)
            for definition, names in self.definitions
        ]
        if not any(weights):
            raise UsageError("the weights leave no instruction to draw")
        return weights

    def check_weights(self, globs: Iterable[str]) -> None:
        """Raise UsageError for one that matches nothing that is drawn."""
        called = {name for definition, names in self.definitions for name in _called(definition, names)}
        for glob in globs:
            if not any(fnmatchcase(name, glob) for name in called):
                raise UsageError(f"the weight of {glob!r} matches no instruction that is drawn: see assay64 spec list")

    def _factor(self, definition: Definition, names: tuple[str, ...]) -> float:
        factor = 1.0
        for glob, weight in self.weights.items():
            if any(fnmatchcase(name, glob) for name in _called(definition, names)):
                factor *= weight
        return factor

    def cases(self, count: int, start: int = 0) -> Iterator[Case]:
        """Cases ``start`` to ``start + count - 1`` of this seed."""
        for number in range(start, start + count):
            yield self.case(number)

    def case(self, number: int) -> Case:
        """Case ``number`` of this seed."""
        rng = random.Random(f"{self.seed}:{number}")
        words = self._words(rng)
        environment, added = self.surroundings(rng, words)
        fill = rng.choice((1, 2, 3))
        return Case(
            name=f"random {self.seed}:{number}",
            code=tuple(words),
            states=(self.state(rng, words, environment, fill),),
            regions=(DEFAULT_REGIONS[0], msgspec.structs.replace(DEFAULT_REGIONS[1], fill=fill)),
            environment=environment,
            requires=added,
            actions=(Run(budget=BUDGET),),
        )

    def surroundings(
        self, rng: random.Random, words: Sequence[int], *, drops: bool = True
    ) -> tuple[Environment, tuple[str, ...]]:
        """An environment that has the features that ``words`` need, mostly or (without ``drops``) always, and those
        that it has beyond ``cpu``.
        """
        needed = frozenset[str]().union(*map(features_of, words)) - model(self.cpu).features
        # One in sixteen keeps the CPU model as it is: without the feature the instruction is UNDEFINED.
        added = [] if drops and rng.randrange(16) == 0 else sorted(needed)
        decoded = [decoded for decoded in map(decode, words) if decoded is not None]
        if needed <= set(added) and any(d.definition.name in BRANCH_TARGETS for d in decoded) and rng.randrange(4) == 0:
            added = sorted({*added, "FEAT_BTI"} - model(self.cpu).features)
        cpu = "+".join((self.cpu, *added))
        environment = Environment(model=cpu)
        if model(cpu).features & POINTER_FEATURES and any(features_of(word) & POINTER_FEATURES for word in words):
            environment = corner_environment(rng, environment)
        return environment, tuple(added)

    def _words(self, rng: random.Random) -> list[int]:
        words = list[int]()
        length = rng.choice(self.lengths)
        while len(words) < length:
            word = self.word(rng)
            words.append(word)
            if self.ends_sequence(word):
                break  # so that sets of outcomes do not multiply along it
        return words

    def ends_sequence(self, word: int) -> bool:
        """Whether ``word`` ends a random sequence: it may have several outcomes, or none but an exception."""
        cpu = model(EVERYTHING)
        decoded = decode(word)
        if decoded is not None and decoded.definition.name in SEVERAL_OUTCOMES:
            return True
        return allocation(word, cpu) is not Allocation.ALLOCATED or is_unpredictable(word, cpu)

    def word(self, rng: random.Random) -> int:
        """An instruction: a definition, one of its mnemonics, fields.

        One in sixteen of those that are UNDEFINED is kept. UsageError when the features leave none.
        """
        for _ in range(_ATTEMPTS):
            word = self.attempt(rng, *rng.choices(self.definitions, self._weights)[0])
            if word is not None:
                return word
        raise UsageError("the features of the backends leave no instruction to draw")

    def attempt(self, rng: random.Random, definition: Definition, names: tuple[str, ...]) -> int | None:
        """A word of ``definition`` with one of these mnemonics; None when what was drawn is not wanted."""
        fields = {one.name: self._field(rng, one) for one in definition.pattern.fields}
        wanted = rng.choice([index for index, name in enumerate(definition.mnemonics) if name in names])
        if definition.name in SYSTEM_SPACE and rng.randrange(8):
            fields |= rng.choice(system_encodings(definition))
        for name in reversed(definition.selected_by):
            width = definition.pattern.field(name).width
            fields[name], wanted = wanted & (1 << width) - 1, wanted >> width
        word = definition.pattern.encode(**fields)
        if rng.randrange(32) == 0:
            word ^= rng.getrandbits(32) & definition.pattern.should_be_mask
        decoded = decode(word)
        if decoded is None or decoded.definition is not definition:
            return None
        if self.features is not None and not features_of(word) <= model(self.cpu).features | self.features:
            return None
        if allocation(word, model(EVERYTHING)) is not Allocation.UNALLOCATED or rng.randrange(16) == 0:
            return word
        return None

    def mnemonics(self, rng: random.Random) -> Sequence[tuple[Definition, str]]:
        """Every mnemonic with its definition, as often as the weights say, in a random order."""
        found = list[tuple[Definition, str]]()
        for definition, names in self.definitions:
            factor = self._factor(definition, names) * (0.25 if definition.name in UNDEFINED_AT_EL0 else 1.0)
            for name in names:
                found += [(definition, name)] * (int(factor) + (rng.random() < factor % 1))
        rng.shuffle(found)
        return found

    def _field(self, rng: random.Random, field: Field) -> int:
        top = (1 << field.width) - 1
        if field.name in _REGISTERS:
            # A few registers, so that operands coincide; 31 and 30 are special often enough.
            return rng.choice((0, 1, 2, 3, 3, 4, 5, 30, 31, rng.randrange(32))) & top
        if field.name in _BRANCH_OFFSETS and rng.randrange(4):
            return rng.randrange(-4, 12) & top
        kind = rng.randrange(4)
        if kind == 0 and field.width > 1:
            return rng.choice((0, top, top >> 1, (top >> 1) + 1, 1))
        return rng.randrange(top + 1)

    def state(self, rng: random.Random, words: Sequence[int], environment: Environment, fill: int) -> State:
        """Registers at their corners; those that ``words`` use for addresses and targets lead somewhere."""
        return State.of(**self._registers(rng, words, environment, fill))

    def _registers(
        self, rng: random.Random, words: Sequence[int], environment: Environment, fill: int
    ) -> dict[str, int]:
        features = model(environment.model).features
        registers = {f"x{index}": corner_integer(rng) for index in range(31)}
        registers["sp"] = (
            DATA + DATA_SIZE // 2 + 16 * rng.randrange(-32, 32) + (rng.randrange(16) if rng.randrange(16) == 0 else 0)
        )
        registers["nzcv"] = rng.randrange(16)
        for index in rng.sample(range(32), 4):
            registers[f"v{index}"] = corner_vector(rng)
        for word in reversed(words):
            decoded = decode(word)
            if decoded is None:
                continue
            operands = {name: int(value) for name, value in decoded.operands.items()}
            self._steer(rng, decoded.definition, operands, registers, fill)
        if environment.sctlr_el1 != SCTLR_EL1:
            steer_pointers(rng, words, environment, registers)
        if "FEAT_BTI" in features and rng.randrange(2):
            registers["btype"] = rng.randrange(4)
        if "FEAT_FP16" not in features:
            registers["fpcr"] = registers.get("fpcr", 0) & ~_FZ16  # RES0 there
        return registers

    def _steer_compared(self, operands: dict[str, int], registers: dict[str, int], fill: int) -> None:
        """Let a compare-and-swap find in memory what it compares with."""
        start = registers["sp" if operands["Rn"] == 31 else f"x{operands['Rn']}"] - DATA
        if 0 <= start < DATA_SIZE - 16:
            size = (4 << operands["sz"]) if "sz" in operands else 1 << operands["size"]
            for number in (operands["Rs"], operands["Rs"] + 1) if "sz" in operands else (operands["Rs"],):
                if number < 31 and number != operands["Rn"]:
                    found = _contents(fill)[start : start + size]
                    registers[f"x{number}"] = int.from_bytes(found, "little") | registers[f"x{number}"] >> 32 << 32
                start += size

    def _steer(
        self,
        rng: random.Random,
        definition: Definition,
        operands: dict[str, int],
        registers: dict[str, int],
        fill: int,
    ) -> None:
        """Give the registers that form an address, or a branch's target, values that lead somewhere."""
        base = operands.get("Rn", 31)
        if definition.is_simd:
            # In a load or store the others are addresses.
            names = _TRANSFERRED if definition.group == "loads_and_stores" else _REGISTERS
            first = [operands[name] for name in sorted(names & operands.keys())]
            if "M" in operands:
                first.append(operands["M"] << 4 | operands["Rm"])  # the register of an indexed element
            for start in first:
                for number in range(start, start + 4):  # tables and structures take up to four
                    registers[f"v{number % 32}"] = corner_vector(rng)
        if definition.group.startswith("simd"):
            registers["fpcr"] = rng.choice((0, 0, corner_fpcr(rng)))
            registers["fpsr"] = rng.choice((0, 0, rng.getrandbits(32) & FPSR_MASK))
        if definition.group == "loads_and_stores" and "Rn" in operands:
            if base != 31:
                registers[f"x{base}"] = corner_address(rng)
                if not definition.name.endswith("_register_offset") and rng.randrange(2):
                    registers[f"x{base}"] &= ~15
            offset = operands.get("Rm", 31)
            if offset not in (31, base) and rng.randrange(8):
                registers[f"x{offset}"] = rng.choice((0, 1, 8, -8, rng.randrange(-512, 512))) & MASK64
                if operands.get("option") in (2, 6):
                    registers[f"x{offset}"] ^= rng.getrandbits(32) << 32
            if definition.name.startswith("compare_and_swap") and rng.randrange(2):
                self._steer_compared(operands, registers, fill)
        elif definition.name == "sys" and operands["Rt"] != 31:
            registers[f"x{operands['Rt']}"] = corner_address(rng)
        elif definition.name == "branch_register" and base != 31:
            registers[f"x{base}"] = rng.choice(
                (
                    CODE_ADDRESS + 4 * rng.randrange(-4, 12),
                    CODE_ADDRESS + 4 * rng.randrange(-4, 12) + rng.randrange(4),
                    CODE_REGION[0] + CODE_REGION[1],
                    DATA + 4 * rng.randrange(16),
                    rng.getrandbits(64),
                )
            )


@cache
def _called(definition: Definition, names: tuple[str, ...]) -> tuple[str, ...]:
    """What a weight may call these instructions of a definition."""
    return definition.group, definition.name, *names, *_features(definition)


def _features(definition: Definition) -> frozenset[str]:
    """The FEAT_* that mnemonics of the definition need."""
    pattern = definition.pattern
    words = [
        pattern.value | pattern.should_be_value | chosen
        for _, _, chosen in pattern.combinations(definition.selected_by)
    ]
    return frozenset[str]().union(*map(features_of, words))


@lru_cache
def _contents(fill: int) -> bytes:
    return fill_bytes(fill, DATA_SIZE)
