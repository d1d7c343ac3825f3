"""How benchmarks measure: contestants take turns in random order, and what counts is a ratio within the same rounds.

A shared machine changes its speed by the minute, so a time alone says little; what disturbs a round disturbs both
sides of its ratio. It knows no backend and prints nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence

import msgspec
import numpy as np

RESAMPLES = 2000
CONFIDENCE = 0.95

# Does one round's work and gives the seconds that it took.
Contestant = Callable[[], float]


class Ratio(msgspec.Struct, frozen=True):
    """A ratio of two times or rates: the median over the rounds, and its confidence interval of 95 %."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:.3g} ({self.low:.3g} to {self.high:.3g})"


def timed(work: Callable[[], object]) -> Contestant:
    """``work`` as a contestant that is timed from outside."""

    def run() -> float:
        begin = time.perf_counter()
        work()
        return time.perf_counter() - begin

    return run


def alternate(
    contestants: Mapping[str, Contestant], rounds: int, *, seed: int = 1, progress: Callable[[], object] | None = None
) -> dict[str, list[float]]:
    """Seconds by contestant, one for each round, after one that is not counted.

    Every round runs every contestant once, in an order drawn from ``seed``, so that none profits from its place.
    ``progress`` is called after each round.
    """
    rng, order = random.Random(seed), list(contestants)
    seconds: dict[str, list[float]] = {name: [] for name in contestants}
    for number in range(rounds + 1):
        rng.shuffle(order)
        for name in order:
            taken = contestants[name]()
            if number:
                seconds[name].append(taken)
        if progress is not None:
            progress()
    return seconds


def ratio(numerators: Sequence[float], denominators: Sequence[float], *, seed: int = 1) -> Ratio:
    """The median of the rounds' own ratios; its interval by the bootstrap over the rounds.

    Both sides are of the same rounds, in the same order. Raises ValueError when they are not as many, or none.
    """
    if len(numerators) != len(denominators) or not numerators:
        raise ValueError(f"{len(numerators)} and {len(denominators)} rounds make no ratio")
    quotients = np.asarray(numerators, np.float64) / np.asarray(denominators, np.float64)
    drawn = np.random.default_rng(seed).integers(0, len(quotients), (RESAMPLES, len(quotients)))
    medians = np.median(quotients[drawn], axis=1)
    low, high = np.quantile(medians, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2])
    return Ratio(float(np.median(quotients)), float(low), float(high))


def repetitions(work: Contestant, at_least_s: float) -> int:
    """How often ``work`` has to be done in a round that lasts ``at_least_s``: a power of two, at least 1."""
    count = 1
    while sum(work() for _ in range(count)) < at_least_s:
        count *= 2
    return count


def geometric_mean(ratios: Sequence[Sequence[float]], *, seed: int = 1) -> Ratio:
    """The geometric mean over several benchmarks, of each the median of its rounds' ratios.

    Its interval is the bootstrap's over the rounds of every benchmark: the benchmarks are chosen, not drawn. Raises
    ValueError when there are none.
    """
    if not ratios or not all(ratios):
        raise ValueError("a geometric mean needs ratios")
    rng = np.random.default_rng(seed)
    logarithms = np.zeros(RESAMPLES)
    value = 0.0
    for rounds in ratios:
        quotients = np.asarray(rounds, np.float64)
        value += float(np.log(np.median(quotients))) / len(ratios)
        drawn = rng.integers(0, len(quotients), (RESAMPLES, len(quotients)))
        logarithms += np.log(np.median(quotients[drawn], axis=1)) / len(ratios)
    low, high = np.exp(np.quantile(logarithms, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2]))
    return Ratio(float(np.exp(value)), float(low), float(high))
