"""Any program that speaks docs/pipe-protocol.md as a backend: ``exec:./prog --option`` starts it and talks to its
standard streams, ``socket:/path`` connects to one that is running.

The protocol is the C ABI's structures in frames. A program can do anything to itself, and nothing to the harness: when
it dies, that is the case's verdict.
"""

from __future__ import annotations

import shlex
from functools import cached_property

import msgspec

from assay64.harness.backends.base import check_environment
from assay64.harness.backends.contract import BackendDied
from assay64.harness.backends.library import config_text
from assay64.harness.backends.program.connection import Connection, ProtocolError, connect, start
from assay64.harness.backends.program.instance import ProgramBatchInstance, ProgramInstance
from assay64.harness.backends.program.protocol import hello
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import Environment
from assay64.harness.errors import BackendUnavailable, UsageError

GREETING_TIMEOUT_S = 30.0


class ProgramBackend:
    """The program that ``name`` says how to reach. One process, or one connection, serves all machines."""

    def __init__(self, name: str) -> None:
        self.name = name
        prefix, _, rest = name.partition(":")
        self._is_socket = prefix == "socket"
        try:
            self._command = [rest] if self._is_socket else shlex.split(rest)
        except ValueError as error:
            raise UsageError(f"backend {name!r}: the command cannot be read: {error}") from None
        if not self._command or not self._command[0]:
            raise UsageError(f"backend {name!r}: write 'exec:./prog arguments' or socket:/path/to/socket")
        self._connection: Connection | None = None
        self._machines = 0

    @cached_property
    def _capabilities(self) -> Capabilities:
        try:
            connection = self._connect()
            try:
                return self._greeted(connection)
            finally:
                # The process that asks need not be the one that runs cases.
                connection.close()
        except ProtocolError as error:
            raise BackendUnavailable(str(error)) from error
        except BackendDied as error:
            raise BackendUnavailable(f"backend {self.name!r}: {error}") from error

    def _greeted(self, connection: Connection) -> Capabilities:
        with connection.within(GREETING_TIMEOUT_S):
            return hello(connection, self.name)

    def _connect(self) -> Connection:
        return connect(self._command[0], self.name) if self._is_socket else start(self._command, self.name)

    def available(self) -> str | None:
        try:
            _ = self._capabilities
        except BackendUnavailable as error:
            return str(error)
        return None

    def capabilities(self) -> Capabilities:
        return self._capabilities

    def create(self, environment: Environment, vcpus: int = 1) -> ProgramInstance:
        check_environment(self._capabilities, environment, vcpus)
        if self._connection is None or self._connection.broken:
            self._connection = self._connect()
            self._greeted(self._connection)
        self._machines += 1
        config = config_text({"vcpus": vcpus, **msgspec.structs.asdict(environment)})
        kind = ProgramBatchInstance if self._capabilities.batch else ProgramInstance
        return kind(self._connection, self._machines, self._capabilities, config)
