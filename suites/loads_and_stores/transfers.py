"""What loads and stores of one register have in common, for the tables of the modules beside this one.

A mnemonic is a pattern whose ``{}`` takes the letter of the addressing mode: ``ld{}rsb`` is LDRSB, LDURSB or LDTRSB.
"""

from __future__ import annotations

from typing import NamedTuple

import pytest

# The top bit of its byte, halfword, word and doubleword is set.
NEGATIVE = 0x8877_6655_C4B3_A291
# What a destination holds before, so that a bit left over from it is seen.
GARBAGE = 0xDEAD_BEEF_DEAD_BEEF
# Nothing is mapped there.
UNMAPPED = 0x3000_0000


class Load(NamedTuple):
    """A load to ``register`` (``w0`` or ``x0``), and what X0 holds after it has read NEGATIVE."""

    mnemonic: str
    register: str
    size_bytes: int
    result: int


class Store(NamedTuple):
    """A store of ``register`` (``w0`` or ``x0``), and the bytes that it writes when X0 is NEGATIVE."""

    mnemonic: str
    register: str
    data: bytes

    @property
    def size_bytes(self) -> int:
        return len(self.data)


LOADS = (
    Load("ld{}rb", "w0", 1, 0x91),
    Load("ld{}rh", "w0", 2, 0xA291),
    Load("ld{}r", "w0", 4, 0xC4B3_A291),
    Load("ld{}r", "x0", 8, 0x8877_6655_C4B3_A291),
    Load("ld{}rsb", "w0", 1, 0x0000_0000_FFFF_FF91),
    Load("ld{}rsb", "x0", 1, 0xFFFF_FFFF_FFFF_FF91),
    Load("ld{}rsh", "w0", 2, 0x0000_0000_FFFF_A291),
    Load("ld{}rsh", "x0", 2, 0xFFFF_FFFF_FFFF_A291),
    Load("ld{}rsw", "x0", 4, 0xFFFF_FFFF_C4B3_A291),
)
STORES = (
    Store("st{}rb", "w0", bytes.fromhex("91")),
    Store("st{}rh", "w0", bytes.fromhex("91 a2")),
    Store("st{}r", "w0", bytes.fromhex("91 a2 b3 c4")),
    Store("st{}r", "x0", bytes.fromhex("91 a2 b3 c4 55 66 77 88")),
)


def _name(transfer: Load | Store) -> str:
    return f"{transfer.mnemonic.format('')}-{transfer.register}"


every_load = pytest.mark.parametrize("load", LOADS, ids=_name)
every_store = pytest.mark.parametrize("store", STORES, ids=_name)
