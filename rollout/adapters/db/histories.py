"""What is known of the uses of keys, for the judgement: of one key, or of all of an account."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from sqlalchemy import Row

from rollout.domain.usage import HOLIDAYS, Days, History

# The days of a key's uses are asked for only where they can matter: no rhythm stops sooner.
_DAYS = (
    f"CASE WHEN u.last_seen < rollout_now() - interval '{HOLIDAYS.total_seconds():.0f} s'"
    " THEN u.days::text END"
)
OF_KEY = f"u.last_seen, u.attested_at, {_DAYS} AS days"
# In an aggregate over ``keys LEFT JOIN key_usage u``: one history for each key.
OF_KEYS = (
    "array_agg(u.last_seen) AS last_seen, array_agg(u.attested_at) AS attested_at,"
    f" array_agg({_DAYS}) AS days"
)

_RANGE = re.compile(r"\[(\d{4}-\d\d-\d\d),(\d{4}-\d\d-\d\d)\)")
DAY = timedelta(days=1)


def history(row: Row[Any]) -> History:
    """Read the columns of ``OF_KEY``."""
    return _history(row.last_seen, row.attested_at, row.days)


def histories(
    last_seen: Sequence[datetime | None] | None,
    attested_at: Sequence[datetime | None] | None,
    days: Sequence[str | None] | None,
) -> tuple[History, ...]:
    """Read the columns of ``OF_KEYS``, which are None where there were no keys."""
    of_each = zip(last_seen or (), attested_at or (), days or (), strict=True)
    return tuple(_history(*one) for one in of_each)


def _history(last_seen: datetime | None, attested_at: datetime | None, days: str | None) -> History:
    return History(
        last_seen and last_seen.astimezone(UTC),
        _days(days) if days else (),
        attested_at and attested_at.astimezone(UTC),
    )


def _days(multirange: str) -> Days:
    return tuple(
        (date.fromisoformat(first), date.fromisoformat(after) - DAY)
        for first, after in _RANGE.findall(multirange)
    )
