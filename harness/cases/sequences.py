"""Random code for campaigns: 1 to 64 instructions with branches and loops that end, each piece with several states.

Three kinds of registers are kept for the sequence itself, so that its memory accesses stay in the data region and its
loops end: a base and an offset, a counter for each loop, the target of an indirect branch. What instructions do is not
known here, only which of their fields are registers and which definitions branch.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

import msgspec

from assay64.harness.cases.case import CODE_ADDRESS, DEFAULT_REGIONS, Case, Run
from assay64.harness.cases.random_cases import DATA, DATA_SIZE, Generator
from assay64.harness.cases.state import State
from assay64.harness.errors import UsageError
from assay64.reference import Definition, decode, model
from assay64.reference.models import feature_names

MAX_LENGTH = 64
_ATTEMPTS = 64
# Most are single instructions, which say most per second; the long ones are for what depends on neighbours.
LENGTHS = (1,) * 36 + (2,) * 4 + (3, 4, 6, 8, 12, 16, 32, 64)
STATES = 2
# A loop runs at most 3 times; what a wild branch makes spin ends here.
BUDGET = 256
LONGEST_LOOP, LONGEST_SKIP = 8, 6

BASE, OFFSET, TARGET, COUNTERS = 28, 27, 26, (23, 24, 25)
KEPT = frozenset({BASE, OFFSET, TARGET, *COUNTERS})
_REGISTERS = frozenset({"Rd", "Rn", "Rm", "Ra", "Rt", "Rt2", "Rs"})
BRANCHES = frozenset(
    {"branch_immediate", "branch_conditional", "compare_and_branch", "test_and_branch", "branch_register",
     "branch_register_authenticated"}
)  # fmt: skip
_EXCEPTIONS = frozenset({"svc", "brk", "udf", "higher_level_call", "hlt", "debug_change_state", "exception_return"})

# The reference computes the code of a pointer in the time of a hundred other instructions.
COSTLY: dict[str, float] = {"FEAT_PAuth": 0.25}
# With these, states and environments are drawn otherwise.
OWN_ENVIRONMENT = frozenset({"FEAT_PAuth", "FEAT_PACQARMA5", "FEAT_BTI"})

# FPCR: every combination of rounding mode, flush to zero, default NaN, half-precision flush, alternative half.
FPCR_MATRIX = tuple(
    mode << 22 | flush << 24 | default_nan << 25 | alternative << 26 | flush_half << 19
    for mode in range(4)
    for flush in range(2)
    for default_nan in range(2)
    for alternative in range(2)
    for flush_half in range(2)
)


@dataclass(frozen=True)
class _Branch:
    """A branch whose target, the index of an instruction, is put in when the sequence is complete."""

    word: int
    target: int
    low: int  # of the offset's field
    width: int


@dataclass(frozen=True)
class Sequences:
    """Draws cases for a campaign: ``states`` of them for each piece of code.

    Every case is a function of (seed, number) alone. ``only`` are globs of definitions or mnemonics; ``features`` the
    FEAT_* beyond those of ``cpu`` that a single instruction may need (None: any), ``shared`` those that a sequence may
    need. ``weights`` maps globs of groups, definitions, mnemonics or FEAT_* to factors of how often they are drawn.
    """

    seed: int
    only: tuple[str, ...] = ()
    lengths: tuple[int, ...] = LENGTHS
    states: int = STATES
    cpu: str = "cortex-a57"
    features: frozenset[str] | None = None
    shared: frozenset[str] | None = None
    weights: Mapping[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        if not self.lengths or not all(1 <= length <= MAX_LENGTH for length in self.lengths):
            raise UsageError(f"a sequence has 1 to {MAX_LENGTH} instructions")
        if self.states < 1:
            raise UsageError("a piece of code runs on at least one state")

    @cached_property
    def _single_words(self) -> Generator:
        return Generator(self.seed, self.only, (1,), self.cpu, self.features, {**COSTLY, **self.weights})

    @cached_property
    def _words(self) -> Generator:
        """For sequences, all of whose instructions must be there for them to run."""
        return Generator(self.seed, self.only, self.lengths, self.cpu, self.shared, {**COSTLY, **self.weights})

    @cached_property
    def _common(self) -> Generator:
        """Gives most pieces one CPU model, so that backends need not make a machine for each set of features."""
        # A backend may have features that no model can have.
        more = ((self.shared or frozenset[str]()) & feature_names()) - model(self.cpu).features - OWN_ENVIRONMENT
        return Generator(self.seed, cpu="+".join((self.cpu, *sorted(more))))

    @cached_property
    def _strata(self) -> Sequence[tuple[Definition, str]]:
        return self._single_words.mnemonics(random.Random(f"{self.seed}:strata"))

    def _single(self, rng: random.Random, number: int) -> int:
        """Three of four pieces take the next mnemonic in turn, so that no campaign of some length leaves one out."""
        if number % 4 and self._strata:
            definition, name = self._strata[(number - number // 4 - 1) % len(self._strata)]
            for _ in range(_ATTEMPTS):
                word = self._single_words.attempt(rng, definition, (name,))
                if word is not None:
                    return word
        return self._single_words.word(rng)

    def cases(self, count: int, start: int = 0) -> Iterator[Case]:
        """Cases ``start`` to ``start + count - 1`` of this seed."""
        number = start
        while number < start + count:
            piece, first = divmod(number, self.states)
            for case in self.piece(piece)[first : first + start + count - number]:
                yield case
                number += 1

    def case(self, number: int) -> Case:
        """Case ``number`` of this seed."""
        piece, index = divmod(number, self.states)
        return self.piece(piece)[index]

    def piece(self, number: int) -> Sequence[Case]:
        """The cases of one piece of code: they differ in their states alone."""
        rng = random.Random(f"{self.seed}:piece:{number}")
        length = rng.choice(self.lengths)
        words = [self._single(rng, number)] if length == 1 else _Sequence(self._words, rng, length).words()
        # No backend has a CPU that is like the common model but for one feature.
        is_common = rng.randrange(4) != 0
        generator = self._common if is_common else self._words
        environment, added = generator.surroundings(rng, words, drops=not is_common)
        fill = rng.choice((1, 2, 3))
        found = list[Case]()
        for index in range(self.states):
            state = generator.state(rng, words, environment, fill)
            if length > 1:
                state = _with_kept(rng, state, len(words))
            if any(one is not None and one.definition.is_simd for one in map(decode, words)) and index % 4:
                fpcr = FPCR_MATRIX[(number * self.states + index) % len(FPCR_MATRIX)]
                if "FEAT_FP16" not in environment.model:
                    fpcr &= ~(1 << 19)
                state = State.of(**{**dict(state.registers()), "fpcr": fpcr})
            found.append(
                Case(
                    name=f"fuzz {self.seed}:{number * self.states + index}",
                    code=tuple(words),
                    states=(state,),
                    regions=(DEFAULT_REGIONS[0], msgspec.structs.replace(DEFAULT_REGIONS[1], fill=fill)),
                    environment=environment,
                    requires=added,
                    actions=(Run(budget=BUDGET),),
                )
            )
        return found


class _Sequence:
    """One sequence in the making."""

    def __init__(self, generator: Generator, rng: random.Random, length: int) -> None:
        self._generator, self._rng, self._length = generator, rng, length
        self._items: list[int | _Branch] = []
        self._loops = 0
        self._ending = self._exclusive() if length > 1 and rng.randrange(10) == 0 else []
        self._length -= len(self._ending)

    def words(self) -> list[int]:
        while len(self._items) < self._length:
            left, kind = self._length - len(self._items), self._rng.random()
            if left >= 3 and kind < 0.12:
                self._skip(left)
            elif left >= 4 and kind < 0.18 and self._loops < len(COUNTERS):
                self._loop(left)
            elif self._plain(at_end=left == 1 and not self._ending):
                self._ending = []
                break
        self._items += self._ending
        return [self._placed(index, item) for index, item in enumerate(self._items)]

    def _placed(self, index: int, item: int | _Branch) -> int:
        if isinstance(item, int):
            return item
        distance = min(item.target, len(self._items)) - index
        return item.word | (distance & (1 << item.width) - 1) << item.low

    def _skip(self, left: int) -> None:
        """A branch forward: conditional or not, direct, or by a register that holds the end's address."""
        rng, here = self._rng, len(self._items)
        target = here + 1 + rng.randrange(1, min(LONGEST_SKIP, left))
        match rng.randrange(8):
            case 0 | 1 | 2:
                self._items.append(_Branch(0x5400_0000 | rng.randrange(16), target, 5, 19))
            case 3 | 4:
                kind = rng.choice((0x3400_0000, 0x3500_0000, 0xB400_0000, 0xB500_0000))
                self._items.append(_Branch(kind | self._free_register(), target, 5, 19))
            case 5:
                bit = rng.randrange(64)
                kind = rng.choice((0x3600_0000, 0x3700_0000)) | bit >> 5 << 31 | (bit & 31) << 19
                self._items.append(_Branch(kind | self._free_register(), target, 5, 14))
            case 6:
                self._items.append(_Branch(rng.choice((0x1400_0000, 0x9400_0000)), target, 0, 26))
            case _:  # BR, BLR, RET to the end; a condition before it lets most runs pass
                self._items.append(_Branch(0x5400_0000 | rng.randrange(14), here + 2, 5, 19))
                self._items.append(rng.choice((0xD61F_0000, 0xD63F_0000, 0xD65F_0000)) | TARGET << 5)

    def _loop(self, left: int) -> None:
        """A body, its counter's decrement, and the branch back while the counter is not zero."""
        start, counter = len(self._items), COUNTERS[self._loops]
        self._loops += 1
        for _ in range(self._rng.randrange(1, min(LONGEST_LOOP, left - 2))):
            if self._plain(at_end=False):
                break
        self._items.append(0xD100_0400 | counter << 5 | counter)  # sub xC, xC, #1
        self._items.append(_Branch(0xB500_0000 | counter, start, 5, 19))  # cbnz xC, start

    def _plain(self, *, at_end: bool) -> bool:
        """Add an instruction that does not branch; True when it has to be the last."""
        while True:
            decoded = decode(self._generator.word(self._rng))
            if decoded is None:
                continue
            name = decoded.definition.name
            if name in BRANCHES or (name in _EXCEPTIONS and not (at_end and self._rng.randrange(4) == 0)):
                if self._only_branches:
                    self._items.append(0xD503_201F)  # nop: the branches that are wanted come from _skip and _loop
                    return False
                continue
            word = self._tamed(decoded.definition, decoded.word)
            ends = self._generator.ends_sequence(word)
            if ends and not at_end and self._rng.randrange(8):
                continue
            self._items.append(word)
            return ends

    @cached_property
    def _only_branches(self) -> bool:
        names = {definition.name for definition, _ in self._generator.definitions}
        return names <= BRANCHES | _EXCEPTIONS

    def _tamed(self, definition: Definition, word: int) -> int:
        """``word`` without the registers that are kept, except where it forms an address from them."""
        values = {one.name: one.of(word) for one in definition.pattern.fields}
        for name in values.keys() & _REGISTERS:
            if values[name] in KEPT:
                values[name] -= 8
        if definition.group == "loads_and_stores" and "Rn" in values:
            draw = self._rng.randrange(16)
            values["Rn"] = BASE if draw < 12 else 31 if draw < 15 else values["Rn"]
            if "option" in values and draw < 15:
                values["Rm"] = OFFSET
        tamed = definition.pattern.encode(**values)
        again = decode(tamed)
        return tamed if again is not None and again.definition is definition else word

    def _exclusive(self) -> list[int]:
        """A load-exclusive and its store-exclusive, which comes last: it may always fail."""
        if "store_exclusive" not in {definition.name for definition, _ in self._generator.definitions}:
            return []
        rng = self._rng
        status, first, second = rng.sample(range(8), 3)
        loads_acquire, stores_release = rng.randrange(2) << 15, rng.randrange(2) << 15
        if rng.randrange(3) == 0:  # LDXP, STXP
            load, store, registers = 0x887F_0000, 0x8820_0000, second << 10 | BASE << 5 | first
            size = rng.randrange(2) << 30
        else:
            load, store, registers = 0x085F_7C00, 0x0800_7C00, BASE << 5 | first
            size = rng.randrange(4) << 30
        return [load | loads_acquire | size | registers, store | stores_release | size | status << 16 | registers]

    def _free_register(self) -> int:
        return self._rng.choice((0, 1, 2, 3, 4, 5, 30, 31))


def _with_kept(rng: random.Random, state: State, length: int) -> State:
    """The registers that the sequence keeps: an address in the data region, a small offset, counts, the end."""
    middle = DATA + DATA_SIZE // 2
    kept = {
        f"x{BASE}": rng.choice((middle + 16 * rng.randrange(-64, 64), middle + rng.randrange(-64, 64))),
        f"x{OFFSET}": rng.choice((0, 8, 16, rng.randrange(128))),
        f"x{TARGET}": CODE_ADDRESS + 4 * length,
        "sp": middle + 16 * rng.randrange(-32, 32),
    }
    if rng.randrange(16) == 0:  # at the guard page
        kept[f"x{BASE}"] = DATA + rng.choice((0, DATA_SIZE)) + rng.randrange(-32, 32)
    counters = {f"x{counter}": rng.randrange(1, 4) for counter in COUNTERS}
    return State.of(**{**dict(state.registers()), **kept, **counters})
