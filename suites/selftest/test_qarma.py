"""QARMA5 against the vector of its paper, and against a second writing of it."""

import random

import pytest

from assay64.reference.bits import bits
from assay64.reference.pseudocode.pointer_authentication import ComputePACQARMA5, TweakInvShuffle, TweakShuffle
from assay64.suites.pointers import KEY, qarma5

# R. Avanzi, "The QARMA Block Cipher Family", ToSC 2017(1), test vectors: QARMA-64, r = 5, sigma2.
PLAINTEXT, TWEAK, CIPHERTEXT = 0xFB62_3599_DA6E_8127, 0x477D_469D_EC0B_8762, 0xC003_B939_99B3_3765


def compute(data: int, tweak: int, key: int) -> int:
    halves = bits(64, key >> 64), bits(64, key & (1 << 64) - 1)
    return int(ComputePACQARMA5(bits(64, data), bits(64, tweak), *halves))


def test_the_vector_of_the_paper() -> None:
    assert compute(PLAINTEXT, TWEAK, KEY) == CIPHERTEXT
    assert qarma5(PLAINTEXT, TWEAK, KEY) == CIPHERTEXT


@pytest.mark.parametrize("seed", range(4))
def test_two_writings_agree(seed: int) -> None:
    rng = random.Random(seed)
    for _ in range(25):
        inputs = rng.getrandbits(64), rng.getrandbits(64), rng.getrandbits(128)
        assert compute(*inputs) == qarma5(*inputs)


def test_the_tweak_is_restored() -> None:
    for value in (0, TWEAK, (1 << 64) - 1):
        assert int(TweakInvShuffle(TweakShuffle(bits(64, value)))) == value
