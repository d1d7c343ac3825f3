"""The process that runs a backend: ``python -m assay64.harness.judge.worker BACKEND --control DESCRIPTOR``.

It loads the backend once and then starts a child for each that the harness asks for, by a fork where that is safe: a
worker that crashed is replaced within milliseconds. Native code may crash, hang or print in a child without harm to
anybody else. It executes what it is sent and judges nothing.
"""

from __future__ import annotations

import argparse
import contextlib
import errno
import gc
import os
import resource
import signal
import socket
import subprocess
import sys
import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, NoReturn

import numpy as np
import numpy.typing as npt

from assay64.harness.backends import registry
from assay64.harness.backends.contract import Backend, BackendDied, BatchInstance, Unsupported
from assay64.harness.cases.case import DATA_REGION, Case, Environment
from assay64.harness.cases.layout import CHANGE_DTYPE, Batch
from assay64.harness.errors import UsageError
from assay64.harness.judge import frames
from assay64.harness.judge.arena import ProgressMemory, Slot
from assay64.harness.judge.control import Starter
from assay64.harness.judge.execute import Executor
from assay64.harness.judge.prepared import prepared

ORPHAN_CHECK_S = 1.0
KEPT_BATCH_INSTANCES = 4


def main() -> None:
    parser = argparse.ArgumentParser(description="Executes cases on a backend for the judge.")
    parser.add_argument("backend", nargs="?", help="without one: start fork servers of any backend")
    parser.add_argument("--control", type=int, help="descriptor of the socket to the harness")
    parser.add_argument("--child", help="descriptors of a child that could not be forked")
    parser.add_argument("--memory", type=int, default=0, help="the most memory of a child in bytes; 0: any")
    arguments = parser.parse_args()
    # Ctrl-C reaches the whole process group; the harness decides, and closes our streams.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A crash is a result here; a core file of a JIT's address space would cost seconds and gigabytes.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if arguments.child is not None:
        _be_a_child(registry.load(arguments.backend), list(map(int, arguments.child.split(","))), arguments.memory)
    if arguments.backend is None:
        _Zygote(socket.socket(fileno=arguments.control)).serve()
        _leave(0)
    _serve(arguments.backend, arguments.control, arguments.memory)


def _serve(name: str, descriptor: int, memory_bytes: int) -> NoReturn:
    """Be the fork server of a backend, until the harness closes its end of the socket."""
    control = socket.socket(fileno=descriptor)
    threads = _threads()
    backend = _loaded(name, control)
    if backend is not None:
        if sys.platform == "linux":
            backend = prepared(backend)
        # A library that started a thread of its own would be without it after a fork.
        can_fork = sys.platform == "linux" and _threads() == threads
        # What is there now is no garbage: a child that looked would only make copies of its parent's pages.
        gc.freeze()
        server = _Server(control, backend, name, memory_bytes, can_fork=can_fork)
        server.serve()
        # The harness has ended them, or was killed itself.
        server.kill_children()
    _leave(0)


def _loaded(name: str, control: socket.socket) -> Backend | None:
    """The backend, after it was told that it is ready; None when it cannot be used and that was told."""
    try:
        backend = registry.load(name)
        missing = backend.available()
        if missing is None:
            control.sendall(frames.message(frames.Hello(backend.capabilities())))
            return backend
        control.sendall(frames.message(frames.Refused(missing)))
    except UsageError as error:
        control.sendall(frames.message(frames.Refused(str(error), usage=True)))
    except Exception as error:  # noqa: BLE001 - whatever a backend raises is its answer
        control.sendall(frames.message(frames.Refused(_one_line(error))))
    return None


def _threads() -> int:
    tasks = Path("/proc/self/task")
    return len(list(tasks.iterdir())) if tasks.is_dir() else threading.active_count()


class _Server(Starter):
    """Starts children that run cases on the backend."""

    def __init__(
        self, control: socket.socket, backend: Backend, name: str, memory_bytes: int, *, can_fork: bool
    ) -> None:
        super().__init__(control)
        self._backend, self._name = backend, name
        self._memory_bytes = memory_bytes
        self._can_fork = can_fork

    def begin(self, descriptors: list[int], what: bytes) -> int:
        if self._can_fork:
            child = os.fork()
            if child == 0:
                self.control.close()
                _be_a_child(self._backend, descriptors, self._memory_bytes)
            return child
        command = [sys.executable, "-m", "assay64.harness.judge.worker", self._name]
        command += [f"--memory={self._memory_bytes}", f"--child={','.join(map(str, descriptors))}"]
        return subprocess.Popen(command, pass_fds=descriptors).pid


class _Zygote(Starter):
    """Starts fork servers. They end by themselves when the harness closes their sockets."""

    def begin(self, descriptors: list[int], what: bytes) -> int:
        child = os.fork()
        if child == 0:
            try:
                self.control.close()
                control, output = descriptors
                for standard in (1, 2):
                    os.dup2(output, standard)
                os.close(output)
                memory_bytes, name = what.decode().split(" ", 1)
                _serve(name, control, int(memory_bytes))
            except BaseException:  # noqa: BLE001 - a forked child must not go on in what its parent was doing
                traceback.print_exc()
                _leave(1)
        return child


def _be_a_child(backend: Backend, descriptors: list[int], memory_bytes: int) -> NoReturn:
    """Serve on these descriptors to the end of the requests. What native code prints goes to stderr."""
    stdin, stdout, stderr, progress, *slots = descriptors
    requests, answers = os.fdopen(os.dup(stdin), "rb"), os.fdopen(os.dup(stdout), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    for descriptor, standard in ((nothing, 0), (stderr, 1), (stderr, 2)):
        os.dup2(descriptor, standard)
    for descriptor in (nothing, stdin, stdout, stderr):
        if descriptor > 2:
            os.close(descriptor)
    _end_with_the_parent()
    if memory_bytes:
        # The harness ends a child that holds more than it may; this stops one that takes it at a stroke.
        resource.setrlimit(resource.RLIMIT_DATA, (2 * memory_bytes, 2 * memory_bytes))
    status = 0
    try:
        in_place = backend.capabilities().in_place
        arena = [Slot(slot, in_place=in_place) for slot in slots]
        _Child(backend, ProgressMemory(progress), arena).serve(requests, answers)
    except BrokenPipeError:
        pass  # the harness has no use for us any more
    except BaseException:  # noqa: BLE001 - a forked child must not go on in what its parent was doing
        traceback.print_exc()
        status = 1
    finally:
        _leave(status)


def _leave(status: int) -> NoReturn:
    """End without the interpreter's end: native code may hang in its destructors, and whoever closes us waits."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _end_with_the_parent() -> None:
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(ORPHAN_CHECK_S)
        os._exit(1)

    # A parent that was killed cannot end a child whose case hangs.
    threading.Thread(target=watch, daemon=True).start()


class _Child:
    """Executes what comes: cases one by one, batches on instances that are kept for the next of the same
    environment.
    """

    def __init__(self, backend: Backend, progress: ProgressMemory, slots: list[Slot]) -> None:
        self._executor = Executor(backend)
        self._progress = progress
        self._words = progress.words()
        self._slots = slots
        # With what closes them.
        self._instances: OrderedDict[Environment, tuple[BatchInstance, Callable[[], None]]] = OrderedDict()
        self._changes: npt.NDArray[Any] = np.zeros(0, CHANGE_DTYPE)

    def serve(self, requests: BinaryIO, answers: BinaryIO) -> None:
        words = self._words
        while (payload := _read_frame(requests)) is not None:
            request = frames.read_request(payload)
            words[frames.DONE] = 0
            if isinstance(request, frames.RunBatch):
                words[frames.SINCE], words[frames.ACTIVITY] = time.monotonic_ns(), frames.IN_BATCH
                answer = self._run_batch(request)
                words[frames.ACTIVITY] = frames.IDLE
                _send(answers, answer)
                continue
            for case in request.cases:
                words[frames.SINCE], words[frames.ACTIVITY] = time.monotonic_ns(), frames.IN_CASE
                result = self._execute(case)
                words[frames.ACTIVITY] = frames.IDLE
                words[frames.DONE] += 1
                _send(answers, frames.message(frames.Done(result)))
        self._executor.close()

    def _execute(self, case: Case) -> frames.Ran | frames.Lacks | frames.Failed:
        try:
            return frames.Ran(self._executor.execute(case))
        except Unsupported as lacking:
            return frames.Lacks(str(lacking))
        except BackendDied as died:
            _die_likewise(died)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is its answer
            return frames.Failed(_one_line(error), _exhausted(error))

    def _run_batch(self, request: frames.RunBatch) -> bytes:
        batch: Batch | None = None
        try:
            arrays = self._slots[request.slot].arrays(request.count, request.width)
            batch = Batch(
                code=arrays.code,
                code_words=arrays.code_words,
                code_address=request.code_address,
                initial=arrays.initial,
                budget=request.budget,
                fill=request.fill,
                final=arrays.final,
                exits=arrays.exits,
                changes=self._room(request.count + DATA_REGION[1] // 8),
                environment=request.environment,
            )
            self._batch_instance(request.environment).run_batch(batch, self._progress)
            if batch.done != len(batch):
                raise ValueError(f"the backend counted {batch.done} of {len(batch)} cases as done")
            if batch.final is not arrays.final or batch.exits is not arrays.exits:
                arrays.final[:], arrays.exits[:] = batch.final, batch.exits
            changes = frames.frame(batch.changes[: batch.n_changes].tobytes())
            return frames.message(frames.BatchDone(batch.n_changes)) + changes
        except Unsupported as lacking:
            return frames.message(frames.BatchRefused(str(lacking), failed=False))
        except BackendDied as died:
            _die_likewise(died)
        except Exception as error:  # noqa: BLE001 - whatever a backend raises is its answer
            self._forget(request.environment)
            refused = frames.BatchRefused(
                _one_line(error), failed=True, exhausted=_exhausted(error), done=batch.done if batch else 0
            )
            return frames.message(refused)

    def _batch_instance(self, environment: Environment) -> BatchInstance:
        kept = self._instances.pop(environment, None)
        if kept is None:
            instance = self._executor.backend.create(environment, 1)
            # Asked once: it looks up every name of the protocol.
            if not isinstance(instance, BatchInstance):
                instance.close()
                raise Unsupported(f"{self._executor.capabilities.name} runs no batches")
            kept = instance, instance.close
        self._instances[environment] = kept
        if len(self._instances) > KEPT_BATCH_INSTANCES:
            self._instances.popitem(last=False)[1][1]()
        return kept[0]

    def _room(self, rows: int) -> npt.NDArray[Any]:
        """Room for changes, the same for every batch that finds enough of it."""
        if len(self._changes) < rows:
            self._changes = np.zeros(rows, CHANGE_DTYPE)
        return self._changes

    def _forget(self, environment: Environment) -> None:
        """Close the instance in which something went wrong."""
        kept = self._instances.pop(environment, None)
        if kept is not None:
            kept[1]()


def _die_likewise(died: BackendDied) -> NoReturn:
    """The death of a backend's own process is this one's, too: the harness sees a crash, and starts another."""
    sys.stderr.flush()
    if died.status < 0:
        with contextlib.suppress(OSError, ValueError):
            signal.signal(-died.status, signal.SIG_DFL)
        os.kill(os.getpid(), -died.status)
    os._exit(abs(died.status))


def _exhausted(error: Exception) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, OSError) and error.errno == errno.ENOMEM)


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
