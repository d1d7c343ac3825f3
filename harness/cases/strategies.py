"""Hypothesis strategies for instructions, states and cases, drawn from the specification's own patterns.

@given(case=cases(only=("ADD*", "SUB*")))
def test_arithmetic(backend, case):
    backend.check(case)
"""

from __future__ import annotations

from hypothesis import strategies as st

from assay64.harness.cases.case import DEFAULT_REGIONS, Case, Environment, Run
from assay64.harness.cases.random_cases import BUDGET, DATA, DATA_SIZE, Generator
from assay64.harness.cases.state import MASK64, State
from assay64.reference import decode
from assay64.reference.encoding.pattern import Pattern


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
    """An A64 word: a definition (``only`` are globs of definitions or mnemonics), a mnemonic of it, its fields."""
    generator = Generator(0, only=only, cpu=cpu)
    definition, names = draw(st.sampled_from(generator.definitions))
    pattern: Pattern = definition.pattern
    fields = {field.name: draw(st.integers(0, (1 << field.width) - 1)) for field in pattern.fields}
    wanted = draw(st.sampled_from([index for index, name in enumerate(definition.mnemonics) if name in names]))
    for name in reversed(definition.selected_by):
        width = pattern.field(name).width
        fields[name], wanted = wanted & (1 << width) - 1, wanted >> width
    return pattern.encode(**fields)


@st.composite
def states(draw: st.DrawFn, words: tuple[int, ...] = ()) -> State:
    """A state: the registers that ``words`` name, addresses in base registers of loads and stores, and the flags."""
    registers: dict[str, int] = {"nzcv": draw(st.integers(0, 15))}
    for word in words:
        decoded = decode(word)
        if decoded is None:
            continue
        for name, value in decoded.operands.items():
            number = int(value)
            if name[0] == "R" and number != 31:
                is_base = name == "Rn" and decoded.definition.group == "loads_and_stores"
                registers.setdefault(f"x{number}", draw(addresses() if is_base else integers64()))
    return State.of(**registers)


@st.composite
def cases(draw: st.DrawFn, only: tuple[str, ...] = (), max_instructions: int = 1, cpu: str = "cortex-a57") -> Case:
    """A case of one to ``max_instructions`` instructions on a drawn state.

    What has several outcomes ends the sequence.
    """
    generator = Generator(0, only=only, cpu=cpu)
    words = list[int]()
    for _ in range(draw(st.integers(1, max_instructions))):
        words.append(draw(instructions(only=only, cpu=cpu)))
        if generator.ends_sequence(words[-1]):
            break
    return Case(
        code=tuple(words),
        states=(draw(states(tuple(words))),),
        regions=DEFAULT_REGIONS,
        environment=Environment(model=cpu),
        actions=(Run(budget=BUDGET),),
    )
