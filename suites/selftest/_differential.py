"""The native engine against golden, an instruction at a time from many random states: drawn, loaded and compared
without going through registers one by one, so that thousands for each definition are a matter of a second.

An ``Arena`` is a CPU model under certain controls, as two machines with the same memory map. What a definition's fields
mean is known only as far as an address has to lead somewhere.
"""

from __future__ import annotations

import mmap
import random
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple

from assay64.harness.cases.random_cases import Generator, corner_fpcr, corner_integer, corner_vector
from assay64.harness.cases.state import FPSR_MASK
from assay64.reference import Definition, Machine, TableSizes, decode
from assay64.reference.bits import Constant
from assay64.reference.engines.accesses import Controls, MonitoredAccess
from assay64.reference.engines.native.layout import CONTEXT
from assay64.reference.machine import DEFAULT_SCTLR
from assay64.reference.pseudocode.exceptions import ArchitecturalException
from assay64.reference.pseudocode.processor import REGISTERS

MASK64 = (1 << 64) - 1
PAGE = 0x1000
CODE, GUARDED, DATA, TOP, UPPER = 0x1000_0000, 0x1000_1000, 0x2000_0000, -PAGE & MASK64, 0xFFFF_8000_0000_0000
# Pages of memory from DATA on: permissions, D for device memory, None for a hole.
PAGES = ("rw", "rw", "r", "rw", "rwD", "rw", "w", "rw", None, "rw", "x")
SIZE = PAGE * (len(PAGES) + 3)  # and a page at 0, the last page, one in the upper half
MODELS = ("max", "cortex-a57", "max", "apple-m2", "max", "apple-m1")
CONTROLS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "strict": {"SCTLR_EL1": DEFAULT_SCTLR | 1 << 1},
    "tags": {"SCTLR_EL1": DEFAULT_SCTLR | 1 << 6, "top_byte_ignore": True},
    "any-sp": {"SCTLR_EL1": DEFAULT_SCTLR & ~(3 << 3), "dc_zva_size": 128, "exclusives_granule": 16},
    "no-fp": {"CPACR_EL1": 0},
    "keys": {"SCTLR_EL1": DEFAULT_SCTLR | 0xC800_2000 | 1 << 35, "address_bits": 39},
    "el1": {},
}
VARIANTS = tuple(CONTROLS)
WORDS, STATES_OF_WORD, BATCH = 96, 8, 128
_POOL, _VALUES = 64, 8192
_END = CONTEXT["btype_next"]  # what comes before is architectural
_SINGLES = tuple(
    (name, CONTEXT[name], REGISTERS[name].width) for name in REGISTERS if name.startswith(("PSTATE.", "Event"))
)
_INTEGERS = ("Rn", "Rm", "Rt", "Rs", "Ra", "Rd", "Rt2")


class Difference(NamedTuple):
    """Where the engines disagree: the word, and the number of the state."""

    arena: str
    word: int
    number: int
    what: dict[str, tuple[Any, Any]]


class Values:
    """Values to choose from, made once: constants that golden takes as they are."""

    def __init__(self) -> None:
        rng = random.Random(64)
        self.integers = [Constant(64, corner_integer(rng)) for _ in range(_VALUES)]
        self.vectors = [Constant(128, corner_vector(rng)) for _ in range(_VALUES)]
        self.files = [
            (rng.choices(self.integers, k=31), rng.choices(self.vectors, k=32), rng.choices(self.vectors, k=5))
            for _ in range(_POOL)
        ]
        self.rows = [_packed_file(*file) for file in self.files]


def _packed_file(r: Sequence[Constant], v: Sequence[Constant], keys: Sequence[Constant]) -> bytes:
    row = bytearray(_END)
    for name, registers, size in (("R", r, 8), ("V", v, 16), ("APKey", keys, 16)):
        packed = b"".join(register.value.to_bytes(size, "little") for register in registers)
        row[CONTEXT[name] : CONTEXT[name] + len(packed)] = packed
    return bytes(row)


@cache
def values() -> Values:
    return Values()


@cache
def constant(width: int, value: int) -> Constant:
    return Constant(width, value)


class Arena:
    """Two machines, native and golden, that differ in nothing but the engine."""

    def __init__(self, model: str, variant: str) -> None:
        self.name = f"{model}, {variant}"
        options = {"SCTLR_EL1": DEFAULT_SCTLR, **CONTROLS[variant]}
        self.tags = bool(options.get("top_byte_ignore"))
        self._memories: list[tuple[mmap.mmap, mmap.mmap]] = []
        machines = [self._machine(model, engine, Controls(**options)) for engine in ("native", "golden")]
        self.level = int(variant == "el1")
        for machine in machines:
            machine.set("PSTATE.SP", 0, self.level)
            machine.set("PSTATE.EL", 0, self.level)
        self.native, self.golden = machines[0].native[0], machines[1].elements[0]
        self.native_memory, self.golden_memory = (memory for _, memory in self._memories)
        self.pristine = bytes(SIZE)

    def _machine(self, model: str, engine: str, controls: Controls) -> Machine:
        machine = Machine(model, engine=engine, controls=controls, sizes=TableSizes(code_pages=4))
        code, memory = mmap.mmap(-1, 2 * PAGE), mmap.mmap(-1, SIZE)
        self._memories.append((code, memory))
        view = memoryview(code)
        machine.space.map(CODE, view, 0, PAGE, "rx")
        machine.space.map(GUARDED, view, PAGE, PAGE, "rx", guarded=True)
        view = memoryview(memory)
        for number, permissions in enumerate(PAGES):
            if permissions is not None:
                machine.space.map(
                    DATA + PAGE * number, view, PAGE * number, PAGE, permissions.strip("D"), device="D" in permissions
                )
        for number, address in enumerate((0, TOP, UPPER), len(PAGES)):
            machine.space.map(address, view, PAGE * number, PAGE, "rw")
        machine.set("PC", 0, CODE)
        return machine

    def fill(self, rng: random.Random) -> None:
        """New contents of memory."""
        self.pristine = rng.randbytes(SIZE)
        self.native_memory[:] = self.golden_memory[:] = self.pristine

    def put(self, pc: int, word: int) -> None:
        for code, _ in self._memories:
            code[pc - CODE : pc - CODE + 4] = word.to_bytes(4, "little")

    def differ(self, state: State) -> dict[str, tuple[Any, Any]]:
        """Execute an instruction from a state under both engines: what is different, native's first."""
        native, golden = self.native, self.golden
        context = native.context.bytes
        context[:_END] = memoryview(state.row)
        state.load(golden)
        golden.executed = native.executed
        golden.set_monitor(state.held)
        if state.held is None:
            native.clear_exclusive()
        else:
            native.set_monitor(state.held)
        ends = [_step(engine) for engine in (native, golden)]
        found: dict[str, tuple[Any, Any]] = {}
        if ends[0] != ends[1]:
            found["exception"] = ends[0], ends[1]
        context[CONTEXT["sink"] : CONTEXT["sink"] + 8] = 0
        expected, got = state.after(golden), context[:_END].tobytes()
        if got != expected:
            found |= _different_registers(got, expected)
        if (held := native.monitor()) != golden.monitor():
            found["monitor"] = held, golden.monitor()
        if native.executed != golden.executed:
            found["executed"] = native.executed, golden.executed
        native_memory, golden_memory = self.native_memory[:], self.golden_memory[:]
        if native_memory != golden_memory:
            at = next(at for at in range(SIZE) if native_memory[at] != golden_memory[at])
            found[f"memory +{at:#x}"] = native_memory[at : at + 16].hex(), golden_memory[at : at + 16].hex()
        if golden_memory != self.pristine or found:
            self.native_memory[:] = self.golden_memory[:] = self.pristine
        return found


def _step(engine: Any) -> tuple[str, str]:
    try:
        engine.step()
    except ArchitecturalException as exception:
        return type(exception).__name__, str(vars(exception))
    return "", ""


def _different_registers(got: bytes, expected: bytes) -> dict[str, tuple[str, str]]:
    names = sorted((offset, name) for name, offset in CONTEXT.offsets.items() if offset < _END)
    found: dict[str, tuple[str, str]] = {}
    for (offset, name), (end, _) in zip(names, [*names[1:], (_END, "")], strict=True):
        size = {"R": 8, "V": 16, "APKey": 16}.get(name, end - offset)
        for at in range(offset, end, size):
            if got[at : at + size] != expected[at : at + size]:
                index = (at - offset) // size
                found[f"{name}[{index}]"] = got[at : at + size][::-1].hex(), expected[at : at + size][::-1].hex()
    return found


class State:
    """Registers before an instruction, as golden's constants and as the bytes of the native engine's context."""

    def __init__(self, rng: random.Random, arena: Arena, pc: int, operands: Mapping[str, int], group: str) -> None:
        pool, number = values(), rng.randrange(_POOL)
        r, v, keys = pool.files[number]
        self.r, self.v, self.keys = list(r), list(v), keys
        self.row = bytearray(pool.rows[number])
        self.singles = {
            "PC": pc,
            "SP": _address(rng, arena) & (-1 if rng.randrange(8) == 0 else -16),
            "FPCR": 0 if rng.randrange(3) == 0 else corner_fpcr(rng),
            "FPSR": 0 if rng.randrange(3) else rng.getrandbits(32) & FPSR_MASK,
            "TPIDR_EL0": rng.getrandbits(64),
            "TPIDRRO_EL0": 7,
        }
        self.small = {name: rng.getrandbits(width) for name, _, width in _SINGLES}
        self.small |= {"PSTATE.EL": arena.level, "PSTATE.SP": arena.level, "PSTATE.IL": int(rng.randrange(256) == 0)}
        if "FEAT_BTI" not in arena.golden.model.features or rng.randrange(4):
            self.small["PSTATE.BTYPE"] = 0
        self.held: MonitoredAccess | None = None
        self._steer(rng, arena, operands, group)
        self._pack()

    def _steer(self, rng: random.Random, arena: Arena, operands: Mapping[str, int], group: str) -> None:
        for name in _INTEGERS:
            if (register := operands.get(name, 31)) != 31:
                self._set_r(register, rng.choice(values().integers))
            if name in operands:
                self._set_v(operands[name], rng.choice(values().vectors))
        base = operands.get("Rn", operands.get("Rt", 31))
        if group == "loads_and_stores" or "CRm" in operands:
            self._steer_access(rng, arena, base, operands)
        elif "Rm" not in operands and base != 31 and rng.randrange(2):
            self._set_r(base, Constant(64, rng.choice((CODE, GUARDED)) + 4 * rng.randrange(1024)))

    def _steer_access(self, rng: random.Random, arena: Arena, base: int, operands: Mapping[str, int]) -> None:
        where = _address(rng, arena)
        if base != 31:
            self._set_r(base, Constant(64, where))
        elif rng.randrange(4) == 0:
            self.singles["SP"] = where
        offset = operands.get("Rm", 31)
        if offset not in (31, base) and rng.randrange(4):
            self._set_r(offset, Constant(64, rng.randrange(-64, 64) & MASK64))
        where = self.singles["SP"] if base == 31 else where
        compared, at = operands.get("Rs", 31), where - DATA
        if compared not in (31, base) and 0 <= at < SIZE - 16 and rng.randrange(2):
            for number in range(2):
                found = arena.pristine[at + 8 * number : at + 8 * number + 8]
                if compared + number not in (31, base):
                    self._set_r(compared + number, Constant(64, int.from_bytes(found, "little")))
        if rng.randrange(2):
            size = rng.choice((1, 2, 4, 8, 8, 16, 16))
            address = arena.golden.untagged(where)
            if arena.golden.space.page(address) and arena.golden.space.page(address + size - 1 & MASK64):
                self.held = MonitoredAccess(address, size)

    def _set_r(self, number: int, value: Constant) -> None:
        self.r[number] = value
        at = CONTEXT["R"] + 8 * number
        self.row[at : at + 8] = value.value.to_bytes(8, "little")

    def _set_v(self, number: int, value: Constant) -> None:
        self.v[number] = value
        at = CONTEXT["V"] + 16 * number
        self.row[at : at + 16] = value.value.to_bytes(16, "little")

    def _pack(self) -> None:
        row = self.row
        for name, value in self.singles.items():
            offset = CONTEXT["sp" if name == "SP" else name]
            row[offset : offset + 8] = value.to_bytes(8, "little")
        for name, offset, _ in _SINGLES:
            row[offset] = self.small[name]

    def load(self, golden: Any) -> None:
        registers = golden.registers
        registers["R"], registers["V"], registers["APKey"] = list(self.r), list(self.v), list(self.keys)
        for name, value in self.singles.items():
            stack = "SP_EL1" if self.small["PSTATE.SP"] else "SP_EL0"
            registers[stack if name == "SP" else name] = [Constant(64, value)]
        for name, _, width in _SINGLES:
            registers[name] = [constant(width, self.small[name])]

    def after(self, golden: Any) -> bytes:
        """The row as golden's registers are now."""
        row, registers = self.row, golden.registers
        for name, before, size in (("R", self.r, 8), ("V", self.v, 16)):
            for number, (old, new) in enumerate(zip(before, registers[name], strict=True)):
                if new is not old:
                    at = CONTEXT[name] + size * number
                    row[at : at + size] = int(new).to_bytes(size, "little")
        for name in self.singles:
            stack = "SP_EL1" if self.small["PSTATE.SP"] else "SP_EL0"
            at = CONTEXT["sp" if name == "SP" else name]
            row[at : at + 8] = int(registers[stack if name == "SP" else name][0]).to_bytes(8, "little")
        for name, offset, _ in _SINGLES:
            row[offset] = int(registers[name][0])
        return bytes(row)


def _address(rng: random.Random, arena: Arena) -> int:
    """Mostly near the border of two pages, aligned or not; with a tag where it is ignored."""
    kind = rng.randrange(16)
    if kind == 0:
        where = rng.choice((0, TOP, UPPER, UPPER + PAGE, rng.getrandbits(64))) + rng.randrange(-32, 32)
    elif kind < 5:
        where = DATA + PAGE * rng.randrange(len(PAGES) + 1) + rng.randrange(-48, 48)
    elif kind < 11:
        where = DATA + rng.randrange(2 * PAGE) & -16
    else:
        where = DATA + rng.randrange(PAGE * len(PAGES)) & -rng.choice((1, 4, 8, 16))
    where &= MASK64
    if arena.tags and rng.randrange(2):
        where = where & (1 << 56) - 1 | rng.getrandbits(8) << 56
    return where


@cache
def arena(model: str, variant: str) -> Arena:
    return Arena(model, variant)


def words(definition: Definition, rng: random.Random) -> list[int]:
    """Words of a definition, some with should-be bits that are wrong."""
    generator = Generator(seed=1, only=(definition.name,))
    found = [generator.word(rng) for _ in range(WORDS)]
    should_be = definition.pattern.should_be_mask
    for word in found[: WORDS // 16] if should_be else ():
        wrong = word ^ (1 << rng.choice([bit for bit in range(32) if should_be >> bit & 1]))
        if (decoded := decode(wrong)) and decoded.definition is definition:
            found.append(wrong)
    return found


def differences(definition: Definition, states: int, seed: int = 0) -> Iterator[Difference]:
    """Execute instructions of a definition from at least ``states`` states, on every model, under every kind of
    controls.
    """
    rng = random.Random(f"{definition.name}:{seed}")
    drawn = words(definition, rng)
    for number in range(-(-states // BATCH)):
        model = MODELS[number % len(MODELS)]
        # Every second batch is under the default controls.
        variant = VARIANTS[number // 2 % len(VARIANTS)] if number % 2 else "default"
        one = arena(model, variant)
        one.fill(rng)
        for place, word in enumerate(rng.sample(drawn, BATCH // STATES_OF_WORD)):
            decoded = decode(word)
            operands = {name: int(value) for name, value in decoded.operands.items()} if decoded else {}
            pc = rng.choice((CODE, CODE, CODE, GUARDED)) + rng.choice((4 * rng.randrange(1024), PAGE - 4))
            one.put(pc, word)
            for state in range(STATES_OF_WORD):
                found = one.differ(State(rng, one, pc, operands, definition.group))
                if found:
                    yield Difference(one.name, word, BATCH * number + STATES_OF_WORD * place + state, found)
