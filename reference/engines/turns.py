"""Threads that run elements of one machine take turns, in the order in which they come.

One element runs at a time: generated code reads, computes and writes back, and neither its atomic instructions nor its
barriers are the host's. So threads see a sequentially consistent memory, which Arm permits.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Generator
from contextlib import contextmanager


class Turns:
    """Who runs, and who waits for it. ``element`` is the number of a processing element."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        # The elements in a run with their threads; it is the first one's turn.
        self._runs = OrderedDict[int, int]()

    @property
    def running(self) -> frozenset[int]:
        """The elements that threads are running, those included that wait for their turn."""
        with self._changed:
            return frozenset(self._runs)

    @contextmanager
    def of(self, element: int) -> Generator[None]:
        """Take part with an element, and begin with its turn. RuntimeError when the element is being run already, or
        the thread is running another, as a hook would be.
        """
        thread = threading.get_ident()
        with self._changed:
            if element in self._runs:
                raise RuntimeError(f"element {element} is being run: an element is run by one thread at a time")
            if thread in self._runs.values():
                raise RuntimeError("a hook cannot run the machine that called it")
            self._runs[element] = thread
            self._wait_for(element)
        try:
            yield
        finally:
            with self._changed:
                del self._runs[element]
                self._changed.notify_all()

    def pass_on(self, element: int) -> None:
        """Let the others have their turns, and return with the element's next one."""
        with self._changed:
            if len(self._runs) > 1:
                self._runs.move_to_end(element)
                self._changed.notify_all()
                self._wait_for(element)

    def _wait_for(self, element: int) -> None:
        self._changed.wait_for(lambda: next(iter(self._runs)) == element)
