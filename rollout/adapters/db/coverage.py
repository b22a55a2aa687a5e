"""What the feeds cover, read in one place: every verdict about usage rests on it."""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, text

from rollout.domain.usage import Coverage, Feed

# Hours with uses, from the first use to the newest.
_FEEDS = """
SELECT feed, every, complete,
       array_agg(greatest(lower(span), first_event) ORDER BY span) FILTER (WHERE NOT isempty(span))
         AS starts,
       array_agg(least(upper(span), newest_event) ORDER BY span) FILTER (WHERE NOT isempty(span))
         AS ends
  FROM feeds LEFT JOIN LATERAL unnest(reported) AS span ON true
 GROUP BY feed ORDER BY feed
"""


def read_coverage(connection: Connection) -> Coverage:
    """Return from when to when each feed has reported."""
    return Coverage(
        tuple(
            Feed(
                row.feed,
                row.every,
                row.complete,
                tuple(zip(map(_utc, row.starts or ()), map(_utc, row.ends or ()), strict=True)),
            )
            for row in connection.execute(text(_FEEDS))
        )
    )


def _utc(at: datetime) -> datetime:
    return at.astimezone(UTC)
