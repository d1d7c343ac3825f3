"""Both ends of the socket between the harness and a process that starts children for it.

A request is one message: to start a child with the descriptors that come along, or to say how a child ended. The answer
is a number. It knows neither backends nor cases, and imports nothing heavy: it is needed before anything else is.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import time
from collections.abc import Sequence

ANSWER_BYTES = 8
_START, _POLL = b"S", b"P"
_RUNS = 1 << 40  # no exit status: the child runs
_REQUEST_BYTES = 1 << 16
_MOST_DESCRIPTORS = 64


class ServerLost(Exception):
    """The process at the other end is gone, and its children with it."""


class Control:
    """The harness's end."""

    def __init__(self, end: socket.socket) -> None:
        self._socket = end

    def start(self, descriptors: Sequence[int], what: bytes = b"") -> int:
        """Start a child that has these descriptors; its process id. Raises ServerLost."""
        return self._ask(_START + what, descriptors)

    def status(self, child: int) -> int | None:
        """The exit status of a child, negative for a signal; None while it runs. May be asked until it has ended.

        Raises ServerLost.
        """
        status = self._ask(_POLL + child.to_bytes(ANSWER_BYTES, "little"))
        return None if status == _RUNS else status

    def wait(self, child: int, timeout_s: float) -> int | None:
        """The exit status of ``child``; None when it has not ended in time, or nobody can tell any more."""
        until, pause_s = time.monotonic() + timeout_s, 0.0005
        with contextlib.suppress(ServerLost):
            while (status := self.status(child)) is None and time.monotonic() < until:
                time.sleep(pause_s)
                pause_s = min(2 * pause_s, 0.05)
            return status
        return None

    def receive(self, size: int) -> bytes:
        """So many bytes. Raises ServerLost, and TimeoutError when the socket has a time limit."""
        data = b""
        while len(data) < size:
            try:
                part = self._socket.recv(size - len(data))
            except ConnectionError as error:
                raise ServerLost from error
            if not part:
                raise ServerLost
            data += part
        return data

    def _ask(self, request: bytes, descriptors: Sequence[int] = ()) -> int:
        try:
            if descriptors:
                socket.send_fds(self._socket, [request], descriptors)
            else:
                self._socket.sendall(request)
            return int.from_bytes(self.receive(ANSWER_BYTES), "little", signed=True)
        except OSError as error:
            raise ServerLost from error


class Starter:
    """The other end: starts children and tells how they ended, until the harness closes its end."""

    def __init__(self, control: socket.socket) -> None:
        self.control = control
        self._children: set[int] = set()
        self._ended: dict[int, int] = {}

    def begin(self, descriptors: list[int], what: bytes) -> int:
        """Start a child for a request; its process id. It keeps the descriptors, its parent does not."""
        raise NotImplementedError

    def serve(self) -> None:
        while True:
            request, descriptors, _, _ = socket.recv_fds(self.control, _REQUEST_BYTES, _MOST_DESCRIPTORS)
            if not request:
                break
            if request[:1] == _START:
                answer = self.begin(descriptors, request[1:])
                self._children.add(answer)
                self._ended.pop(answer, None)
                for descriptor in descriptors:
                    os.close(descriptor)
            else:
                answer = self._status(int.from_bytes(request[1:], "little"))
            self.control.sendall(answer.to_bytes(ANSWER_BYTES, "little", signed=True))

    def kill_children(self) -> None:
        for child in self._children:
            os.kill(child, signal.SIGKILL)

    def _status(self, child: int) -> int:
        if child in self._children:
            found, status = os.waitpid(child, os.WNOHANG)
            if not found:
                return _RUNS
            self._children.discard(child)
            self._ended[child] = os.waitstatus_to_exitcode(status)
        return self._ended[child]
