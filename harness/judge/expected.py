"""What Arm permits for a case: the reference runs it once for each combination of choices that it meets.

The outcomes are merged where they are equal. They are the only oracle: a backend is never compared with another
backend.
"""

from __future__ import annotations

from assay64.harness.backends.reference import ReferenceBackend, ReferenceInstance
from assay64.harness.cases.case import Case, Environment
from assay64.harness.cases.outcome import Permitted, Unknown
from assay64.harness.judge.execute import Executor
from assay64.reference.engines.outcomes import PathChooser, every_outcome


class _Enumerating(ReferenceBackend):
    """The reference, with its choices and UNKNOWN values in the hands of the oracle."""

    def __init__(self) -> None:
        self.chooser = PathChooser()
        self.instances: list[ReferenceInstance] = []

    def create(self, environment: Environment, vcpus: int = 1) -> ReferenceInstance:
        instance = super().create(environment, vcpus)
        instance.use(self.chooser)
        self.instances = [kept for kept in self.instances if kept.machine.space.pages] + [instance]
        return instance

    def use(self, chooser: PathChooser) -> None:
        self.chooser = chooser
        for instance in self.instances:
            instance.use(chooser)


class Oracle:
    """Supplies permitted outcomes. It keeps machines between cases, as a backend's worker does."""

    def __init__(self) -> None:
        self._backend = _Enumerating()
        self._executor = Executor(self._backend)

    def permitted(self, case: Case) -> tuple[Permitted, ...]:
        """The case's own list, or what the reference enumerates. Raises Unsupported where the reference lacks
        something.
        """
        if case.permitted is not None:
            return case.permitted
        found: list[Permitted] = []
        for permitted, _ in every_outcome(lambda chooser: self._once(case, chooser)):
            if not any((p.outcome, p.unknown) == (permitted.outcome, permitted.unknown) for p in found):
                found.append(permitted)
        return tuple(found)

    def _once(self, case: Case, chooser: PathChooser) -> Permitted:
        self._backend.use(chooser)
        outcome = self._executor.execute(case, inspect=self._unknown)
        unknown = self._last_unknown
        return Permitted(outcome=outcome, unknown=unknown, choices=chooser.names())

    _last_unknown = Unknown()

    def _unknown(self, instance: object) -> None:
        assert isinstance(instance, ReferenceInstance)
        elements = instance.machine.elements
        registers = tuple(instance.unknown_registers(vcpu) for vcpu in range(len(elements)))
        locations = instance.machine.space.unknown
        self._last_unknown = Unknown(
            registers=registers if any(registers) else (),
            memory=tuple((address, 1) for address in sorted(_addresses(instance, locations))),
            all_memory=any(element.all_memory_unknown for element in elements),
            exit_fields=(frozenset({"address", "fault"}),)
            if any(element.address_unknown for element in elements)
            else (),
        )


def _addresses(instance: ReferenceInstance, locations: set[tuple[int, int]]) -> list[int]:
    """The lowest guest addresses of physical bytes."""
    found: dict[tuple[int, int], int] = {}
    if locations:
        for number, page in sorted(instance.machine.space.pages.items(), reverse=True):
            for buffer, offset in locations:
                if buffer == page.number and page.offset <= offset < page.offset + 4096:
                    found[buffer, offset] = (number << 12) + offset - page.offset
    return list(found.values())
