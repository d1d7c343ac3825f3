"""The contract of batches: what they give is what single runs give, and they leave nothing behind."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from assay64.harness.backends.contract import Backend, BatchInstance
from assay64.harness.cases.case import CODE_ADDRESS, STACK_POINTER, Environment
from assay64.harness.cases.layout import Batch, pack_state, unpack_exit, unpack_state
from assay64.harness.cases.memory import HostMemory
from assay64.harness.cases.state import State
from assay64.harness.judge.contract_machine import (
    ADD_X0,
    DATA,
    LOAD,
    NOP,
    STORE,
    SVC_5,
    UDF,
    Machine,
    Undeclared,
    Wrong,
)

WORDS = (ADD_X0, STORE, LOAD, UDF, SVC_5, NOP, STORE)


def runs_batches(backend: Backend) -> str | None:
    """run_batch gives what run gives, and leaves nothing behind"""
    has = backend.capabilities()
    instance = backend.create(Environment(), 1)
    try:
        if not isinstance(instance, BatchInstance):
            if has.batch or has.in_place:
                raise Wrong(f"{'batch' if has.batch else 'in_place'} is declared, and the instance has no run_batch")
            return None
        batch = _batch()
        instance.run_batch(batch, HostMemory(4096))
        _is_as_alone(backend, batch, "a batch")
        # The first load must not see what the last store of the batch before it wrote.
        again = _batch(first=LOAD)
        instance.run_batch(again, HostMemory(4096))
        _is_as_alone(backend, again, "the next batch")
        if has.in_place:
            _runs_in_place(instance, batch)
    finally:
        instance.close()
    if not has.batch:
        raise Undeclared("it has run_batch and does not declare batch")
    return f"{len(WORDS)} cases"


def _batch(first: int = ADD_X0) -> Batch:
    words = (first, *WORDS[1:])
    given = [State.of(x0=1 + index, x1=DATA, v1=index) for index in range(len(words))]
    return Batch(
        code=np.array(words, np.uint32).reshape(-1, 1),
        code_words=np.ones(len(words), np.uint32),
        code_address=CODE_ADDRESS,
        initial=np.stack([pack_state(state, pc=CODE_ADDRESS, sp=STACK_POINTER) for state in given]),
    )


def _is_as_alone(backend: Backend, batch: Batch, where: str) -> None:
    for index, word in enumerate(batch.code[:, 0].tolist()):
        with Machine(backend) as machine:
            alone = machine.run(word, **dict(unpack_state(batch.initial[index]).registers()))
            found = unpack_exit(batch.exits[index])
            if found.kind is not alone.kind:
                raise Wrong(f"{word:#010x} ends with {found} in {where} and {alone} alone")
            if dict(unpack_state(batch.final[index]).registers()) != machine.get():
                raise Wrong(f"{word:#010x} leaves other registers in {where} than alone")
            changed = [(DATA, int(value)) for value in machine.data.words()[:1] if value]
            rows = batch.changes[: batch.n_changes]
            if rows[rows["case"] == index][["address", "value"]].tolist() != changed:
                raise Wrong(f"{word:#010x} changes other memory in {where} than alone")


def _runs_in_place(instance: BatchInstance, apart: Batch) -> None:
    states = apart.initial.copy()
    batch = replace(apart, initial=states, final=states, exits=np.zeros_like(apart.exits), n_changes=0, done=0)
    instance.run_batch(batch, HostMemory(4096))
    for index, word in enumerate(WORDS):
        if batch.final[index] != apart.final[index] or batch.exits[index] != apart.exits[index]:
            raise Wrong(f"{word:#010x} gives something else where final states take the place of initial ones")
