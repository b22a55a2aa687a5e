"""The SQL of who calls: for one account, through one integration, and all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from rollout.adapters.db.histories import history
from rollout.adapters.db.streaming import stream
from rollout.adapters.db.usage_questions.as_of import HISTORY
from rollout.adapters.db.usage_questions.conditions import SOURCES_OF
from rollout.domain.errors import no_account
from rollout.domain.usage import HOLIDAYS
from rollout.services.ports.usage_questions import (
    CallerRow,
    CandidateRow,
    CustomerRow,
    IntegrationRow,
    OwnKey,
)

_ACCOUNT_KEYS = f"""
SELECT k.key_id, k.kind, k.status, k.label, coalesce(u.count, 0) AS uses,
       coalesce(u.refused, 0) AS refused, {HISTORY}
  FROM keys k LEFT JOIN key_usage u USING (key_id)
 WHERE k.account_id = :account_id ORDER BY k.key_id
"""
# Calls of the last days, and of as many before them; an hour counts for where it began.
_CALLS = """
coalesce(sum(g.count) FILTER (WHERE g.hour > CAST(:now AS timestamptz)
  - CAST(:recent AS interval)), 0)::bigint AS recent,
coalesce(sum(g.count) FILTER (WHERE g.hour <= CAST(:now AS timestamptz)
  - CAST(:recent AS interval)), 0)::bigint AS before
"""
_LATELY = """
g.hour <= :now AND g.hour > CAST(:now AS timestamptz) - 2 * CAST(:recent AS interval)
"""
_ACCOUNT_CALLERS = f"""
SELECT c.*, i.kind, i.home_page FROM (
  SELECT n.integration, CASE WHEN n.integration IS NULL THEN n.user_agent END AS program,
         array_agg(DISTINCT x.key_id ORDER BY x.key_id) AS keys,
         count(DISTINCT n.network) AS networks, sum(x.count)::bigint AS uses,
         sum(x.refused)::bigint AS refused, min(x.first_seen) AS first_seen,
         max(x.last_seen) AS last_seen, sum(t.recent)::bigint AS recent,
         sum(t.before)::bigint AS before
    FROM keys k JOIN key_sources x USING (key_id) JOIN named_sources n USING (source_id)
    CROSS JOIN LATERAL (SELECT {_CALLS} FROM sightings g WHERE g.key_id = x.key_id
                           AND g.source_id = x.source_id AND {_LATELY}) t
   WHERE k.account_id = :account_id GROUP BY 1, 2
) c LEFT JOIN integrations i USING (integration)
ORDER BY c.recent DESC, c.last_seen DESC, c.integration, c.program
"""
_INTEGRATION = """
SELECT integration, kind, confidence, accounts, keys, networks, count, refused, first_seen,
       last_seen, home_page, migration_url, reasons FROM integrations
"""
# A candidate that programs of different kinds share is shown as the surest of them.
_CANDIDATES = """
WITH found AS (
  SELECT candidate, integration, user_agent, how, confidence, reasons, accounts, keys, networks,
         count, refused, first_seen, last_seen FROM callers
  UNION ALL
  SELECT c.candidate, c.integration, '', 'fan_out', c.confidence, c.reasons, c.accounts, c.keys, 1,
         x.* FROM source_candidates c CROSS JOIN LATERAL (
    SELECT sum(count)::bigint, sum(refused)::bigint, min(first_seen), max(last_seen)
      FROM key_sources x WHERE x.source_id = c.source_id) x
)
SELECT c.candidate, (array_agg(c.how ORDER BY c.confidence DESC, c.user_agent))[1] AS kind,
       max(c.confidence), sum(c.accounts)::bigint, sum(c.keys)::bigint, sum(c.networks)::bigint,
       sum(c.count)::bigint, sum(c.refused)::bigint, min(c.first_seen), max(c.last_seen),
       (array_agg(to_jsonb(c.reasons) ORDER BY c.confidence DESC, c.user_agent))[1] AS reasons,
       min(d.owner) FILTER (WHERE d.integration IS NULL)
  FROM found c LEFT JOIN integration_decisions d USING (candidate)
 WHERE c.candidate IS NOT NULL AND c.integration IS NULL
 GROUP BY c.candidate ORDER BY sum(c.accounts) DESC, sum(c.count) DESC, c.candidate
"""
# Only of pairs that have been silent the days are looked up: no rhythm stops sooner.
_CUSTOMERS = f"""
SELECT coalesce(k.account_id, nullif(u.named_account, '')) AS account_id,
       count(DISTINCT x.key_id) AS keys, count(DISTINCT s.network) AS networks,
       sum(x.count)::bigint AS uses, sum(x.refused)::bigint AS refused,
       min(x.first_seen) AS first_seen, max(x.last_seen) AS last_seen, NULL AS attested_at,
       range_agg(d.days)::text AS days, sum(t.recent)::bigint AS recent,
       sum(t.before)::bigint AS before
  FROM ({SOURCES_OF}) o JOIN sources s USING (source_id) JOIN key_sources x USING (source_id)
  LEFT JOIN keys k USING (key_id) LEFT JOIN key_usage u USING (key_id)
  CROSS JOIN LATERAL (SELECT {_CALLS} FROM sightings g WHERE g.key_id = x.key_id
                         AND g.source_id = x.source_id AND {_LATELY}) t
  LEFT JOIN LATERAL (
       SELECT range_agg(daterange(day, day + 1)) AS days FROM (
         SELECT DISTINCT (g.hour AT TIME ZONE 'UTC')::date AS day FROM sightings g
          WHERE g.key_id = x.key_id AND g.source_id = x.source_id) AS each) d
    ON x.last_seen < CAST(:now AS timestamptz) - interval '{HOLIDAYS.total_seconds():.0f} s'
 WHERE coalesce(k.account_id, nullif(u.named_account, '')) IS NOT NULL
 GROUP BY 1 ORDER BY recent DESC, last_seen DESC, account_id
"""


def read_account_keys(connection: Connection, account_id: str, now: datetime) -> Sequence[OwnKey]:
    """Read the keys of an account; raise ``NotFound`` where there is no such account."""
    exists = text("SELECT EXISTS (SELECT FROM accounts WHERE account_id = :account_id)")
    if not connection.execute(exists, {"account_id": account_id}).scalar_one():
        raise no_account(account_id)
    values = {"account_id": account_id, "now": now}
    return [
        OwnKey(
            row.key_id,
            row.kind,
            row.status,
            row.label,
            row.uses,
            row.refused,
            history(row),
        )
        for row in connection.execute(text(_ACCOUNT_KEYS), values)
    ]


def read_account_callers(
    connection: Connection, account_id: str, now: datetime, recent: timedelta
) -> Sequence[CallerRow]:
    """Read who has used the keys of an account, the busiest of late first."""
    values = {"account_id": account_id, "now": now, "recent": recent}
    return [
        CallerRow(
            integration=row.integration,
            program=row.program,
            kind=row.kind,
            home_page=row.home_page,
            keys=tuple(row.keys),
            networks=row.networks,
            count=row.uses,
            refused=row.refused,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            recent=row.recent,
            before=row.before,
        )
        for row in connection.execute(text(_ACCOUNT_CALLERS), values)
    ]


def read_integrations(connection: Connection, name: str | None = None) -> Sequence[IntegrationRow]:
    """Read all integrations, those with the most accounts first; or the one of this name."""
    query = f"{_INTEGRATION} ORDER BY accounts DESC, count DESC, integration"
    if name is not None:
        query = f"{_INTEGRATION} WHERE integration = :name"
    return [IntegrationRow(*row) for row in connection.execute(text(query), {"name": name})]


def read_candidates(connection: Connection) -> Sequence[CandidateRow]:
    """Read what may be an integration and is called none."""
    return [CandidateRow(*row) for row in connection.execute(text(_CANDIDATES))]


def read_customers(
    connection: Connection, name: str, now: datetime, recent: timedelta
) -> Iterator[CustomerRow]:
    """Read the accounts that an integration has called for, the busiest of late first."""
    values = {"integration": name, "now": now, "recent": recent}
    for row in stream(connection, _CUSTOMERS, values):
        yield CustomerRow(
            account_id=row.account_id,
            keys=row.keys,
            networks=row.networks,
            count=row.uses,
            refused=row.refused,
            first_seen=row.first_seen,
            history=history(row),
            recent=row.recent,
            before=row.before,
        )
