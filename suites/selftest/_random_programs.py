"""Random programs of many blocks that branch, loop, call and rewrite themselves, and that end.

A program is a function of its seed. The plain instructions are drawn from the specification's patterns; what holds the
program together (counters, addresses, links) lives in registers that they must not touch. A store to code is followed
by the maintenance that Arm demands, or by none: then the architecture lets a processor execute either instruction, and
golden, which the native engine must equal, executes what memory holds.
"""

from __future__ import annotations

import random
from functools import cache, lru_cache

from assay64.harness.bench.programs import PAGE_BYTES, Segment
from assay64.harness.cases.memory import fill_bytes
from assay64.harness.cases.random_cases import Generator, corner_fpcr, corner_integer, corner_vector
from assay64.reference import Machine, decode
from assay64.suites.selftest._lockstep import CPU, Start

CODE, ALIAS, DATA = 0x1000_0000, 0x5000_0000, 0x2000_0000
NOP, RET, SVC, DSB, ISB = 0xD503_201F, 0xD65F_03C0, 0xD400_0001, 0xD503_3B9F, 0xD503_3FDF
# x19: words to store; x20: an address; x21: CODE's alias; x25: inner loops; x26: the outer loop; x28: DATA.
WORD, PLACE, ALIAS_BASE, INNER, OUTER, DATA_BASE = 19, 20, 21, 25, 26, 28
KEPT = frozenset({WORD, PLACE, ALIAS_BASE, 22, 23, 24, INNER, OUTER, 27, DATA_BASE, 29, 30})
ROUNDS, POOL_WORDS = 12, 4
PLAIN = ("data_processing_immediate", "data_processing_register", "simd_and_fp")


@cache
def _generator() -> Generator:
    return Generator(0, cpu=CPU)


def plain_word(rng: random.Random) -> int:
    """An instruction that is defined, changes registers alone, and none of those that are kept."""
    while True:
        word = _generator().word(rng)
        decoded = decode(word)
        if (
            decoded is None
            or decoded.definition.group not in PLAIN
            or decoded.definition.name.startswith("pointer_authentication")
        ):
            continue
        fields = {field.name: field.of(word) for field in decoded.definition.pattern.fields}
        if fields.get("Rd") not in KEPT and not _generator().ends_sequence(word) and _is_defined(word):
            return word


@lru_cache(maxsize=4096)
def _is_defined(word: int) -> bool:
    """Whether golden executes it."""
    machine = Machine(CPU, engine="golden")
    machine.map(CODE, 0x1000, "rx")
    machine.write(CODE, word.to_bytes(4, "little"))
    machine.set("PC", 0, CODE)
    return machine.step().exception is None


class _Label:
    """A place in the program; known when the program is laid out."""

    index = -1


class _Program:
    """One program in the making: words, and words that wait for a label's distance."""

    def __init__(self, seed: int, *, synchronised: bool, aliased: bool) -> None:
        self.rng = random.Random(f"{seed}:{synchronised}:{aliased}")
        self._synchronised, self._aliased = synchronised, aliased
        self._items: list[int | tuple[int, _Label, int, int]] = []  # word, label, lowest bit, width of the distance
        self._functions = [_Label() for _ in range(self.rng.randint(1, 4))]
        self._slots: list[_Label] = []  # plain instructions that may be overwritten
        self._wanted: list[tuple[_Label, _Label]] = []  # stores: the slot (chosen at the end) and its pool of words

    def words(self) -> list[int]:
        rng = self.rng
        top = self._place(_Label())
        for _ in range(rng.randint(4, 10)):
            rng.choice(
                (self._plain, self._skip, self._loop, self._call, self._transfer, self._rewrite, self._rewrite)
            )()
        self._items += [0xD100_0400 | OUTER << 5 | OUTER]  # sub x26, x26, #1
        self._branch(0xB500_0000 | OUTER, top, 5, 19)  # cbnz x26, top
        self._items.append(SVC)
        for function in self._functions:
            self._place(function)
            self._plain()
            if rng.randrange(2):
                self._transfer()
            self._items.append(RET)
        for slot, pool in self._wanted:
            slot.index = rng.choice(self._slots).index
            self._place(pool)
            self._items += [plain_word(rng) for _ in range(POOL_WORDS)]
        return [self._laid(at, item) for at, item in enumerate(self._items)]

    def _laid(self, at: int, item: int | tuple[int, _Label, int, int]) -> int:
        if isinstance(item, int):
            return item
        word, label, low, width = item
        if width == 21:  # adr: a distance in bytes, its two lowest bits apart
            distance = 4 * (label.index - at)
            return word | (distance & 3) << 29 | (distance >> 2 & (1 << 19) - 1) << 5
        return word | (label.index - at & (1 << width) - 1) << low

    def _place(self, label: _Label) -> _Label:
        label.index = len(self._items)
        return label

    def _branch(self, word: int, label: _Label, low: int, width: int) -> None:
        self._items.append((word, label, low, width))

    def _plain(self) -> None:
        for _ in range(self.rng.randint(1, 8)):
            self._slots.append(self._place(_Label()))
            self._items.append(plain_word(self.rng))

    def _skip(self) -> None:
        rng, end = self.rng, _Label()
        register = rng.randrange(19)
        match rng.randrange(4):
            case 0:
                self._branch(0x5400_0000 | rng.randrange(16), end, 5, 19)  # b.cond
            case 1:
                self._branch(rng.choice((0x3400_0000, 0xB500_0000)) | register, end, 5, 19)  # cbz w, cbnz x
            case 2:
                bit = rng.randrange(32)
                self._branch(rng.choice((0x3600_0000, 0x3700_0000)) | bit << 19 | register, end, 5, 14)  # tbz, tbnz
            case _:
                self._branch(0x1000_0000 | PLACE, end, 5, 21)  # adr x20, end
                self._items.append(0xD61F_0000 | PLACE << 5)  # br x20
        self._plain()
        self._place(end)

    def _loop(self) -> None:
        self._items.append(0xD280_0000 | self.rng.randint(1, 5) << 5 | INNER)  # mov x25, #n
        start = self._place(_Label())
        self._plain()
        if self.rng.randrange(2):
            self._rewrite()
        self._items.append(0xD100_0400 | INNER << 5 | INNER)  # sub x25, x25, #1
        self._branch(0xB500_0000 | INNER, start, 5, 19)  # cbnz x25, start

    def _call(self) -> None:
        function = self.rng.choice(self._functions)
        if self.rng.randrange(2):
            self._branch(0x9400_0000, function, 0, 26)  # bl
        else:
            self._branch(0x1000_0000 | PLACE, function, 5, 21)  # adr x20, function
            self._items.append(0xD63F_0000 | PLACE << 5)  # blr x20

    def _transfer(self) -> None:
        """A load or store in the data region, some across pages."""
        rng = self.rng
        register = rng.randrange(19)
        offset = rng.choice((rng.randrange(512), 511))
        self._items.append(
            rng.choice(
                (
                    0xF940_0000 | offset << 10,  # ldr x
                    0xF900_0000 | offset << 10,  # str x
                    0x3980_0000 | offset << 10,  # ldrsb x
                    0x7900_0000 | offset << 10,  # strh w
                    0x3DC0_0000 | offset << 10,  # ldr q
                    0x3D80_0000 | offset << 10,  # str q
                    0xF800_0000 | rng.randrange(512) << 12,  # stur x
                )
            )
            | DATA_BASE << 5
            | register
        )

    def _rewrite(self) -> None:
        """Store a word of a pool, another one each round, over a slot; then the maintenance, if it is wanted."""
        slot, pool = _Label(), _Label()
        self._wanted.append((slot, pool))
        self._branch(0x1000_0000 | PLACE, pool, 5, 21)  # adr x20, pool
        self._items += [
            0x9240_0400 | OUTER << 5 | WORD,  # and x19, x26, #3
            0xB860_7800 | WORD << 16 | PLACE << 5 | WORD,  # ldr w19, [x20, x19, lsl #2]
        ]
        self._branch(0x1000_0000 | PLACE, slot, 5, 21)  # adr x20, slot
        if self._aliased and self.rng.randrange(2):
            self._items.append(0x8B00_0000 | ALIAS_BASE << 16 | PLACE << 5 | PLACE)  # add x20, x20, x21
        self._items.append(0xB900_0000 | PLACE << 5 | WORD)  # str w19, [x20]
        if self._synchronised:
            self._branch(0x1000_0000 | PLACE, slot, 5, 21)  # adr x20, slot
            # dc cvau, x20; ic ivau, x20
            self._items += [0xD50B_7B20 | PLACE, DSB, 0xD50B_7520 | PLACE, DSB, ISB]


def random_program(seed: int, *, synchronised: bool, aliased: bool = False) -> Start:
    """The program of a seed with its memory and registers; it ends at ``svc #0``.

    ``aliased``: some of the stores to code go through a second mapping of it.
    """
    rng = random.Random(f"{seed}:state")
    words = _Program(seed, synchronised=synchronised, aliased=aliased).words()
    x = {index: corner_integer(rng) for index in range(19)}
    x |= {OUTER: ROUNDS, DATA_BASE: DATA + 0x1000 * rng.randint(1, 8) - 0x40, ALIAS_BASE: ALIAS - CODE}
    return Start(
        segments=(
            Segment(CODE, PAGE_BYTES, "rwx", b"".join(word.to_bytes(4, "little") for word in words)),
            Segment(DATA, PAGE_BYTES, "rw", fill_bytes(seed % 64, PAGE_BYTES)),
        ),
        pc=CODE,
        sp=DATA + PAGE_BYTES // 2,
        x=x,
        v={index: corner_vector(rng) for index in range(32)},
        fpcr=rng.choice((0, corner_fpcr(rng))),
        aliases={ALIAS: CODE} if aliased else {},
    )
