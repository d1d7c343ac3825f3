"""What random cases of pointer authentication and branch targets need beyond registers at random: keys, controls that
enable them, and pointers whose code is right.

A code is right by chance once in some 2**15 cases, so the reference signs half of the pointers that are checked. This
module knows which register of an instruction is the pointer and which the modifier, by its fields and mnemonic.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from assay64.harness.cases.case import CODE_ADDRESS, DATA_REGION, SCTLR_EL1, Environment
from assay64.harness.cases.state import MASK64, PAC_KEYS
from assay64.reference import decode, model
from assay64.reference.bits import bits
from assay64.reference.engines.accesses import Controls, ModelChooser
from assay64.reference.engines.golden import GoldenPE
from assay64.reference.memory import AddressSpace
from assay64.reference.pseudocode.pointer_authentication import AddPAC
from assay64.reference.pseudocode.processor import executing

FEATURES = frozenset({"FEAT_PAuth"})
# SCTLR_EL1: the bits that enable the keys, in the order of PAC_KEYS.
ENABLES = (1 << 31, 1 << 30, 1 << 27, 1 << 13)
ADDRESS_BITS = (48, 48, 48, 47, 42, 39, 36)
_DATA_MIDDLE = DATA_REGION[0] + DATA_REGION[1] // 2
# Where PSTATE.BTYPE matters, or is set.
BRANCH_TARGETS = frozenset({"branch_register", "branch_register_authenticated", "branch_target_identification"})


class Operands(NamedTuple):
    """The registers of the pointer and the modifier (None: zero), the key's number, and whether the code is checked."""

    pointer: str
    modifier: str | None
    key: int
    checked: bool


def operands_of(word: int) -> Operands | None:
    """What ``word`` signs, checks or strips; None for other instructions, and for the zero register."""
    decoded = decode(word)
    if decoded is None:
        return None
    fields = {name: int(value) for name, value in decoded.operands.items()}
    pointer, modifier, checked = fields.get("Rd", 31), 31, False
    match decoded.definition.name:
        case "pointer_authentication":
            modifier, key, checked = fields["Rn"], fields["opc"] & 3, bool(fields["opc"] & 4)
            zero = bool(fields["Z"])
        case "pointer_authentication_strip":
            key, zero = 0, True
        case "hint_strip":
            pointer, key, zero = 30, 0, True
        case "hint_authentication_1716":
            pointer, modifier, key, zero, checked = 17, 16, fields["B"], False, bool(fields["A"])
        case "hint_authentication":
            pointer, key, zero, checked = 30, fields["B"], not fields["S"], bool(fields["A"])
        case "branch_register_authenticated":
            returns = fields["opc"] == 2
            pointer, modifier = 30 if returns else fields["Rn"], fields["Rm"]
            key, zero, checked = fields["M"], not returns and not fields["Z"], True
        case "load_register_authenticated":
            pointer, key, zero, checked = fields["Rn"], 2 + fields["M"], True, True
            if pointer == 31:
                return Operands("sp", None, key, checked)
        case _:
            return None
    if pointer == 31:
        return None
    return Operands(f"x{pointer}", None if zero else "sp" if modifier == 31 else f"x{modifier}", key, checked)


def corner_pointer(rng: random.Random, address_bits: int) -> int:
    """A pointer into either half of the address space, with a tag, or with bits above the address that are wrong."""
    low = rng.choice((rng.getrandbits(address_bits), _DATA_MIDDLE, CODE_ADDRESS, 0, (1 << address_bits) - 1))
    above = MASK64 & ~((1 << address_bits) - 1)
    pointer = low | (above if rng.randrange(2) else 0)
    kind = rng.randrange(6)
    if kind == 0:
        return pointer ^ rng.getrandbits(8) << 56
    if kind == 1:
        return pointer ^ 1 << rng.choice((63, 62, 56, 55, 54, 53, address_bits, address_bits - 1))
    if kind == 2:
        return pointer ^ rng.getrandbits(64) & above
    return pointer


def sign(pointer: int, modifier: int, key: int, environment: Environment) -> int:
    """``pointer`` with its code under a key of 128 bits, as the reference's implementation makes it."""
    cpu = model(environment.model)
    controls = Controls(
        SCTLR_EL1=environment.sctlr_el1,
        top_byte_ignore=environment.top_byte_ignore,
        address_bits=environment.address_bits,
    )
    pe = GoldenPE(space=AddressSpace(), model=cpu, controls=controls, chooser=ModelChooser(cpu))
    with executing(pe):
        return int(AddPAC(bits(64, pointer), bits(64, modifier), bits(128, key)))


def corner_environment(rng: random.Random, environment: Environment) -> Environment:
    """All keys enabled, mostly; addresses of several widths, with and without an ignored top byte."""
    enabled = sum(bit for bit in ENABLES if rng.randrange(16))
    return msgspec.structs.replace(
        environment,
        sctlr_el1=SCTLR_EL1 | enabled,
        top_byte_ignore=rng.randrange(3) == 0,
        address_bits=rng.choice(ADDRESS_BITS),
    )


def steer_pointers(
    rng: random.Random, words: Sequence[int], environment: Environment, registers: dict[str, int]
) -> None:
    """Put keys into ``registers``, and pointers that the instructions can work on, the first one's last."""
    for name in PAC_KEYS:
        registers[name] = rng.getrandbits(128)
    for word in reversed(words):
        operands = operands_of(word)
        if operands is None:
            continue
        pointer = registers[operands.pointer]
        decoded = decode(word)
        group = decoded.definition.name if decoded is not None else ""
        if group == "load_register_authenticated":
            pointer = pointer if rng.randrange(4) else corner_pointer(rng, environment.address_bits)
            if operands.pointer != "sp" and rng.randrange(2):
                registers["sp"] = 0  # as the zero register, for which an engine might take it
        elif group == "branch_register_authenticated" and rng.randrange(4):
            pointer = CODE_ADDRESS + 4 * rng.randrange(-4, 12)
        elif rng.randrange(8):
            pointer = corner_pointer(rng, environment.address_bits)
        if operands.checked and operands.pointer != operands.modifier and rng.randrange(3):
            modifier = registers[operands.modifier] if operands.modifier else 0
            pointer = sign(pointer, modifier, registers[PAC_KEYS[operands.key]], environment)
            if rng.randrange(8) == 0:  # one bit off
                pointer ^= 1 << rng.randrange(64)
        registers[operands.pointer] = pointer
