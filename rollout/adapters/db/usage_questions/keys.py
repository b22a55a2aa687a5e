"""The SQL of keys: one by one, and counted."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import Connection

from rollout.adapters.db.histories import history
from rollout.adapters.db.streaming import stream
from rollout.adapters.db.usage_questions.as_of import HISTORY, uses
from rollout.adapters.db.usage_questions.conditions import NAMED_USES, conditions
from rollout.domain.usage import HOLIDAYS
from rollout.services.ports.usage import KeyRow
from rollout.services.ports.usage_questions import Alike, GroupBy, KeyFilter

# The integrations of a few keys are looked up for each; those of many, for all of them at once.
_OF_FEW = """
(SELECT array_agg(DISTINCT n.integration ORDER BY n.integration) AS integrations
   FROM key_sources x JOIN named_sources n USING (source_id)
  WHERE x.key_id = {key} AND n.integration IS NOT NULL
    AND (CAST(:at AS timestamptz) IS NULL OR x.first_seen <= :at)) i ON true
"""
_OF_MANY = f"""
(SELECT key_id, array_agg(DISTINCT integration ORDER BY integration) AS integrations
   FROM ({NAMED_USES}) n WHERE CAST(:at AS timestamptz) IS NULL OR first_seen <= :at
  GROUP BY key_id) i ON i.key_id = {{key}}
"""
_REGISTERED = f"""
SELECT k.key_id, k.account_id, k.kind, k.status, coalesce(u.count, 0) AS uses,
       coalesce(u.refused, 0) AS refused, u.first_seen, {HISTORY}, i.integrations
  FROM keys k LEFT JOIN ({{uses}}) u ON u.key_id = k.key_id LEFT JOIN LATERAL {{served}}
 WHERE k.key_id > :after AND {{conditions}} ORDER BY k.key_id LIMIT :limit
"""
_SEEN_ONLY = f"""
SELECT u.key_id, nullif(u.named_account, '') AS account_id, NULL AS kind, NULL AS status,
       u.count AS uses, u.refused, u.first_seen, {HISTORY}, i.integrations
  FROM ({{uses}}) u LEFT JOIN LATERAL {{served}}
 WHERE u.key_id > :after AND {{conditions}} ORDER BY u.key_id LIMIT :limit
"""

# All keys that were used so lately that no rhythm matters are one history.
_ALIKE = """
SELECT grp, CASE WHEN lately THEN :now ELSE last_seen END AS last_seen,
       CASE WHEN lately THEN NULL ELSE attested_at END AS attested_at,
       CASE WHEN NOT lately THEN days END AS days, count(*) AS keys
  FROM (SELECT {group} AS grp, u.last_seen, u.attested_at, u.days::text AS days,
               coalesce(u.last_seen > CAST(:now AS timestamptz) - CAST(:lately AS interval), false)
                 AS lately
          FROM keys k LEFT JOIN ({uses}) u ON u.key_id = k.key_id {joined}
         WHERE {conditions}) AS each
 GROUP BY 1, 2, 3, 4 ORDER BY 1
"""
_GROUPS: dict[GroupBy | None, tuple[str, str]] = {
    None: ("NULL", ""),
    GroupBy.KIND: ("k.kind", ""),
    GroupBy.TIER: ("a.tier", "JOIN accounts a ON a.account_id = k.account_id"),
    GroupBy.COHORT: (
        "o.cohort",
        "LEFT JOIN enrollments o ON o.account_id = k.account_id AND o.deprecation = :deprecation",
    ),
    GroupBy.INTEGRATION: (
        "i.integration",
        f"""
        LEFT JOIN (SELECT DISTINCT n.key_id, n.integration FROM ({NAMED_USES}) n
                    WHERE CAST(:at AS timestamptz) IS NULL OR n.first_seen <= :at
                  ) i ON i.key_id = k.key_id
        """,
    ),
}


def read_keys(
    connection: Connection,
    which: KeyFilter,
    at: datetime | None,
    now: datetime,
    *,
    after: str,
    limit: int | None,
) -> Iterator[KeyRow]:
    """Read the next few keys that are meant, in the order of their ids, or all the rest."""
    uses_of, instants = uses(connection, at)
    condition, values = conditions(which)
    query, key = (_REGISTERED, "k.key_id") if which.registered else (_SEEN_ONLY, "u.key_id")
    served = (_OF_MANY if limit is None else _OF_FEW).format(key=key)
    values |= {"at": at, "now": now, "after": after, "limit": limit} | instants
    query = query.format(uses=uses_of, conditions=condition, served=served)
    for row in stream(connection, query, values):
        yield KeyRow(
            key_id=row.key_id,
            account_id=row.account_id,
            kind=row.kind,
            status=row.status,
            count=row.uses,
            refused=row.refused,
            first_seen=row.first_seen,
            history=history(row),
            integrations=tuple(row.integrations or ()),
        )


def count_alike(
    connection: Connection,
    which: KeyFilter,
    at: datetime | None,
    now: datetime,
    *,
    by: GroupBy | None,
    window: timedelta,
) -> Iterator[Alike]:
    """Count the keys that are meant, those together that cannot be judged differently."""
    uses_of, instants = uses(connection, at)
    condition, values = conditions(which)
    group, joined = _GROUPS[by]
    values |= {"at": at, "now": now, "lately": min(window, HOLIDAYS)} | instants
    query = _ALIKE.format(group=group, joined=joined, uses=uses_of, conditions=condition)
    for row in stream(connection, query, values):
        yield Alike(row.grp, history(row), row.keys)
