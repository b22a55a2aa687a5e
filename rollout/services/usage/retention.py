"""Sightings per hour are kept for so many days; the last use of a key, for ever."""

from __future__ import annotations

from datetime import datetime, timedelta

from rollout.domain.audit import ROLLOUT, Fact
from rollout.services.ports import StartUnitOfWork


class UsageRetention:
    """Drops months of sightings that need not be kept."""

    def __init__(self, start: StartUnitOfWork, keep: timedelta | None) -> None:
        self._start = start
        self._keep = keep

    def drop_old(self) -> int:
        """Drop the months all of whose days are older than that; return how many."""
        if self._keep is None:
            return 0
        with self._start() as uow:
            month = _month_of(uow.now() - self._keep)
            dropped = uow.usage.drop_before(month)
            if dropped:
                data = {"before": month.isoformat(), "months": dropped}
                uow.audit.append([Fact(ROLLOUT, "usage.dropped", "sightings", data=data)])
            uow.commit()
        return len(dropped)


def _month_of(at: datetime) -> datetime:
    return at.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
