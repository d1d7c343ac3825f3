"""The child process that runs a backend: ``python -m assay64.harness.judge.worker BACKEND --progress DESCRIPTOR``.

Native code may crash, hang or print here without harm to anybody else. It executes what it is sent and judges nothing.
"""

from __future__ import annotations

import argparse
import mmap
import os
import resource
import signal
import threading
import time
import traceback
from pathlib import Path
from typing import BinaryIO

import numpy as np

from assay64.harness.backends import registry
from assay64.harness.backends.contract import BatchInstance, Unsupported
from assay64.harness.cases.case import Case, Environment
from assay64.harness.cases.layout import Batch
from assay64.harness.cases.memory import HostMemory
from assay64.harness.errors import UsageError
from assay64.harness.judge import frames
from assay64.harness.judge.execute import Executor

PROGRESS_BYTES = mmap.PAGESIZE
ORPHAN_CHECK_S = 1.0


class ProgressMemory(HostMemory):
    """The progress words, in a file that parent and child have open."""

    def __init__(self, descriptor: int) -> None:
        self.map = mmap.mmap(descriptor, PROGRESS_BYTES)
        self.bytes = np.frombuffer(self.map, np.uint8)
        self.address = int(self.bytes.ctypes.data)
        self.size = PROGRESS_BYTES


def main() -> None:
    parser = argparse.ArgumentParser(
        description="Executes cases on a backend for the judge; speaks frames on its standard streams."
    )
    parser.add_argument("backend")
    parser.add_argument("--progress", type=int, required=True, help="descriptor of the file with the progress words")
    arguments = parser.parse_args()
    requests, answers = _take_streams()
    _be_a_quiet_child()
    progress = ProgressMemory(arguments.progress)
    executor = _start(arguments.backend, answers)
    if executor is not None:
        _serve(executor, requests, answers, progress)


def _take_streams() -> tuple[BinaryIO, BinaryIO]:
    """Our own copies of stdin and stdout; what native code prints goes to stderr, and what it reads is empty."""
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return requests, answers


def _be_a_quiet_child() -> None:
    # Ctrl-C reaches the whole process group; the parent decides and closes our stdin.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A crash is a result here; a core file of a JIT's address space would cost seconds and gigabytes.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHAN_CHECK_S)
        os._exit(1)

    # A parent that was killed cannot end a worker whose case hangs.
    threading.Thread(target=watch, daemon=True).start()


def _start(name: str, answers: BinaryIO) -> Executor | None:
    try:
        backend = registry.load(name)
        missing = backend.available()
        if missing is None:
            executor = Executor(backend)
            _send(answers, frames.message(frames.Hello(executor.capabilities)))
            return executor
        _send(answers, frames.message(frames.Refused(missing)))
    except UsageError as error:
        _send(answers, frames.message(frames.Refused(str(error), usage=True)))
    except Exception as error:  # noqa: BLE001 - whatever a backend raises is its answer
        _send(answers, frames.message(frames.Refused(_one_line(error))))
    return None


def _serve(executor: Executor, requests: BinaryIO, answers: BinaryIO, progress: ProgressMemory) -> None:
    words = progress.words()
    while (payload := _read_frame(requests)) is not None:
        request = frames.read_request(payload)
        words[frames.DONE] = 0
        if isinstance(request, frames.RunBatch):
            batch = frames.read_batch(request, lambda: _read_frame(requests) or b"")
            words[frames.SINCE], words[frames.ACTIVITY] = time.monotonic_ns(), frames.IN_BATCH
            answer = _run_batch(executor, batch, progress)
            words[frames.ACTIVITY] = frames.IDLE
            _send(answers, answer)
            continue
        for case in request.cases:
            words[frames.SINCE], words[frames.ACTIVITY] = time.monotonic_ns(), frames.IN_CASE
            result = _execute(executor, case)
            words[frames.ACTIVITY] = frames.IDLE
            words[frames.DONE] += 1
            _send(answers, frames.message(frames.Done(result)))
    executor.close()


def _execute(executor: Executor, case: Case) -> frames.Ran | frames.Lacks | frames.Failed:
    try:
        return frames.Ran(executor.execute(case))
    except Unsupported as lacking:
        return frames.Lacks(str(lacking))
    except Exception as error:  # noqa: BLE001 - whatever a backend raises is its answer
        return frames.Failed(_one_line(error))


def _run_batch(executor: Executor, batch: Batch, progress: HostMemory) -> bytes:
    try:
        instance = executor.backend.create(Environment(), 1)
        try:
            if not isinstance(instance, BatchInstance):
                raise Unsupported(f"{executor.capabilities.name} runs no batches")
            instance.run_batch(batch, progress)
        finally:
            instance.close()
        if batch.done != len(batch):
            raise ValueError(f"the backend counted {batch.done} of {len(batch)} cases as done")
        return frames.batch_answer(batch)
    except Unsupported as lacking:
        return frames.message(frames.BatchRefused(str(lacking), failed=False))
    except Exception as error:  # noqa: BLE001 - whatever a backend raises is its answer
        return frames.message(frames.BatchRefused(_one_line(error), failed=True))


def _one_line(error: Exception) -> str:
    """The error, and where in the backend it arose."""
    last = traceback.extract_tb(error.__traceback__)[-1:]
    where = "".join(f" ({Path(entry.filename).name}:{entry.lineno})" for entry in last)
    return f"{type(error).__name__}: {' '.join(str(error).split())}{where}"


def _send(stream: BinaryIO, data: bytes) -> None:
    stream.write(data)
    stream.flush()


def _read_frame(stream: BinaryIO) -> bytes | None:
    """The next frame, or None when the parent closed the stream."""
    header = stream.read(frames.LENGTH.size)
    if len(header) < frames.LENGTH.size:
        return None
    size = frames.LENGTH.unpack(header)[0]
    payload = stream.read(size)
    return payload if len(payload) == size else None


if __name__ == "__main__":
    main()
