"""The SQL of what is left: keys in use by day, and what makes them up."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import accumulate

from sqlalchemy import Connection, text

from rollout.adapters.db.usage_questions.conditions import NAMED_USES
from rollout.domain.usage.burn_down import Point

ONE_DAY = timedelta(days=1)

# A day of use makes a key count on that day and on those after it, `:after` more. Each unbroken
# time is one up where it begins, and one down where it has ended: counting needs one pass.
_CHANGES = """
WITH used AS (
  SELECT u.days * datemultirange(daterange(CAST(:earliest AS date), NULL)) AS days,
         datemultirange(daterange(CAST(:first AS date), least(CAST(:end AS date),
           CASE WHEN k.status <> 'active' THEN (k.disabled_at AT TIME ZONE 'UTC')::date END)))
           AS counted
    FROM keys k JOIN key_usage u USING (key_id)
   WHERE k.kind = ANY(:kinds) AND u.last_seen >= CAST(:earliest AS timestamp) AT TIME ZONE 'UTC'
     AND (k.status = 'active'
          OR k.disabled_at >= CAST(:first AS timestamp) AT TIME ZONE 'UTC')
), times AS (
  SELECT unnest(t.days * used.counted) AS span FROM used CROSS JOIN LATERAL (
    SELECT range_agg(daterange(lower(day), upper(day) + CAST(:after AS integer))) AS days
      FROM unnest(used.days) AS day) t
)
SELECT day, sum(change)::bigint AS change FROM (
  SELECT lower(span) AS day, count(*) AS change FROM times GROUP BY 1
  UNION ALL SELECT upper(span), -count(*) FROM times GROUP BY 1) changes
 GROUP BY day ORDER BY day
"""
_ACCOUNTS = """
SELECT count(DISTINCT k.account_id) FROM keys k JOIN key_usage u USING (key_id)
 WHERE k.kind = ANY(:kinds) AND k.status = 'active' AND u.last_seen >= :used_since
"""
_SETS = f"""
WITH used AS (
  SELECT DISTINCT k.account_id, n.integration
    FROM ({NAMED_USES}) n JOIN keys k USING (key_id)
   WHERE k.kind = ANY(:kinds) AND k.status = 'active' AND n.last_seen >= :used_since
), sets AS (
  SELECT array_agg(integration ORDER BY integration) AS integrations FROM used GROUP BY account_id
)
SELECT integrations, count(*) FROM sets GROUP BY integrations ORDER BY 2 DESC, 1
"""
_LAST_DEADLINE = """
SELECT max(deadline) FROM enrollments WHERE deprecation = :deprecation AND state = 'scheduled'
"""


def count_in_use_by_day(
    connection: Connection, kinds: frozenset[str], first: date, last: date, kept: timedelta
) -> Sequence[Point]:
    """Count the keys that were in use on each day from the first to the last."""
    after = kept - ONE_DAY
    values = {
        "kinds": sorted(kinds),
        "earliest": first - after,
        "first": first,
        "end": last + ONE_DAY,
        "after": after.days,
    }
    changes = {row.day: row.change for row in connection.execute(text(_CHANGES), values)}
    days = [first + ONE_DAY * number for number in range((last - first).days + 1)]
    return list(zip(days, accumulate(changes.get(day, 0) for day in days), strict=True))


def count_by_integrations(
    connection: Connection, kinds: frozenset[str], used_since: datetime
) -> Sequence[tuple[tuple[str, ...], int]]:
    """Count accounts that have used keys since then, by the integrations that they use."""
    values = {"kinds": sorted(kinds), "used_since": used_since}
    all_accounts = connection.execute(text(_ACCOUNTS), values).scalar_one()
    sets = [(tuple(names), count) for names, count in connection.execute(text(_SETS), values)]
    others = all_accounts - sum(count for _, count in sets)
    return [*sets, ((), max(0, others))]  # below 0 only where uses came in between the two


def read_last_deadline(connection: Connection, deprecation: str) -> datetime | None:
    """Return the latest deadline of those who are still to be cut."""
    values = {"deprecation": deprecation}
    at: datetime | None = connection.execute(text(_LAST_DEADLINE), values).scalar_one()
    return at and at.astimezone(UTC)
