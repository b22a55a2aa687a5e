"""Who would be cut or held at a time, and why. The rules are the real ones; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from rollout.domain.cutoff import Case, Cut, Hold, Postpone, judge
from rollout.services.cutoff.sweep import freeze_finder
from rollout.services.ports import StartUnitOfWork

LIMIT = 100_000  # enrollments shown per deprecation


@dataclass(frozen=True, slots=True)
class Foreseen:
    """One key and what would become of it."""

    key_id: str
    account_id: str
    cohort: str
    deadline: datetime
    verdict: str  # cut or hold
    reason: str | None


class CutoffPreview:
    """Looks ahead with today's evidence: promises, holds and usage as they are now."""

    def __init__(self, start: StartUnitOfWork) -> None:
        self._start = start

    def at(self, at: datetime | None) -> Iterator[Foreseen]:
        """Yield every key due by ``at`` (None: now) with its verdict at that time."""
        with self._start() as uow:
            paused = {(c.deprecation, c.cohort): c.paused for c in uow.guards.cohorts(None)}
            moment = at or uow.now()
            for name in uow.plan.names():
                document = uow.plan.deprecation(name)
                find = freeze_finder(document)
                for case in uow.cutoff.cases(document, moment, LIMIT):
                    verdict = judge(case, document.guards, find, moment)
                    pause = paused[name, case.cohort]
                    if isinstance(verdict, Cut) and pause:
                        yield from _each(case, "hold", f"the cohort is paused: {pause}")
                    elif isinstance(verdict, Cut):
                        yield from _each(case, "cut", None)
                    elif isinstance(verdict, Hold | Postpone):
                        yield from _each(case, "hold", verdict.reason)


def _each(case: Case, verdict: str, reason: str | None) -> Iterator[Foreseen]:
    for key in case.keys:
        yield Foreseen(key.key_id, case.account_id, case.cohort, case.deadline, verdict, reason)
