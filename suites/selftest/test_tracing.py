"""Every definition can be traced, and its trace does what the definition does: no engine will need another text."""

from __future__ import annotations

import random
from collections.abc import Iterator

import pytest

from assay64.harness.cases.random_cases import Generator
from assay64.reference import definitions, model
from assay64.reference.bits import Bits, bits
from assay64.reference.encoding import Definition, decode
from assay64.reference.engines.accesses import Controls
from assay64.reference.engines.golden import GoldenPE
from assay64.reference.engines.outcomes import PathChooser
from assay64.reference.engines.tracing import BudgetExceeded, Trace, execute, trace
from assay64.reference.machine import DEFAULT_SCTLR
from assay64.reference.memory import AddressSpace
from assay64.reference.pseudocode.exceptions import ArchitecturalException, EndOfInstruction
from assay64.reference.pseudocode.processor import executing

CPU = model("max")
DATA = 0x2000_0000
WORDS = 60


@pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition.name)
def test_the_trace_of_a_definition_does_what_the_definition_does(definition: Definition) -> None:
    traced = trace(definition)
    generator, rng = Generator(seed=1, only=(definition.name,)), random.Random(definition.name)
    for _ in range(WORDS):
        word, seed = generator.word(rng), rng.getrandbits(32)
        assert _result(word, seed, traced) == _result(word, seed, None), f"{word:08x} with state {seed}"


def test_a_definition_that_decides_too_much_exceeds_its_budget() -> None:
    definition = next(d for d in definitions() if d.name == "logical_shifted_register")
    with pytest.raises(BudgetExceeded, match="more than 3 paths"):
        trace(definition, budget=3)


def _result(word: int, seed: int, traced: Trace | None) -> tuple[object, ...]:
    """Everything that the instruction did from a state made of ``seed``, executed directly or from its trace."""
    rng = random.Random(seed)
    memory = bytearray(rng.randbytes(0x2000))
    space = AddressSpace()
    space.map(DATA, memoryview(memory), 0, len(memory), "rw")
    chooser = PathChooser(tuple(rng.randrange(2) for _ in range(4)))
    pe = GoldenPE(space=space, model=CPU, controls=Controls(DEFAULT_SCTLR), chooser=chooser)
    for number in range(31):
        near = DATA + 0x1000 + rng.randrange(-512, 512)
        pe.registers["R"][number] = bits(64, rng.choice((near, near & ~15, rng.getrandbits(64), rng.getrandbits(4))))
    for number in range(32):
        pe.registers["V"][number] = bits(128, rng.getrandbits(128))
    pe.registers["SP_EL0"][0] = bits(64, DATA + 0x1000 + rng.choice((0, 0, 8)))
    pe.registers["PC"][0] = bits(64, DATA + 0x800)
    for flag in "NZCV":
        pe.registers[f"PSTATE.{flag}"][0] = bits(1, rng.randrange(2))
    decoded = decode(word)
    assert decoded is not None
    ended = "end"
    try:
        with executing(pe):
            if traced is None:
                decoded.definition.function(**decoded.operands)
            else:
                execute(traced, pe, decoded.operands)
    except EndOfInstruction:
        pass
    except ArchitecturalException as exception:
        ended = f"{type(exception).__name__} {vars(exception)}"
    return ended, str(pe._next), str(pe._btype_next), bytes(memory), chooser.taken, list(_registers(pe))


def _registers(pe: GoldenPE) -> Iterator[tuple[str, list[str]]]:
    for name, values in pe.registers.items():
        yield name, [_text(value) for value in values]


def _text(value: Bits) -> str:
    return repr(value)
