"""Valid inputs mutated at random, and what has to become of each: it is read, or refused in one clear line.

Which inputs there are, and who reads them, the tests say.
"""

from __future__ import annotations

import random
import signal
from collections.abc import Callable, Iterator, Sequence

import pytest

from assay64.harness.errors import AssayError

# Nobody waits so long for one input, however busy the machine is.
HANG_S = 60
LONGEST_MESSAGE = 2000
COUNTS = [pytest.param(250, id="few"), pytest.param(10_000, marks=pytest.mark.nightly, id="10000")]
PIECES = [
    *(
        b"0",
        b"-1",
        b"1e999",
        b"null",
        b"true",
        b"[]",
        b"{}",
        b'""',
        b"18446744073709551616",
        b"0x",
        b"NaN",
        b'"\\ud800"',
    ),
    *(b"\xff\xfe", b"\0", b"[" * 300, b'{"a":' * 300, b"9" * 5000, b"=", b",", b":", b".", b"@", b"\n", b"case:"),
    *(b"\xff" * 8, b"\0" * 8, b"\x7f\xff\xff\xff", b'"', b"'''", b"[[deviation]]", "\u202e\U0001f600".encode()),
]


class Hung(Exception):
    pass


def mutations(seeds: Sequence[bytes], count: int, seed: int = 1) -> Iterator[bytes]:
    """``count`` mutated inputs: bytes flipped, cut, doubled, moved, put in, taken from another input."""
    rng = random.Random(seed)
    for _ in range(count):
        data = bytearray(rng.choice(seeds))
        for _ in range(rng.choice((1, 1, 1, 2, 3, 8))):
            place, kind = rng.randrange(len(data) + 1), rng.randrange(7)
            end = min(len(data), place + rng.choice((1, 1, 2, 4, 8, 64)))
            if kind == 0 and place < len(data):
                data[place] ^= 1 << rng.randrange(8)
            elif kind == 1:
                del data[place:end]
            elif kind == 2:
                data[place:place] = data[place:end]
            elif kind == 3:
                data[place:end] = rng.choice(PIECES)
            elif kind == 4:
                other = rng.choice(seeds)
                start = rng.randrange(len(other) + 1)
                data[place:end] = other[start : start + rng.choice((1, 8, 64, 512))]
            elif kind == 5:
                del data[place:]
            else:
                data[place:end] = bytes(rng.getrandbits(8) for _ in range(end - place))
        yield bytes(data)


def refused_or_read(
    read: Callable[[bytes], object], data: bytes, refusals: type[Exception] | tuple[type[Exception], ...] = AssayError
) -> bool:
    """Whether ``data`` is read; when not, it was refused as a user's mistake is, or by one of ``refusals``."""

    def ring(*_: object) -> None:
        raise Hung

    before = signal.signal(signal.SIGALRM, ring)
    signal.setitimer(signal.ITIMER_REAL, HANG_S)
    try:
        read(data)
    except refusals as error:
        text = str(error)
        assert "\n" not in text, text
        assert 0 < len(text) < LONGEST_MESSAGE, text[:200]
        return False
    except Hung:
        pytest.fail(f"no end within {HANG_S} s: {data[:500]!r}")
    except BaseException as error:
        error.add_note(f"input: {data[:2000]!r}")
        raise
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return True
