"""How many keys are used, were used before, or were never seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from rollout.domain.errors import BadInput
from rollout.domain.usage import Usage
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.usage_questions import Alike, GroupBy, KeyFilter
from rollout.services.usage.questions.keys import check, in_scope
from rollout.services.usage.questions.view import View, view


@dataclass(slots=True)
class KeyCounts:
    """Keys that can be used. ``active`` is the sum of the next three, and of the three after."""

    active: int = 0
    used: int = 0  # within the window, its first instant included
    older: int = 0
    never: int = 0  # not seen yet
    in_use: int = 0
    unused: int = 0
    unknown: int = 0

    def add(self, alike: Alike, seen: View) -> None:
        """Count in keys with one history."""
        last = alike.history.last_seen
        self.active += alike.keys
        if last is None:
            self.never += alike.keys
        elif seen.now - last <= seen.window:
            self.used += alike.keys
        else:
            self.older += alike.keys
        match seen.judge(alike.history).usage:
            case Usage.IN_USE:
                self.in_use += alike.keys
            case Usage.UNUSED:
                self.unused += alike.keys
            case Usage.UNKNOWN:
                self.unknown += alike.keys


@dataclass(frozen=True, slots=True)
class Summary:
    """Counts of keys as of ``at``, and what the verdicts rest on, in sentences.

    A key that serves several integrations counts in each of those groups, and once in ``total``.
    """

    at: datetime
    window: timedelta
    coverage: Sequence[str]
    total: KeyCounts
    groups: dict[str | None, KeyCounts]  # None: in no cohort, or with no integration


def summarise(
    start: StartUnitOfWork,
    which: KeyFilter,
    *,
    at: datetime | None,
    window: timedelta | None,
    by: GroupBy | None,
) -> Summary:
    """Count the active keys that are meant."""
    if by is GroupBy.COHORT and which.deprecation is None:
        raise BadInput(
            "cohorts are those of a deprecation: which one is not said", fix="name the deprecation"
        )
    with start() as uow:
        deprecation = check(uow, which)
        guards = deprecation.guards if deprecation else None
        seen = view(uow, at=at, guards=guards, window=window)
        which = replace(in_scope(which, deprecation), active=True)
        total, groups = KeyCounts(), dict[str | None, KeyCounts]()
        ask = uow.usage_questions.alike
        if by is not None:
            for alike in ask(which, seen.at, seen.now, by=by, window=seen.window):
                groups.setdefault(alike.group, KeyCounts()).add(alike, seen)
        for alike in ask(which, seen.at, seen.now, by=None, window=seen.window):
            total.add(alike, seen)
        return Summary(seen.now, seen.window, seen.describe(), total, groups)
