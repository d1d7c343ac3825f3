"""The native engine gives what golden gives: every definition, from random states."""

from __future__ import annotations

import random

import pytest

from assay64.harness.cases.random_cases import Generator
from assay64.reference import Machine, definitions
from assay64.reference.encoding import Definition
from assay64.reference.machine import Stop
from assay64.reference.pseudocode.processor import REGISTERS

CODE, DATA, SIZE = 0x1000_0000, 0x2000_0000, 0x4000
MODELS = ("max", "cortex-a57", "apple-m1", "apple-m2")
STATES = 12


def machines(model: str) -> tuple[Machine, Machine]:
    """Native and golden, with the same memory map: code, data with a hole around it, a page that cannot be written."""
    made = Machine(model), Machine(model, engine="golden")
    for machine in made:
        machine.map(CODE, 0x1000, "rx")
        machine.map(DATA, SIZE, "rw")
        machine.map(DATA + SIZE, 0x1000, "r")
    return made


def set_random_state(rng: random.Random, pair: tuple[Machine, Machine], word: int) -> None:
    seed = rng.getrandbits(64)
    for machine in pair:
        values = random.Random(seed)
        pc = CODE + 4 * values.randrange(1, 1023)
        machine.write(pc, word.to_bytes(4, "little"))
        machine.write(DATA, values.randbytes(SIZE))
        for number in range(31):
            near = DATA + values.choice((SIZE // 2, SIZE // 2, SIZE, 0, SIZE + 0x1000)) + values.randrange(-256, 256)
            plain = values.choice((near, near, near & ~15, values.getrandbits(64), values.getrandbits(4)))
            machine.set("X", number, plain & (1 << 64) - 1)
        for number in range(32):
            machine.set("V", number, _vector(values))
        machine.set("SP_EL0", 0, DATA + SIZE // 2 + values.choice((0, 0, 0, 8)))
        machine.set("PC", 0, pc)
        machine.set("FPCR", 0, values.choice((0, values.getrandbits(5) << 22 | values.getrandbits(1) << 19)))
        machine.set("FPSR", 0, values.choice((0, 1 << 27)))
        for flag in "NZCV":
            machine.set(f"PSTATE.{flag}", 0, values.randrange(2))
        machine.set("PSTATE.BTYPE", 0, 0)
        for key in range(5):
            machine.set("APKey", key, values.getrandbits(128))


def _vector(rng: random.Random) -> int:
    """A register whose lanes are often the specials of some format."""
    size = rng.choice((16, 32, 64))
    exponent, fraction = {16: (5, 10), 32: (8, 23), 64: (11, 52)}[size]
    lanes = 0
    for low in range(0, 128, size):
        biased = rng.choice(
            (0, 1, (1 << exponent - 1) - 1, (1 << exponent - 1), (1 << exponent) - 1, (1 << exponent) - 2)
        )
        lane = rng.choice(
            (
                rng.getrandbits(size),
                rng.getrandbits(1) << size - 1 | biased << fraction | rng.choice((0, 1, rng.getrandbits(fraction))),
            )
        )
        lanes |= lane << low
    return lanes


def observed(machine: Machine, stop: Stop) -> dict[str, object]:
    """Everything that an instruction can change."""
    exception = stop.exception
    seen: dict[str, object] = {
        "stop": (stop.reason, type(exception).__name__, str(vars(exception)) if exception else ""),
        "memory": machine.read(DATA, SIZE),
    }
    for register in REGISTERS.values():
        for index in range(register.count):
            seen[f"{register.name}{index}"] = machine.get(register.name, index)
    return seen


def differences(pair: tuple[Machine, Machine], stops: tuple[Stop, Stop]) -> dict[str, tuple[object, object]]:
    native, golden = (observed(machine, stop) for machine, stop in zip(pair, stops, strict=True))
    return {name: (native[name], golden[name]) for name in native if native[name] != golden[name]}


@pytest.fixture(scope="module")
def pairs() -> dict[str, tuple[Machine, Machine]]:
    return {model: machines(model) for model in MODELS}


@pytest.mark.parametrize("definition", definitions(), ids=lambda definition: definition.name)
def test_native_does_what_golden_does(definition: Definition, pairs) -> None:
    generator, rng = Generator(seed=1, only=(definition.name,)), random.Random(definition.name)
    for number in range(STATES):
        pair, word = pairs[MODELS[number % 8 % len(MODELS)] if number % 8 < len(MODELS) else "max"], generator.word(rng)
        set_random_state(rng, pair, word)
        stops = tuple(machine.step() for machine in pair)
        assert differences(pair, stops) == {}, f"{word:08x}, number {number}"
