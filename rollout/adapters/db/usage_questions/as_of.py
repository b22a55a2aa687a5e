"""What ``key_usage`` would say if the uses after an instant were not known."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any

from sqlalchemy import Connection

from rollout.adapters.db.usage_retention import kept_since
from rollout.domain.usage import HOLIDAYS

NOW = "SELECT * FROM key_usage"

# The last use up to then stands in the sightings, by the hour: of an hour that is not over, its
# first use is known to be before. Of months that were dropped, the days are left, and the end of a
# day is taken: rather too late than too early. What an authority said of a key that was used
# since then, it said of the later use, and of the earlier ones nothing.
_LAST_USES = """
SELECT u.key_id, u.named_account, u.days, u.first_seen,
       CASE WHEN u.last_seen > :at THEN coalesce(s.count, 0) ELSE u.count END AS count,
       CASE WHEN u.last_seen > :at THEN coalesce(s.refused, 0) ELSE u.refused END AS refused,
       CASE WHEN u.last_seen > :at THEN greatest(u.first_seen, s.last_at, CASE
              WHEN NOT isempty(old.days) THEN least(:at, CAST(upper(old.days) AS timestamp)
                AT TIME ZONE 'UTC' - interval '1 us') END) ELSE u.last_seen END AS last_seen,
       CASE WHEN u.last_seen > :at THEN NULL ELSE least(u.attested_at, :at) END AS attested_at
  FROM key_usage u CROSS JOIN LATERAL (
       SELECT u.days * datemultirange(daterange(NULL, CAST(:dropped_before AS date))) AS days) old
  LEFT JOIN LATERAL (
       SELECT max(CASE WHEN g.last_at <= :at THEN g.last_at ELSE g.first_at END) AS last_at,
              sum(CASE WHEN g.last_at <= :at THEN g.count ELSE 1 END)::bigint AS count,
              sum(CASE WHEN g.last_at <= :at THEN g.refused ELSE 0 END)::bigint AS refused
         FROM sightings g WHERE g.key_id = u.key_id AND g.hour <= :at AND g.first_at <= :at
       ) s ON u.last_seen > :at
 WHERE u.first_seen <= :at OR u.first_seen IS NULL
"""
# Of the days, those up to that use.
AS_OF = f"""
SELECT key_id, named_account, first_seen, count, refused, last_seen, attested_at,
       days * datemultirange(daterange(NULL, (last_seen AT TIME ZONE 'UTC')::date + 1)) AS days
  FROM ({_LAST_USES}) AS last_uses
"""

# The columns of a history, judged as of ``:now``: days only where they can matter, for no rhythm
# stops sooner.
HISTORY = (
    "u.last_seen, u.attested_at, CASE WHEN u.last_seen <"
    f" CAST(:now AS timestamptz) - interval '{HOLIDAYS.total_seconds():.0f} s'"
    " THEN u.days::text END AS days"
)


def uses(connection: Connection, at: datetime | None) -> tuple[str, dict[str, Any]]:
    """Return a query for the uses up to an instant, in the columns of ``key_usage``."""
    if at is None:
        return NOW, {}
    kept = kept_since(connection)
    dropped_before = date.min if kept is None else min(kept, at).date()
    if kept is not None and at < kept:
        dropped_before = date.fromordinal(at.date().toordinal() + 1)  # its day has begun
    return AS_OF, {"at": at, "dropped_before": dropped_before}
