"""How the staged uses of logs are merged into the tables of the usage stage.

First, under the lock of their scope, what was counted before is taken out; what is left is added.
Every statement that locks rows takes them in the order of their keys, and the statements always
run in this order. So two merges never wait for each other crosswise.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from sqlalchemy import Connection, text

from rollout.adapters.db.copy import copy_rows
from rollout.adapters.db.usage_endpoints import add_calls, count_calls
from rollout.adapters.db.usage_events import union, without
from rollout.adapters.db.usage_retention import kept_since

_BEFORE = (
    "SET LOCAL lock_timeout = 0",  # another merge takes as long as it takes
    "ANALYZE staged (log, own_ids, key_id, source_id, hour)",  # not what is long, and random
    "INSERT INTO feeds (feed) VALUES (:feed) ON CONFLICT DO NOTHING",
    # Whoever counts events of the same scope waits: else both would count what both bring.
    """
    SELECT pg_advisory_xact_lock(hashtextextended('usage:' || scope, 0)) FROM (
      SELECT DISTINCT CASE WHEN own_ids THEN '' ELSE :feed END AS scope FROM staged ORDER BY scope
    ) AS scopes
    """,
)

_SCOPE = "CASE WHEN own_ids THEN '' ELSE :feed END"
_KNOWN_HOURS = f"""
SELECT s.own_ids, s.hour, k.scope FROM (SELECT DISTINCT own_ids, hour FROM staged) s
  JOIN usage_seen k ON k.scope = {_SCOPE} AND k.hour = s.hour
"""
_KNOWN = "SELECT events FROM usage_seen WHERE scope = :scope AND hour = :hour"
_ROWS = "SELECT row, events, endpoints FROM staged WHERE own_ids = :own_ids AND hour = :hour"
_BROUGHT = f"""
SELECT {_SCOPE} AS scope, hour, string_agg(events, ''::bytea) AS events FROM staged
 GROUP BY 1, 2 ORDER BY 1, 2
"""
_SEEN = """
INSERT INTO usage_seen (scope, hour, events) VALUES (:scope, :hour, :events)
ON CONFLICT (scope, hour) DO UPDATE SET events = excluded.events
"""
_RECOUNTED = """
CREATE TEMPORARY TABLE recounted (row bigint, count bigint, refused bigint, endpoints bytea)
ON COMMIT DROP
"""
_RECOUNT = """
UPDATE staged SET count = r.count, refused = r.refused, endpoints = r.endpoints
  FROM recounted r WHERE r.row = staged.row
"""

# The account that logs agree on: NULL where they name none, empty where they name several.
_AGREED = """
CASE WHEN min(account_id) IS DISTINCT FROM max(account_id) THEN '' ELSE min(account_id) END
"""

_COUNTED = f"""
CREATE TEMPORARY TABLE counted ON COMMIT DROP AS
SELECT key_id, {_AGREED} AS account_id, source_id, hour, sum(count)::bigint AS count,
       sum(refused)::bigint AS refused, min(first_at) AS first_at, max(last_at) AS last_at
  FROM staged WHERE count > 0 GROUP BY key_id, source_id, hour
"""

_SOURCES = """
INSERT INTO sources (source_id, user_agent, network, client, example)
SELECT source_id, min(user_agent), min(network), min(client), min(example COLLATE "C")
  FROM staged_sources GROUP BY source_id ORDER BY source_id
ON CONFLICT (source_id) DO UPDATE SET example = excluded.example
WHERE excluded.example COLLATE "C" < sources.example COLLATE "C"
"""

_MONTHS = """
SELECT rollout_month_of_sightings(month), rollout_month_of_endpoints(month)
  FROM (SELECT DISTINCT date_trunc('month', hour, 'UTC') AS month FROM counted ORDER BY 1) months
"""

_SIGHTINGS = """
INSERT INTO sightings AS known (key_id, source_id, hour, count, refused, first_at, last_at)
SELECT key_id, source_id, hour, count, refused, first_at, last_at FROM counted
ORDER BY key_id, source_id, hour
ON CONFLICT (key_id, source_id, hour) DO UPDATE SET
    count = known.count + excluded.count,
    refused = known.refused + excluded.refused,
    first_at = least(known.first_at, excluded.first_at),
    last_at = greatest(known.last_at, excluded.last_at)
"""

_KEY_SOURCES = """
INSERT INTO key_sources AS known (key_id, source_id, count, refused, first_seen, last_seen)
SELECT key_id, source_id, sum(count), sum(refused), min(first_at), max(last_at) FROM counted
 GROUP BY key_id, source_id ORDER BY key_id, source_id
ON CONFLICT (key_id, source_id) DO UPDATE SET
    count = known.count + excluded.count,
    refused = known.refused + excluded.refused,
    first_seen = least(known.first_seen, excluded.first_seen),
    last_seen = greatest(known.last_seen, excluded.last_seen)
"""

_CALLERS = """
INSERT INTO callers AS known (user_agent, count, refused, first_seen, last_seen, days)
SELECT s.user_agent, sum(c.count), sum(c.refused), min(c.first_at), max(c.last_at),
       range_agg(daterange((c.hour AT TIME ZONE 'UTC')::date,
                           (c.hour AT TIME ZONE 'UTC')::date + 1))
  FROM counted c JOIN sources s USING (source_id) GROUP BY s.user_agent ORDER BY s.user_agent
ON CONFLICT (user_agent) DO UPDATE SET
    count = known.count + excluded.count,
    refused = known.refused + excluded.refused,
    first_seen = least(known.first_seen, excluded.first_seen),
    last_seen = greatest(known.last_seen, excluded.last_seen),
    days = known.days + excluded.days,
    due = true
"""

# Days of more than a year before the last are of no use for a rhythm.
_KEYS = f"""
INSERT INTO key_usage AS known
       (key_id, count, refused, first_seen, last_seen, named_account, days)
SELECT key_id, sum(count), sum(refused), min(first_at), max(last_at), {_AGREED},
       (SELECT range_agg(daterange(day, day + 1)) FROM unnest(array_agg(DISTINCT
          (hour AT TIME ZONE 'UTC')::date)) AS day)
  FROM counted GROUP BY key_id ORDER BY key_id
ON CONFLICT (key_id) DO UPDATE SET
    count = known.count + excluded.count,
    refused = known.refused + excluded.refused,
    first_seen = least(known.first_seen, excluded.first_seen),
    last_seen = greatest(known.last_seen, excluded.last_seen),
    named_account = CASE WHEN known.named_account <> excluded.named_account THEN ''
                         ELSE coalesce(known.named_account, excluded.named_account) END,
    days = (known.days + excluded.days) * datemultirange(daterange(
             (greatest(known.last_seen, excluded.last_seen) AT TIME ZONE 'UTC')::date - 400, NULL))
"""

_FEED = """
UPDATE feeds SET
    first_event = least(first_event, (SELECT min(first_at) FROM staged)),
    newest_event = greatest(newest_event, (SELECT max(last_at) FROM staged)),
    events = events + (SELECT coalesce(sum(count), 0) FROM counted),
    reported = reported + coalesce((SELECT range_agg(tstzrange(hour, hour + interval '1 hour'))
                                      FROM (SELECT DISTINCT hour FROM staged) hours), '{}'),
    imported_at = rollout_instant()
WHERE feed = :feed
"""

# Of a time whose sightings are no longer kept, nobody can tell what was counted: such uses change
# no count, but what they say of the first and the last use of a key holds.
_LATE = """
INSERT INTO key_usage AS known (key_id, count, refused, first_seen, last_seen)
SELECT key_id, 0, 0, min(first_at), max(last_at) FROM staged WHERE hour < :since
 GROUP BY key_id ORDER BY key_id
ON CONFLICT (key_id) DO UPDATE SET
    first_seen = least(known.first_seen, excluded.first_seen),
    last_seen = greatest(known.last_seen, excluded.last_seen)
"""

_BY_LOG = "SELECT log, sum(count)::bigint AS uses FROM staged GROUP BY log"

_MERGE = (_COUNTED, _SOURCES, _MONTHS, _SIGHTINGS, _KEY_SOURCES, _CALLERS, _KEYS, _FEED)


def merge_staged(
    connection: Connection, feed: str, late: Collection[int] = ()
) -> Mapping[int, int]:
    """Add what is staged, but for late logs, and return how many uses of each log were new."""
    connection.execute(text("DELETE FROM staged WHERE log = ANY(:late)"), {"late": list(late)})
    for statement in _BEFORE:
        connection.execute(text(statement), {"feed": feed})
    _leave_the_late(connection)
    _recount(connection, feed)
    _note_seen(connection, feed)
    count_calls(connection)
    add_staged(connection, feed)
    return {row.log: row.uses for row in connection.execute(text(_BY_LOG))}


def add_staged(connection: Connection, feed: str) -> None:
    """Add what is staged, all of which is new, to the tables."""
    for statement in _MERGE:
        connection.execute(text(statement), {"feed": feed})
    add_calls(connection)


def _leave_the_late(connection: Connection) -> None:
    """Take out the uses of months that were dropped."""
    since = kept_since(connection)
    if since is not None:
        connection.execute(text(_LATE), {"since": since})
        connection.execute(text("DELETE FROM staged WHERE hour < :since"), {"since": since})


def _recount(connection: Connection, feed: str) -> None:
    """Take out of the staged counts what was counted before."""
    hours = connection.execute(text(_KNOWN_HOURS), {"feed": feed}).all()
    if not hours:
        return
    connection.execute(text("CREATE INDEX ON staged (hour, own_ids)"))
    recounted: list[tuple[int, int, int, bytes]] = []
    for own_ids, hour, scope in hours:
        known = connection.execute(text(_KNOWN), {"scope": scope, "hour": hour}).scalar_one()
        rows = connection.execute(text(_ROWS), {"own_ids": own_ids, "hour": hour}).all()
        new = without([(row.events, row.endpoints) for row in rows], known)
        recounted += [
            (row.row, left.count, left.refused, left.endpoints)
            for row, left in zip(rows, new, strict=True)
        ]
    connection.execute(text(_RECOUNTED))
    copy_rows(connection, "recounted", ("row", "count", "refused", "endpoints"), recounted)
    connection.execute(text(_RECOUNT))


def _note_seen(connection: Connection, feed: str) -> None:
    """Note the names of all staged events, so that they count no more."""
    streamed = {"stream_results": True}
    brought = connection.execute(text(_BROUGHT), {"feed": feed}, execution_options=streamed)
    for scope, hour, events in brought:
        key = {"scope": scope, "hour": hour}
        known = connection.execute(text(_KNOWN), key).scalar()
        connection.execute(text(_SEEN), key | {"events": union(known or b"", events)})
