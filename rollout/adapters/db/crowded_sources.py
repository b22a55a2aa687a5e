"""The SQL of sources that use keys of many accounts: whether one network shows one program only."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import UTC
from typing import Any

from sqlalchemy import Connection, Row, text

from rollout.adapters.db.owners import MAIL_PROVIDERS, OWNERS
from rollout.domain.usage.fan_out import Inference, NetworkFingerprint
from rollout.services.ports.callers import CrowdedSource, NamedSource

# Where another program has called, what was taken for somebody there is looked at again.
_CROWDED = f"""
WITH crowded AS MATERIALIZED (
  SELECT source_id FROM sources WHERE source_id = ANY(:source_ids)
  UNION SELECT c.source_id FROM source_candidates c JOIN sources s USING (source_id)
   WHERE EXISTS (SELECT FROM sources o WHERE o.network = s.network
                    AND o.user_agent = ANY(:user_agents))
), uses AS MATERIALIZED (
  SELECT source_id, x.key_id, x.first_seen, x.last_seen,
         coalesce(k.account_id, nullif(u.named_account, '')) AS account_id
    FROM crowded JOIN key_sources x USING (source_id)
    LEFT JOIN keys k USING (key_id) LEFT JOIN key_usage u USING (key_id)
), {OWNERS}, owned AS (
  SELECT u.source_id, coalesce(o.owner, u.account_id) AS owner, count(*) AS keys,
         min(u.first_seen) AS first_seen, max(u.last_seen) AS last_seen
    FROM uses u LEFT JOIN owners o USING (account_id) GROUP BY 1, 2
), totals AS (
  SELECT source_id, count(owner) AS accounts,
         count(owner) FILTER (WHERE last_seen - first_seen >= interval '1 day') AS returning,
         sum(keys)::bigint AS keys, min(first_seen) AS first_seen, max(last_seen) AS last_seen
    FROM owned GROUP BY source_id
)
SELECT t.*, s.user_agent, s.network, s.integration, p.kind, p.candidate,
       (SELECT count(*) FROM (SELECT FROM sources o WHERE o.network = s.network LIMIT 2) two)
         AS programs
  FROM totals t JOIN sources s USING (source_id) JOIN callers p USING (user_agent)
"""
_SAVE = """
INSERT INTO source_candidates AS known
       (source_id, candidate, accounts, keys, confidence, reasons, integration)
VALUES (:source_id, :candidate, :accounts, :keys, :confidence, :reasons, :integration)
ON CONFLICT (source_id) DO UPDATE SET accounts = excluded.accounts, keys = excluded.keys,
   confidence = excluded.confidence, reasons = excluded.reasons, integration = excluded.integration
"""
# What a person has named keeps its name and what spoke for it, whatever its network shows later.
_NAME = "UPDATE source_candidates SET integration = :integration WHERE source_id = :source_id"
_FORGET = "DELETE FROM source_candidates WHERE source_id = ANY(:source_ids)"


def read_crowded(
    connection: Connection, source_ids: Collection[bytes], user_agents: Collection[str]
) -> Sequence[CrowdedSource]:
    """Read these sources, and those that were taken for somebody in networks of the programs."""
    values = {
        "source_ids": list(source_ids),
        "user_agents": list(user_agents),
        "mail_providers": list(MAIL_PROVIDERS),
    }
    return [
        CrowdedSource(row.source_id, _fingerprint(row), row.candidate, row.integration)
        for row in connection.execute(text(_CROWDED), values)
    ]


def _fingerprint(row: Row[Any]) -> NetworkFingerprint:
    return NetworkFingerprint(
        network=row.network,
        programs=row.programs,
        user_agent=row.user_agent,
        kind=row.kind,
        accounts=row.accounts,
        returning=row.returning,
        keys=row.keys,
        first_at=row.first_seen.astimezone(UTC),
        last_at=row.last_seen.astimezone(UTC),
    )


def save_crowded(connection: Connection, sources: Sequence[NamedSource]) -> None:
    """Write what sources were taken for, and forget those that nobody takes for anybody."""
    taken = [_saved(one, one.inference) for one in sources if one.inference]
    others = [one for one in sources if one.inference is None]
    named = [_called(one) for one in others if one.integration is not None]
    forgotten = [one.source.source_id for one in others if one.integration is None]
    if taken:
        connection.execute(text(_SAVE), taken)
    if named:
        connection.execute(text(_NAME), named)
    if forgotten:
        connection.execute(text(_FORGET), {"source_ids": forgotten})


def _called(one: NamedSource) -> dict[str, Any]:
    return {"source_id": one.source.source_id, "integration": one.integration}


def _saved(one: NamedSource, inference: Inference) -> dict[str, Any]:
    return _called(one) | {
        "candidate": one.source.seen.candidate,
        "accounts": one.source.seen.accounts,
        "keys": one.source.seen.keys,
        "confidence": inference.confidence,
        "reasons": list(inference.reasons),
    }
