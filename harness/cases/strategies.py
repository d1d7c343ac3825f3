"""Hypothesis strategies for instructions, code, states and cases, drawn from the specification's own patterns.

They are public as ``assay64.strategies``. With the pytest plug-in:

    from hypothesis import given
    from assay64.strategies import cases

    @given(case=cases(only=("ADD*", "SUB*")))
    def test_arithmetic(backend, case):
        backend.check(case)

``instructions``, ``states`` and ``cases`` draw field by field, so Hypothesis can make what fails smaller;
``campaign_cases`` are those of ``assay64 fuzz``: sequences with branches and loops that end, drawn by a seed.
``only`` are globs of definitions or mnemonics; ``cpu`` is a CPU model, such as ``cortex-a57`` or ``max``.
"""

from __future__ import annotations

from functools import cache, reduce

from hypothesis import strategies as st

from assay64.harness.cases.case import DEFAULT_REGIONS, Case, Environment, Run
from assay64.harness.cases.random_cases import BUDGET, DATA, DATA_SIZE, Generator
from assay64.harness.cases.sequences import FPCR_MATRIX, LENGTHS, Sequences
from assay64.harness.cases.state import FPSR_MASK, MASK64, State
from assay64.reference import decode
from assay64.reference.encoding.pattern import Pattern

__all__ = [
    "addresses",
    "campaign_cases",
    "cases",
    "floats",
    "fpcr",
    "instructions",
    "integers64",
    "states",
    "vectors",
]

# Exponent and fraction bits by size.
_FORMATS = {16: (5, 10), 32: (8, 23), 64: (11, 52)}


def integers64() -> st.SearchStrategy[int]:
    """64-bit values: anything, small ones of both signs, single bits, and the sign boundaries of every size."""
    edges = [
        edge + near & MASK64
        for bit in (7, 8, 15, 16, 31, 32, 63)
        for edge in (1 << bit, -1 << bit)
        for near in (-1, 0, 1)
    ]
    return st.one_of(
        st.integers(0, MASK64),
        st.integers(-64, 64).map(lambda value: value & MASK64),
        st.sampled_from(edges),
        st.integers(0, 63).map(lambda bit: 1 << bit),
    )


def floats(size: int) -> st.SearchStrategy[int]:
    """Floating-point numbers of 16, 32 or 64 bits as bit patterns: zeros, denormals, infinities, NaNs, any. ValueError
    for another size.
    """
    if size not in _FORMATS:
        raise ValueError(f"floating-point numbers have 16, 32 or 64 bits, not {size}")
    exponent_bits, fraction_bits = _FORMATS[size]
    largest, ones = (1 << exponent_bits) - 1, (1 << fraction_bits) - 1
    bias, half = largest >> 1, 1 << fraction_bits - 1
    exponents = st.one_of(st.sampled_from((0, 1, bias, largest - 1, largest)), st.integers(0, largest))
    fractions = st.one_of(st.sampled_from((0, 1, half, half + 1, ones)), st.integers(0, ones))

    def number(sign: int, exponent: int, fraction: int) -> int:
        return sign << size - 1 | exponent << fraction_bits | fraction

    return st.builds(number, st.integers(0, 1), exponents, fractions)


def vectors() -> st.SearchStrategy[int]:
    """128-bit values: lanes of floating-point numbers of one size, 64-bit values at their borders, or anything."""

    def joined(lanes: list[int], size: int) -> int:
        return reduce(lambda low, lane: low << size | lane, lanes)

    lanes = [
        st.lists(floats(size), min_size=128 // size, max_size=128 // size).map(
            lambda found, size=size: joined(found, size)
        )
        for size in _FORMATS
    ]
    pairs = st.lists(integers64(), min_size=2, max_size=2).map(lambda found: joined(found, 64))
    return st.one_of(pairs, *lanes, st.integers(0, (1 << 128) - 1))


def fpcr() -> st.SearchStrategy[int]:
    """Values of FPCR: rounding mode, flush to zero, default NaN and alternative half precision, in all combinations."""
    return st.sampled_from([value & ~(1 << 19) for value in FPCR_MATRIX])


def addresses() -> st.SearchStrategy[int]:
    """Addresses in the data region, mostly in its middle, and near its ends."""
    middle = DATA + DATA_SIZE // 2
    return st.one_of(
        st.integers(-64, 64).map(lambda step: middle + 16 * step),
        st.integers(middle - 1024, middle + 1024),
        st.integers(DATA - 16, DATA + 16),
        st.integers(DATA + DATA_SIZE - 32, DATA + DATA_SIZE + 8),
    )


@st.composite
def instructions(draw: st.DrawFn, only: tuple[str, ...] = (), cpu: str = "cortex-a57") -> int:
    """An A64 word: a definition, a mnemonic of it, its fields. UsageError when nothing matches ``only``."""
    definition, names = draw(st.sampled_from(_generator(only, cpu).definitions))
    pattern: Pattern = definition.pattern
    fields = {field.name: draw(st.integers(0, (1 << field.width) - 1)) for field in pattern.fields}
    wanted = draw(st.sampled_from([index for index, name in enumerate(definition.mnemonics) if name in names]))
    for name in reversed(definition.selected_by):
        width = pattern.field(name).width
        fields[name], wanted = wanted & (1 << width) - 1, wanted >> width
    return pattern.encode(**fields)


@st.composite
def states(draw: st.DrawFn, words: tuple[int, ...] = ()) -> State:
    """A state: the registers that ``words`` name, addresses in base registers of loads and stores, the flags, and for
    floating point FPCR and FPSR.
    """
    registers: dict[str, int] = {"nzcv": draw(st.integers(0, 15))}
    for word in words:
        decoded = decode(word)
        if decoded is None:
            continue
        definition = decoded.definition
        if definition.is_simd and "fpcr" not in registers:
            registers["fpcr"], registers["fpsr"] = draw(fpcr()), draw(st.integers(0, FPSR_MASK)) & FPSR_MASK
        for name, value in decoded.operands.items():
            number = int(value)
            if name[0] != "R" or number > 31:
                continue
            moves_memory = definition.group == "loads_and_stores"
            if definition.is_simd and not (moves_memory and name in ("Rn", "Rm")):
                registers.setdefault(f"v{number}", draw(vectors()))
            if number != 31 and (
                not definition.is_simd or moves_memory or definition.mnemonics[0] in ("SCVTF", "FMOV")
            ):
                is_base = name == "Rn" and moves_memory
                registers.setdefault(f"x{number}", draw(addresses() if is_base else integers64()))
    return State.of(**registers)


@st.composite
def cases(draw: st.DrawFn, only: tuple[str, ...] = (), max_instructions: int = 1, cpu: str = "cortex-a57") -> Case:
    """A case of one to ``max_instructions`` instructions on a drawn state.

    What has several outcomes ends the sequence.
    """
    words = list[int]()
    for _ in range(draw(st.integers(1, max_instructions))):
        words.append(draw(instructions(only=only, cpu=cpu)))
        if _generator(only, cpu).ends_sequence(words[-1]):
            break
    return Case(
        code=tuple(words),
        states=(draw(states(tuple(words))),),
        regions=DEFAULT_REGIONS,
        environment=Environment(model=cpu),
        actions=(Run(budget=BUDGET),),
    )


def campaign_cases(
    only: tuple[str, ...] = (),
    lengths: tuple[int, ...] = LENGTHS,
    cpu: str = "cortex-a57",
    features: frozenset[str] = frozenset(),
) -> st.SearchStrategy[Case]:
    """The cases of ``assay64 fuzz``; ``features`` are the FEAT_* beyond those of ``cpu`` that they may need.

    Hypothesis cannot make them smaller, only the judge can. UsageError for lengths outside 1 to 64.
    """
    sequences = Sequences(0, only, lengths, 1, cpu, features, features)
    return st.integers(0, (1 << 32) - 1).map(sequences.case)


@cache
def _generator(only: tuple[str, ...], cpu: str) -> Generator:
    return Generator(0, only=only, cpu=cpu)
