"""The SQL of feeds: what came from each, and what was declared of it."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from rollout.services.ports.usage_questions import FeedRow, Interval

_COLUMNS = "feed, first_event, newest_event, events, every, complete"
_NEW = "INSERT INTO feeds (feed) VALUES (:feed) ON CONFLICT DO NOTHING"
_DECLARE = f"""
UPDATE feeds SET every = CASE WHEN :of_every THEN CAST(:every AS interval) ELSE every END,
       complete = coalesce(:complete, complete)
 WHERE feed = :feed RETURNING {_COLUMNS}
"""


def read_feeds(connection: Connection) -> Sequence[FeedRow]:
    """Read all feeds."""
    rows = connection.execute(text(f"SELECT {_COLUMNS} FROM feeds ORDER BY feed"))
    return [FeedRow(*row) for row in rows]


def declare(
    connection: Connection, feed: str, *, every: Interval | None, complete: bool | None, new: bool
) -> FeedRow | None:
    """Note what holds of a feed; None where there is no such feed."""
    if new:
        connection.execute(text(_NEW), {"feed": feed})
    values = {
        "feed": feed,
        "of_every": every is not None,
        "every": every and every.longest,
        "complete": complete,
    }
    row = connection.execute(text(_DECLARE), values).first()
    return None if row is None else FeedRow(*row)
