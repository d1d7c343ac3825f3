"""Finds out what a host is like: the features in its auxiliary vector, and a few instructions run on it."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

from assay64.harness.backends.runner.host import AT_PAGESZ, Host, features_of
from assay64.harness.backends.runner.instance import RunnerInstance
from assay64.harness.backends.runner.process import Runner
from assay64.harness.cases.case import CODE_ADDRESS, CODE_REGION, DATA_REGION, Environment
from assay64.harness.cases.layout import new_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.outcome import ExitKind

_MRS_X0_DCZID, _MRS_X0_CTR = 0xD53B_00E0, 0xD53B_0020
_MOV_X0_1, _MOV_X0_2 = 0xD280_0020, 0xD280_0040
# Features without a bit in the auxiliary vector, or with one that some QEMU sets wrongly, and an instruction of each.
_SHOWN_BY = {
    "FEAT_LOR": 0x88DF_7C20,  # ldlar w0, [x1]
    "FEAT_SSBS": 0xD53B_42C0,  # mrs x0, ssbs
    "FEAT_DPB": 0xD50B_7C21,  # dc cvap, x1
    "FEAT_DPB2": 0xD50B_7D21,  # dc cvadp, x1
}
_DCZID_DZP = 1 << 4


@cache
def probe(launcher: tuple[str, ...]) -> Host:
    """The host behind ``launcher``. Raises BackendDied when the runner program does not run there."""
    runner = Runner(launcher)
    try:
        auxiliary = runner.auxiliary()
        host = Host(launcher, page_size=auxiliary.get(AT_PAGESZ, 4096), features=features_of(auxiliary))
        instance = RunnerInstance(runner, host, Environment())
        guest = _Guest(instance)
        # It has to be known before anything else can be asked.
        guest.value(_MOV_X0_1)
        host = instance.host = replace(host, remaps_code=guest.value(_MOV_X0_2) != 2)
        shown = {name for name, word in _SHOWN_BY.items() if guest.executes(word, DATA_REGION[0])}
        dczid, ctr = guest.value(_MRS_X0_DCZID), guest.value(_MRS_X0_CTR)
        return replace(
            host,
            features=host.features - _SHOWN_BY.keys() | shown,
            dc_zva_size=0 if dczid & _DCZID_DZP else 4 << (dczid & 0xF),
            cache_line_size=4 << (ctr >> 16 & 0xF),
            exclusives_granule=4 << (ctr >> 20 & 0xF),
        )
    finally:
        runner.close()


class _Guest:
    """One instruction at a time."""

    def __init__(self, instance: RunnerInstance) -> None:
        self._instance = instance
        self._code, data = HostMemory(CODE_REGION[1]), HostMemory(DATA_REGION[1])
        instance.map(CODE_REGION[0], self._code, 0, CODE_REGION[1], "rx")
        instance.map(DATA_REGION[0], data, 0, DATA_REGION[1], "rw")

    def executes(self, word: int, x1: int = 0) -> bool:
        offset = CODE_ADDRESS - CODE_REGION[0]
        self._code.bytes[offset : offset + 4].view("<u4")[0] = word
        self._instance.notify_code(CODE_ADDRESS, 4)
        state = new_state()
        state["pc"], state["x"][1] = CODE_ADDRESS, x1
        self._instance.set_state(0, state)
        return self._instance.run(0, 1, CODE_ADDRESS + 4).kind is ExitKind.UNTIL

    def value(self, word: int) -> int:
        """What ``word`` leaves in X0."""
        self.executes(word)
        state = new_state()
        self._instance.get_state(0, state)
        return int(state["x"][0])
