"""The contract's Instance over a connection to a program: every call a frame, memory copied both ways."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from assay64.harness.backends.contract import Unsupported
from assay64.harness.backends.copying import Windows
from assay64.harness.backends.library import MAP_DEVICE, MAP_GUARDED, NEVER, permission_bits
from assay64.harness.backends.program.connection import Connection
from assay64.harness.backends.program.protocol import BATCH, MAPPING, RANGE, RUNNING, VCPU, Kind
from assay64.harness.cases.capabilities import Capabilities
from assay64.harness.cases.case import CODE_REGION, DATA_REGION
from assay64.harness.cases.layout import CHANGE_DTYPE, EXIT_DTYPE, STATE_DTYPE, Batch, StateRecord, unpack_exit
from assay64.harness.cases.memory import HostMemory, fill_bytes
from assay64.harness.cases.outcome import Exit


class ProgramInstance:
    """Machine number ``machine`` of a program. See contract.Instance."""

    def __init__(self, connection: Connection, machine: int, capabilities: Capabilities, config: str) -> None:
        self._connection, self._machine = connection, machine
        self._capabilities = capabilities
        self._windows = Windows(capabilities.name)
        self._ask(Kind.CREATE, config.encode())

    def _ask(self, kind: Kind, payload: bytes, size: int = 0) -> bytes:
        """The answer, which has to have ``size`` bytes."""
        answer = self._connection.ask(kind, self._machine, payload)
        if len(answer) != size:
            raise self._connection.wrong(f"answered {kind.name} with {len(answer)} bytes, not {size}")
        return answer

    def map(
        self,
        address: int,
        memory: HostMemory,
        offset: int,
        size: int,
        permissions: str,
        *,
        device: bool = False,
        guarded: bool = False,
    ) -> None:
        window = self._windows.map(address, memory, offset, size, permissions)
        flags = MAP_DEVICE * device | MAP_GUARDED * guarded
        contents = window.host()
        self._ask(Kind.MAP, MAPPING.pack(address, size, permission_bits(permissions), flags) + contents.tobytes())
        window.copied[:] = contents

    def protect(self, address: int, size: int, permissions: str) -> None:
        self._windows.protect(address, size, permissions)
        self._ask(Kind.PROTECT, MAPPING.pack(address, size, permission_bits(permissions), 0))

    def unmap(self, address: int, size: int) -> None:
        self._windows.unmap(address, size)
        self._ask(Kind.UNMAP, RANGE.pack(address, size))

    def set_state(self, vcpu: int, state: StateRecord) -> None:
        self._ask(Kind.SET_STATE, VCPU.pack(vcpu, 0) + state.tobytes())

    def get_state(self, vcpu: int, state: StateRecord) -> None:
        answer = self._ask(Kind.GET_STATE, VCPU.pack(vcpu, 0), STATE_DTYPE.itemsize)
        state[...] = np.frombuffer(answer, STATE_DTYPE)[0]

    def run(self, vcpu: int, budget: int, until: int | None) -> Exit:
        return self._leave(Kind.RUN, RUNNING.pack(vcpu, 0, budget, NEVER if until is None else until))

    def step(self, vcpu: int) -> Exit:
        return self._leave(Kind.STEP, VCPU.pack(vcpu, 0))

    def _leave(self, kind: Kind, payload: bytes) -> Exit:
        self._push()
        answer = self._connection.ask(kind, self._machine, payload)
        ended, changes = self._records(kind, answer, EXIT_DTYPE)
        self._apply(changes)
        return self._exit(ended)

    def _records(self, kind: Kind, answer: bytes, *dtypes: np.dtype[Any]) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """A record of ``dtypes`` in turn, of which the last is returned, and the changes behind it."""
        fixed = sum(dtype.itemsize for dtype in dtypes)
        if len(answer) < fixed or (len(answer) - fixed) % CHANGE_DTYPE.itemsize:
            raise self._connection.wrong(
                f"answered {kind.name} with {len(answer)} bytes, not {fixed} and changes of {CHANGE_DTYPE.itemsize}"
            )
        last = np.frombuffer(answer, dtypes[-1], 1, fixed - dtypes[-1].itemsize)[0]
        return last, np.frombuffer(answer, CHANGE_DTYPE, offset=fixed)

    def _exit(self, record: npt.NDArray[Any]) -> Exit:
        try:
            return unpack_exit(record)
        except ValueError as error:
            raise self._connection.wrong(f"is wrong: {error}") from error

    def _push(self) -> None:
        """Send what the harness has written since the program was last told."""
        for window in self._windows.windows:
            if window.is_changed():
                for address, data in window.copy_in():
                    self._ask(Kind.WRITE, RANGE.pack(address, len(data)) + data)

    def _apply(self, changes: npt.NDArray[Any]) -> None:
        for address, value in zip(changes["address"].tolist(), changes["value"].tolist(), strict=True):
            window = self._windows.find(address)
            if window is None or address % 8:
                raise self._connection.wrong(f"says that memory changed at {address:#x}, where none is mapped")
            window.copy_out(address, np.frombuffer(value.to_bytes(8, "little"), np.uint8))

    def notify_code(self, address: int, size: int) -> None:
        pass  # what has changed is sent before the next run

    def set_breakpoint(self, address: int) -> None:
        self._ask(Kind.SET_BREAKPOINT, RANGE.pack(address, 4))

    def clear_breakpoint(self, address: int) -> None:
        self._ask(Kind.CLEAR_BREAKPOINT, RANGE.pack(address, 4))

    def set_watchpoint(self, address: int, size: int, access: str) -> None:
        self._ask(Kind.SET_WATCHPOINT, MAPPING.pack(address, size, permission_bits(access), 0))

    def clear_watchpoint(self, address: int) -> None:
        self._ask(Kind.CLEAR_WATCHPOINT, RANGE.pack(address, 0))

    def stop(self, vcpu: int) -> None:
        if "stop_request" not in self._capabilities.actions:
            raise Unsupported(f"{self._capabilities.name} does not declare the action 'stop_request'")
        # No answer: it could not be told from that of the run.
        self._connection.send(Kind.REQUEST_STOP, self._machine, VCPU.pack(vcpu, 0))

    def close(self) -> None:
        if not self._connection.broken:
            self._ask(Kind.DESTROY, b"")


class ProgramBatchInstance(ProgramInstance):
    """A machine of a program that declares batches. See contract.BatchInstance."""

    def __init__(self, connection: Connection, machine: int, capabilities: Capabilities, config: str) -> None:
        super().__init__(connection, machine, capabilities, config)
        self._mapped = False

    def run_batch(self, batch: Batch, progress: HostMemory) -> None:
        if batch.code_address < CODE_REGION[0] or batch.code_address + 4 * batch.code.shape[1] > sum(CODE_REGION):
            raise Unsupported(f"a batch has its code in the default region, not at {batch.code_address:#x}")
        if not self._mapped:
            for (address, size), permissions in ((CODE_REGION, "rx"), (DATA_REGION, "rw")):
                self.map(address, HostMemory(size), 0, size, permissions)
            self._mapped = True
        pristine = bytes(DATA_REGION[1]) if batch.fill is None else fill_bytes(batch.fill, DATA_REGION[1])
        first = batch.done
        counter, changes = progress.words(), [batch.changes[: batch.n_changes]]
        fixed = BATCH.pack(
            len(batch) - first, batch.code.shape[1], batch.code_address, batch.budget, DATA_REGION[0], DATA_REGION[1]
        )
        arrays = (batch.code[first:].astype("<u4"), batch.code_words[first:].astype("<u4"), batch.initial[first:])
        payload = fixed + b"".join(array.tobytes() for array in arrays) + pristine
        with self._connection.asking:
            self._connection.send(Kind.RUN_BATCH, self._machine, payload)
            for index in range(first, len(batch)):
                answer = self._connection.answer(Kind.RUN_BATCH)
                ended, changed = self._records(Kind.RUN_BATCH, answer, STATE_DTYPE, EXIT_DTYPE)
                self._exit(ended)
                batch.final[index] = np.frombuffer(answer, STATE_DTYPE, 1)[0]
                batch.exits[index] = ended
                if len(changed):
                    rows = changed.copy()
                    rows["case"] = index
                    changes.append(rows)
                batch.done = index + 1
                counter[0] = batch.done
        batch.changes = np.concatenate(changes)
        batch.n_changes = len(batch.changes)
