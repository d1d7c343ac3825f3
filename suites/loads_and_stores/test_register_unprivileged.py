"""Load/store register (unprivileged): LDTR and STTR, which at EL0 are plain loads and stores without write-back."""

from __future__ import annotations

import pytest

from assay64.harness.cases.authoring import DATA, case, data_abort, expect, given
from assay64.harness.cases.case import Region
from assay64.suites.loads_and_stores.transfers import GARBAGE, NEGATIVE, UNMAPPED, every_load, every_store

BASE = DATA + 0x1000


@every_load
def test_unprivileged_load(backend, load):
    case(
        f"{load.mnemonic.format('t')} {load.register}, [x1, #255]",
        given(x0=GARBAGE, x1=BASE, memory={BASE + 255: NEGATIVE}),
        expect(x0=load.result),
    ).check(backend)


@every_store
def test_unprivileged_store(backend, store):
    case(
        f"{store.mnemonic.format('t')} {store.register}, [x1, #-256]",
        given(x0=NEGATIVE, x1=BASE, fill=6),
        expect(memory={BASE - 256: store.data}),
    ).check(backend)


def test_unprivileged_load_may_overwrite_its_base(backend):
    case("ldtr x1, [x1]", given(x1=DATA, memory={DATA: NEGATIVE}), expect(x1=NEGATIVE)).check(backend)


@pytest.mark.parametrize(("code", "access"), [("ldtr x0, [x1, #8]", "read"), ("sttr x0, [x1, #8]", "write")])
def test_unprivileged_access_to_unmapped_memory_aborts(backend, code, access):
    case(code, given(x0=GARBAGE, x1=UNMAPPED), expect(exit=data_abort(UNMAPPED + 8, access, "translation"))).check(
        backend
    )


def test_unprivileged_store_to_read_only_memory_aborts(backend):
    case(
        "sttr x0, [x1]",
        given(x0=GARBAGE, x1=UNMAPPED),
        expect(exit=data_abort(UNMAPPED, "write", "permission")),
        regions=[Region(address=UNMAPPED, size=0x1_0000, permissions="r")],
    ).check(backend)
