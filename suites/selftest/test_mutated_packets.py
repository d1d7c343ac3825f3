"""What crosses the border to a backend, mutated at random: the frames of programs, both ways, and the configuration
that a library reads. Never a traceback, a hang or a crash, and no memory for what was only announced.

In the nightly run there are 10,000 of each kind.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from assay64.harness.backends import registry
from assay64.harness.backends.contract import BackendDied, Unsupported
from assay64.harness.backends.dynarmic import build
from assay64.harness.backends.library import config_text
from assay64.harness.backends.program import ProgramBackend
from assay64.harness.backends.program.connection import Connection, ProgramError, ProtocolError
from assay64.harness.backends.program.instance import ProgramBatchInstance
from assay64.harness.backends.program.protocol import HEADER, Kind
from assay64.harness.cases.batches import batch_key, batch_of
from assay64.harness.cases.case import Environment
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.tokens import from_token
from assay64.harness.cli import invoke
from assay64.harness.compiling import shared_library
from assay64.harness.errors import AssayError
from assay64.harness.judge.execute import Executor
from assay64.suites.selftest._mutations import COUNTS, mutations, refused_or_read

TOY = Path(registry.__file__).parent / "examples" / "program" / "toy.py"
TOKENS = ("91000420:x1=41", "f9400020:x1=0x20000000,fill=3", "f9000020:x0=77,x1=0x20000ff8", "d503201f.91000420:x1=1")
# ValueError: a state that no machine can have, which the worker makes the error of its case.
REFUSALS = (AssayError, Unsupported, ProtocolError, ProgramError, BackendDied, ValueError)
SIZES = (0, 1, 7, 8, 15, 39, (1 << 26) + 1, (1 << 32) - 1, 1 << 32, 1 << 40, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)
MOST_MEMORY_BYTES = 400 << 20


def toy() -> dict[str, Any]:
    """The example's functions."""
    code, found = TOY.read_text("utf-8").partition("if len(sys.argv) == 1:")[0], {"__name__": "toy"}
    exec(compile(code, TOY, "exec"), found)  # noqa: S102 - it serves as soon as it is imported
    return found


class Recorded:
    """In the place of a Connection: the toy in this process, and both sides' frames."""

    def __init__(self) -> None:
        self.requests, self.answers = list[bytes](), list[bytes]()
        self.asking, self.broken = threading.RLock(), False
        self._toy, self._machines, self._waiting = toy(), dict[int, Any](), list[bytes]()

    def ask(self, kind: Kind, machine: int, payload: bytes) -> bytes:
        self.send(kind, machine, payload)
        return self.answer(kind)

    def send(self, kind: Kind, machine: int, payload: bytes) -> None:
        self.requests.append(HEADER.pack(kind, machine, len(payload)) + payload)
        self._waiting += self._toy["answer"](self._machines, kind, machine, payload)

    def answer(self, kind: Kind) -> bytes:
        found = self._waiting.pop(0)
        self.answers.append(HEADER.pack(kind, 0, len(found)) + found)
        return found

    def within(self, seconds: float) -> contextlib.AbstractContextManager[None]:
        del seconds
        return contextlib.nullcontext()

    def close(self) -> None: ...


def session(connect: Any) -> None:
    """Greetings, a few cases, and a batch."""
    backend = ProgramBackend("exec:toy")
    backend._connect = connect  # type: ignore[method-assign]  # pyright: ignore[reportPrivateUsage]
    executor = Executor(backend, kept_instances=0)
    cases = [from_token(token) for token in TOKENS]
    for case in cases:
        executor.execute(case)
    key = batch_key(cases[0], backend.capabilities())
    instance = backend.create(Environment())
    if key is not None and isinstance(instance, ProgramBatchInstance):
        instance.run_batch(batch_of([cases[0], cases[3]], key), HostMemory(4096))
        instance.close()


@pytest.fixture(scope="module")
def recorded() -> Recorded:
    found = Recorded()
    session(lambda: found)
    found.answers.pop(0)  # of the connection that asks for the capabilities alone
    found.requests.pop(0)
    return found


def broken_frames(frames: Sequence[bytes], count: int) -> Iterator[bytes]:
    """Streams of frames: half of them mutated anywhere, half with a frame that is wrong as a whole."""
    yield from mutations([b"".join(frames)], count // 2)
    rng = random.Random(2)
    for _ in range(count - count // 2):
        stream = list(frames)
        index = rng.randrange(len(stream))
        kind, number, size = HEADER.unpack(stream[index][: HEADER.size])
        payload = stream[index][HEADER.size :]
        match rng.randrange(6):
            case 0:
                size = rng.choice((*SIZES, size + rng.randrange(-9, 10) & (1 << 64) - 1))
            case 1:
                kind = rng.choice((0, *Kind, 18, (1 << 32) - 1))
            case 2:
                number = rng.choice((0, 1, 2, 3, (1 << 31), (1 << 32) - 1))
            case 3:
                payload = payload[: rng.randrange(len(payload) + 1)]
                size = len(payload)
            case 4:
                payload += bytes(rng.choice((1, 8, 24, 1000)))
                size = len(payload)
            case _:
                place = 8 * rng.randrange(len(payload) // 8 + 1)
                payload = payload[:place] + rng.choice(SIZES).to_bytes(8, "little") + payload[place + 8 :]
                size = len(payload)
        stream[index] = HEADER.pack(kind, number, size) + payload
        if rng.randrange(4) == 0:
            del stream[rng.randrange(len(stream)) :]  # it ends early
        yield b"".join(stream)


@pytest.fixture
def little_memory() -> Iterator[None]:
    """Whoever allocates what a header announces fails, or is found out."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown * (1 if sys.platform == "darwin" else 1024) < MOST_MEMORY_BYTES


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("count", COUNTS)
def test_answers_of_a_program(count: int, recorded: Recorded) -> None:
    with tempfile.TemporaryFile() as answers, Path(os.devnull).open("wb") as requests:

        def read(data: bytes) -> None:
            answers.seek(0)
            answers.truncate()
            answers.write(data)
            answers.flush()

            def connect() -> Connection:
                ours: BinaryIO = os.fdopen(os.dup(answers.fileno()), "rb")
                ours.seek(0)
                return Connection("the program", os.fdopen(os.dup(requests.fileno()), "wb"), ours, None)

            session(connect)

        assert refused_or_read(read, b"".join(recorded.answers), REFUSALS)
        results = [refused_or_read(read, data, REFUSALS) for data in broken_frames(recorded.answers, count)]
    assert 0 < sum(results) < count


@pytest.mark.usefixtures("little_memory")
@pytest.mark.parametrize("count", COUNTS)
def test_requests_to_the_example(count: int, recorded: Recorded, capsys: Any) -> None:
    serve, seen = toy()["serve"], Counter[int]()

    def read(data: bytes) -> None:
        answers = io.BytesIO()
        serve(io.BytesIO(data), answers)
        told = capsys.readouterr().err
        assert told.count("\n") <= 1
        assert "toy cannot read" in told or not told
        answers.seek(0)
        while header := answers.read(HEADER.size):
            _, status, size = HEADER.unpack(header)
            text = answers.read(size)
            assert len(text) == size
            assert status == 0 or (text and b"\n" not in text), text
            seen[status] += 1

    assert refused_or_read(read, b"".join(recorded.requests))
    assert set(seen) == {0}
    assert all(refused_or_read(read, data) for data in broken_frames(recorded.requests, count))
    assert set(seen) == {0, 1, 2}  # it says what is wrong, and goes on


@pytest.mark.parametrize(
    ("program", "says"),
    [
        ("import os; os.write(1, bytes([1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255, 0, 0, 0, 0]))", "what is no frame"),
        (
            "import sys; sys.stderr.write('lorem ipsum ' * 1000000 + chr(10)); print('what it prints is no frame')",
            "what is no frame",
        ),
        ("import sys; sys.stderr.write('lorem ipsum ' * 1000000 + chr(10))", "ended: exit status 0"),
        ("import os; os.write(1, bytes([1, 0, 0]))", "ended: exit status 0"),
    ],
    ids=["4 GiB", "much on standard error", "and nothing else", "an early end"],
)
def test_a_program_of_nonsense_is_one_line(program: str, says: str, tmp_path: Path, capsys: Any) -> None:
    path = tmp_path / "wrong.py"
    path.write_text(program, "utf-8")
    backend = f"exec:{sys.executable} {path}"
    for command in (["replay", TOKENS[0]], ["check-backend"], ["fuzz", "--cases", "2"]):
        arguments = [*command, backend] if command == ["check-backend"] else [*command, "--backend", backend]
        assert invoke(arguments) == 3
        told = capsys.readouterr().err.splitlines()
        assert len(told) == 1
        assert says in told[0]


# Makes machines of mutated configurations, in a process that may crash: prints how many there were of each status.
CREATE = """
import ctypes, json, sys
from assay64.suites.selftest._mutations import mutations
path, seeds, count = json.loads(sys.stdin.read())
library = ctypes.CDLL(path)
create, destroy = library.assay64_create, library.assay64_destroy
create.argtypes = [ctypes.c_char_p, ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t]
destroy.argtypes = [ctypes.c_void_p]
statuses = [0, 0, 0]
for number, config in enumerate(mutations([seed.encode() for seed in seeds], count)):
    handle = ctypes.c_void_p()
    size = (256, 256, 256, 1, 0)[number % 5]
    error = ctypes.create_string_buffer(b"?" * 300)
    status = create(config.replace(b"\\0", b""), ctypes.byref(handle), error, size)
    statuses[status] += 1
    assert error.raw[size:300] == b"?" * (300 - size), "written behind the end"
    if status == 0:
        assert handle.value, "no machine"
        destroy(handle)
    elif size == 256:
        assert 0 < len(error.value) < size and b"\\n" not in error.value, error.value
print(json.dumps(statuses))
"""


def created(path: Path, more: dict[str, int], count: int) -> list[int]:
    """How many mutated configurations were ok, unsupported and an error."""
    environment = {name: getattr(Environment(), name) for name in Environment.__struct_fields__}
    seeds = [config_text({"vcpus": 1, **environment, **more}), config_text({"vcpus": 1, **environment})]
    done = subprocess.run(
        [sys.executable, "-c", CREATE],
        input=json.dumps([str(path), seeds, count]), capture_output=True, text=True, timeout=1800, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return json.loads(done.stdout)


@pytest.mark.parametrize("count", COUNTS)
def test_configurations_of_the_example(count: int) -> None:
    source = Path(registry.__file__).parent / "examples" / "library" / "toy.c"
    ok, unsupported, errors = created(shared_library(source), {}, count)
    assert (ok > 0, unsupported > 0, errors) == (True, True, 0)


@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.skipif(build.missing() is not None, reason=str(build.missing()))
def test_configurations_of_dynarmic(count: int) -> None:
    more = {"code_cache_size": 8 << 20, "fast_dispatch": 0, "return_stack_buffer": 1, "optimiser": 0}
    ok, unsupported, errors = created(build.build(), more, count)
    assert (ok > 0, unsupported > 0, errors) == (True, True, 0)
