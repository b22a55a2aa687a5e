"""What the feeds cover, read in one place: every verdict about usage rests on it."""

from __future__ import annotations

from sqlalchemy import Connection, text

from rollout.domain.usage import Coverage


def read_coverage(connection: Connection) -> Coverage:
    """Return from when to when each feed has reported."""
    rows = connection.execute(
        text("SELECT first_event, newest_event FROM feeds WHERE newest_event IS NOT NULL")
    )
    return Coverage(tuple((row.first_event, row.newest_event) for row in rows))
