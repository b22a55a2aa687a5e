"""What became of notices, what is still to come, and who is not told in time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from rollout.domain.errors import NotFound
from rollout.domain.notices.ahead import steps_ahead
from rollout.domain.notices.untold import Untold, untold
from rollout.domain.plan import Deprecation, Guards
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.notice_views import Near, NearEnrollment, NoticeFilter, Row


@dataclass(slots=True)
class StepCounts:
    """One step of a deprecation: messages by state, and people to whom it is still to come."""

    deprecation: str
    step: str
    states: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)  # by reason, the most frequent first
    planned: int = 0  # at most: a condition of the step may not be met then
    planned_from: datetime | None = None
    planned_until: datetime | None = None

    def plan(self, people: int, at: datetime) -> None:
        """Add people to whom it is to come at a time."""
        self.planned += people
        self.planned_from = min(at, self.planned_from or at)
        self.planned_until = max(at, self.planned_until or at)


class NoticeOverview:
    """Reads only; raises ``NotFound`` at once for a deprecation or cohort that does not exist."""

    def __init__(self, start: StartUnitOfWork) -> None:
        self._start = start

    def notices(self, which: NoticeFilter, limit: int | None) -> Iterator[Row]:
        """Yield notices, the newest first: all that fit, or ``limit`` of them."""
        self._documents(which.deprecation, which.cohort)
        return self._notices(which, limit)

    def summary(self, deprecation: str | None, cohort: str | None) -> list[StepCounts]:
        """Return the counts of each step, deprecation by deprecation, in the order of the file."""
        documents = self._documents(deprecation, cohort)
        with self._start() as uow:
            return [step for document in documents for step in _count(uow, document, cohort)]

    def untold(
        self, deprecation: str | None, cohort: str | None, limit: int | None
    ) -> Iterator[tuple[NearEnrollment, Untold]]:
        """Yield who is not told and due in less than ``min_notice``, the earliest deadline first.

        It is the judgement of the cutoff at the deadline, on today's evidence. All that are so, or
        ``limit`` of them.
        """
        documents = self._documents(deprecation, cohort)
        return self._untold(
            {document.name: document.guards for document in documents}, cohort, limit
        )

    def _documents(self, deprecation: str | None, cohort: str | None) -> list[Deprecation]:
        """Return what is meant: one deprecation, which must have the cohort given, or all."""
        with self._start() as uow:
            if deprecation is None:
                return [uow.plan.deprecation(name) for name in uow.plan.names()]
            document = uow.plan.deprecation(deprecation)
            known = [] if cohort is None else [c.cohort for c in uow.guards.cohorts(deprecation)]
        if cohort is not None and cohort not in known:
            raise NotFound(
                f"{deprecation} has no cohort {cohort!r} (known: {', '.join(known)})",
                fix=f"`rollout cohort list {deprecation}` shows them",
            )
        return [document]

    def _notices(self, which: NoticeFilter, limit: int | None) -> Iterator[Row]:
        with self._start() as uow:
            yield from uow.notice_views.notices(which, limit)

    def _untold(
        self, guards: Mapping[str, Guards], cohort: str | None, limit: int | None
    ) -> Iterator[tuple[NearEnrollment, Untold]]:
        near = [Near(name, g.min_notice, g.min_delivered) for name, g in guards.items()]
        with self._start() as uow:
            for enrollment in uow.notice_views.near(near, cohort, limit):
                why = untold(enrollment.telling, guards[enrollment.deprecation])
                if why is not None:
                    yield enrollment, why


def _count(uow: UnitOfWork, document: Deprecation, cohort: str | None) -> list[StepCounts]:
    """Count a deprecation. Steps that are in no file, such as ``extended``, come last."""
    steps = {step.name: StepCounts(document.name, step.name) for step in document.reminders}
    for counted in uow.notice_views.count(document.name, cohort):
        step = steps.setdefault(counted.step, StepCounts(document.name, counted.step))
        step.states[counted.state] = step.states.get(counted.state, 0) + counted.notices
        if counted.reason is not None:
            step.skipped[counted.reason] = counted.notices
    now = uow.now()
    for alike in uow.notice_views.ahead(document.name, cohort):
        ahead = steps_ahead(
            document,
            deadline=alike.deadline,
            zone=alike.zone,
            cut_at=alike.cut_at,
            told_until=alike.told_until,
            now=now,
        )
        for to_come, at in ahead:
            people = alike.people if to_come.required else alike.willing
            if people:
                steps[to_come.name].plan(people, at)
    return list(steps.values())
