"""When the people of some accounts may next be written to, by their own clocks."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from rollout.domain.notices.timetable import next_open
from rollout.domain.plan import Deprecation
from rollout.services.ports import UnitOfWork
from rollout.services.ports.notices import Opening


def when_open(
    uow: UnitOfWork, document: Deprecation, enrollment_ids: Sequence[int]
) -> Opening | None:
    """Return when they may be written to, zone by zone; None: at any time."""
    hours = document.notices.hours
    if hours is None or not enrollment_ids:
        return None
    now = uow.now()
    zones = uow.notices.zones(enrollment_ids)
    return Opening({zone: next_open(hours, now, zone) for zone in zones}, document.spacing)


def next_reading(
    document: Deprecation, step: str, zone: str, deadline: datetime, now: datetime
) -> datetime:
    """Return when a message may be sent to somebody: now, or in their own hours.

    What tells of a cutoff waits for nobody, and a warning no longer than leaves its notice.
    """
    hours = document.notices.hours
    at_once = any(s.name == step and not s.offset for s in document.reminders)
    if hours is None or at_once:
        return now
    opens = next_open(hours, now, zone)
    return opens if deadline <= now else max(now, min(opens, deadline - document.spacing))
