"""How staged uses are merged into the tables of the usage stage.

Every statement that locks rows takes them in the order of their keys, and the statements always
run in this order. So two merges never wait for each other crosswise.
"""

from __future__ import annotations

STAGED = (
    "event",
    "key_id",
    "account_id",
    "source_id",
    "user_agent",
    "network",
    "example",
    "hour",
    "count",
    "refused",
    "first_at",
    "last_at",
)

STAGING = """
CREATE TEMPORARY TABLE staged (
    event bytea,
    key_id text NOT NULL,
    account_id text,
    source_id bytea NOT NULL,
    user_agent text NOT NULL,
    network text NOT NULL,
    example text NOT NULL,
    hour timestamptz NOT NULL,
    count bigint NOT NULL,
    refused bigint NOT NULL,
    first_at timestamptz NOT NULL,
    last_at timestamptz NOT NULL
) ON COMMIT DROP
"""

# The account that logs agree on: NULL where they name none, empty where they name several.
_AGREED = """
CASE WHEN min(account_id) IS DISTINCT FROM max(account_id) THEN '' ELSE min(account_id) END
"""

# Events that were counted before drop out, and of those that come twice here, all but one.
_COUNT_ONCE = f"""
WITH fresh AS (
    INSERT INTO usage_events (digest, at)
    SELECT DISTINCT ON (event) event, first_at FROM staged
    WHERE event IS NOT NULL
    ORDER BY event
    ON CONFLICT DO NOTHING
    RETURNING digest
)
INSERT INTO counted
SELECT key_id, {_AGREED}, source_id, hour, sum(count), sum(refused), min(first_at), max(last_at)
FROM (
    SELECT * FROM staged WHERE event IS NULL
    UNION ALL
    (SELECT DISTINCT ON (event) staged.* FROM staged JOIN fresh ON digest = event)
) AS uses
GROUP BY key_id, source_id, hour
"""

_SOURCES = """
INSERT INTO sources (source_id, user_agent, network, example)
SELECT source_id, min(user_agent), min(network), min(example COLLATE "C") FROM staged
GROUP BY source_id
ORDER BY source_id
ON CONFLICT (source_id) DO UPDATE SET example = excluded.example
WHERE excluded.example COLLATE "C" < sources.example
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

_KEYS = f"""
INSERT INTO key_usage AS known (key_id, count, refused, first_seen, last_seen, named_account)
SELECT key_id, sum(count), sum(refused), min(first_at), max(last_at), {_AGREED} FROM counted
GROUP BY key_id
ORDER BY key_id
ON CONFLICT (key_id) DO UPDATE SET
    count = known.count + excluded.count,
    refused = known.refused + excluded.refused,
    first_seen = least(known.first_seen, excluded.first_seen),
    last_seen = greatest(known.last_seen, excluded.last_seen),
    named_account = CASE WHEN known.named_account <> excluded.named_account THEN ''
                         ELSE coalesce(known.named_account, excluded.named_account) END
"""

_FEED = """
UPDATE feeds SET
    first_event = least(first_event, (SELECT min(first_at) FROM counted)),
    newest_event = greatest(newest_event, (SELECT max(last_at) FROM counted)),
    events = events + (SELECT coalesce(sum(count), 0) FROM counted),
    imported_at = rollout_instant()
WHERE feed = :feed
"""

_COUNTED = """
CREATE TEMPORARY TABLE counted ON COMMIT DROP AS
SELECT key_id, account_id, source_id, hour, count, refused, first_at, last_at FROM staged
WITH NO DATA
"""

MERGE = (
    "SET LOCAL lock_timeout = 0",  # another merge takes as long as it takes
    "ANALYZE staged",
    "INSERT INTO feeds (feed) VALUES (:feed) ON CONFLICT DO NOTHING",
    _COUNTED,
    _COUNT_ONCE,
    _SOURCES,
    _SIGHTINGS,
    _KEYS,
    _FEED,
)

MERGED = """
SELECT counted::bigint, (staged - counted)::bigint FROM
    (SELECT coalesce(sum(count), 0) AS counted FROM counted) AS counted,
    (SELECT coalesce(sum(count), 0) AS staged FROM staged) AS staged
"""
