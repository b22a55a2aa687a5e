"""Which steps are still to come for an enrollment, and when, as its dates stand now."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

from rollout.domain.notices.timetable import Timetable, aftermath, choose, warnings
from rollout.domain.plan import Deprecation, Step


def steps_ahead(
    document: Deprecation,
    *,
    deadline: datetime,
    zone: str,
    cut_at: datetime | None,
    told_until: datetime | None,
    now: datetime,
) -> Iterator[tuple[Step, datetime]]:
    """Yield each step that is not told yet, with its time: now, where that has passed.

    ``cut_at`` is None before the cut, which is then taken to come at the deadline, or now where
    that has passed.
    """
    if cut_at is not None:
        yield from _to_come(aftermath(document, cut_at), told_until, now)
        return
    yield from _to_come(warnings(document, deadline, zone), told_until, now)
    cut = max(deadline, now)
    for step in document.aftermath:
        yield step, cut + step.offset


def _to_come(
    timetable: Timetable, told_until: datetime | None, now: datetime
) -> Iterator[tuple[Step, datetime]]:
    due = choose(timetable.passed(since=told_until, now=now), lambda _: None).send
    if due is not None:
        yield due.step, now
    for later in timetable.steps:
        if later.at > max(now, told_until or now):
            yield later.step, later.at
