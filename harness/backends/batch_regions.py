"""The memory that the batches of a library run in: the default regions and what stands beside them.

It is kept from one batch to the next: making it anew costs as much as a hundred cases. It knows no library.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from assay64.harness.cases.case import CODE_REGION, DATA_REGION
from assay64.harness.cases.layout import CHANGE_DTYPE
from assay64.harness.cases.memory import HostMemory, fill_bytes

# Rows of changes beyond those that one case can make.
MORE_CHANGES = 4096


class BatchRegions:
    """``code`` and ``data``, the data's initial bytes at ``pristine_address``, and room for changes."""

    def __init__(self) -> None:
        self.code, self.data = HostMemory(CODE_REGION[1]), HostMemory(DATA_REGION[1])
        self.changes = np.zeros(DATA_REGION[1] // 8 + MORE_CHANGES, CHANGE_DTYPE)
        self.changes_address = int(self.changes.ctypes.data)
        self._pristine: npt.NDArray[np.uint8] = np.zeros(DATA_REGION[1], np.uint8)
        self.pristine_address = int(self._pristine.ctypes.data)
        self._fill: int | None = None

    def reset(self, fill: int | None) -> None:
        """Make the data region's bytes what ``fill`` says."""
        if fill != self._fill:
            self._pristine[:] = 0 if fill is None else np.frombuffer(fill_bytes(fill, len(self._pristine)), np.uint8)
            self._fill = fill
        self.data.bytes[:] = self._pristine
