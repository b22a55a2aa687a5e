"""The SQL of who calls, by name: programs, what they were taken for, and what people decided."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from sqlalchemy import Connection, text

from rollout.adapters.db.crowded_sources import read_crowded, save_crowded
from rollout.adapters.db.owners import MAIL_PROVIDERS, OWNERS
from rollout.domain.usage.fan_out import NAMELESS_ACCOUNTS
from rollout.services.ports.callers import (
    CrowdedSource,
    Decision,
    DueCaller,
    NamedCaller,
    NamedSource,
    Pages,
    TellingSource,
)

USE_SIGNATURES = """
WITH other AS (DELETE FROM signature_files WHERE digest <> :digest)
INSERT INTO signature_files VALUES (:digest) ON CONFLICT DO NOTHING
"""
CLAIM = """
SELECT user_agent FROM callers WHERE due ORDER BY user_agent LIMIT :limit FOR UPDATE SKIP LOCKED
"""

SEEN = f"""
WITH uses AS MATERIALIZED (
  SELECT s.user_agent, s.network, x.key_id, coalesce(k.account_id, nullif(u.named_account, ''))
         AS account_id
    FROM sources s JOIN key_sources x USING (source_id)
    LEFT JOIN keys k USING (key_id) LEFT JOIN key_usage u USING (key_id)
   WHERE s.user_agent = ANY(:user_agents)
), {OWNERS}, owned AS MATERIALIZED (
  SELECT DISTINCT u.user_agent, u.network, coalesce(o.owner, u.account_id) AS owner
    FROM uses u LEFT JOIN owners o USING (account_id)
), busiest AS (
  SELECT user_agent, max(accounts) AS accounts,
         array_agg(network) FILTER (WHERE accounts >= :crowd) AS crowded FROM (
    SELECT user_agent, network, count(owner) AS accounts FROM owned GROUP BY 1, 2) n GROUP BY 1
), totals AS (
  SELECT user_agent, count(DISTINCT owner) AS accounts, count(DISTINCT network) AS networks
    FROM owned GROUP BY user_agent
), of_keys AS (
  SELECT user_agent, count(DISTINCT key_id) AS keys FROM uses GROUP BY user_agent
)
SELECT c.user_agent, (SELECT min(s.example COLLATE "C") FROM sources s
                       WHERE s.user_agent = c.user_agent) AS example, c.integration,
       coalesce(t.accounts, 0) AS accounts, coalesce(n.keys, 0) AS keys,
       coalesce(t.networks, 0) AS networks, coalesce(b.accounts, 0) AS busiest_network_accounts,
       coalesce(b.crowded, '{{}}') AS crowded,
       coalesce((SELECT sum(upper(day) - lower(day)) FROM unnest(c.days) AS day), 0)::bigint
         AS active_days,
       c.first_seen, c.last_seen
  FROM callers c LEFT JOIN totals t USING (user_agent) LEFT JOIN of_keys n USING (user_agent)
  LEFT JOIN busiest b USING (user_agent)
 WHERE c.user_agent = ANY(:user_agents) ORDER BY c.user_agent
"""
TELLING = """
SELECT source_id, example, network, client, integration FROM sources
 WHERE user_agent = ANY(:user_agents) AND client <> '' ORDER BY source_id
"""
SAVE = """
UPDATE callers SET due = false, kind = :kind, accounts = :accounts, keys = :keys,
       networks = :networks, candidate = :candidate, how = :how, confidence = :confidence,
       reasons = :reasons, integration = :integration
 WHERE user_agent = :user_agent
"""
ADD_UP = """
WITH uses AS (
  SELECT c.integration, s.network, x.* FROM callers c
    JOIN sources s ON s.user_agent = c.user_agent AND s.integration IS NULL
    JOIN key_sources x USING (source_id) WHERE c.integration = ANY(:names)
  UNION ALL
  SELECT s.integration, s.network, x.* FROM sources s JOIN key_sources x USING (source_id)
   WHERE s.integration = ANY(:names)
), best AS (
  SELECT DISTINCT ON (integration) integration, how, confidence, reasons FROM (
    SELECT integration, how, confidence, reasons, user_agent AS name FROM callers
    UNION ALL SELECT integration, 'fan_out', confidence, reasons, candidate FROM source_candidates
  ) taken WHERE integration = ANY(:names) ORDER BY integration, confidence DESC, name
)
INSERT INTO integrations (integration, kind, confidence, reasons, home_page, migration_url,
                          accounts, keys, networks, count, refused, first_seen, last_seen)
SELECT u.integration,
       CASE WHEN EXISTS (SELECT FROM integration_decisions d WHERE d.integration = u.integration)
            THEN 'confirmed' ELSE coalesce(min(b.how), 'signature') END,
       coalesce(max(b.confidence), 1), coalesce(min(b.reasons), '{its client names it}'),
       coalesce(CAST(:pages AS jsonb) -> u.integration ->> 'home_page', ''),
       coalesce((SELECT min(d.migration_url) FROM integration_decisions d
                  WHERE d.integration = u.integration),
                CAST(:pages AS jsonb) -> u.integration ->> 'migration_url', ''),
       count(DISTINCT coalesce(k.account_id, nullif(g.named_account, ''))),
       count(DISTINCT u.key_id), count(DISTINCT u.network), sum(u.count), sum(u.refused),
       min(u.first_seen), max(u.last_seen)
  FROM uses u LEFT JOIN keys k USING (key_id) LEFT JOIN key_usage g USING (key_id)
  LEFT JOIN best b USING (integration)
 GROUP BY u.integration
"""
CANDIDATES_OF = """
SELECT DISTINCT candidate FROM callers
 WHERE candidate IS NOT NULL AND (integration = :name OR candidate = :name)
 UNION SELECT integration FROM sources WHERE integration = :name AND client <> ''
 UNION SELECT candidate FROM source_candidates WHERE integration = :name OR candidate = :name
 UNION SELECT candidate FROM integration_decisions WHERE integration = :name OR candidate = :name
 ORDER BY 1
"""
LOOK_AGAIN = """
UPDATE callers SET due = true WHERE candidate = ANY(:candidates) OR user_agent IN (
  SELECT user_agent FROM sources WHERE client <> '' AND integration IS NOT NULL
  UNION SELECT s.user_agent FROM source_candidates c JOIN sources s USING (source_id)
   WHERE c.candidate = ANY(:candidates))
"""
DECIDE = """
INSERT INTO integration_decisions AS d (candidate, integration, owner, migration_url)
SELECT candidate, :integration, :owner, :migration_url
  FROM unnest(CAST(:candidates AS text[])) AS candidate
ON CONFLICT (candidate) DO UPDATE SET integration = excluded.integration, owner = excluded.owner,
   decided_at = excluded.decided_at,
   migration_url = CASE WHEN :keep THEN coalesce(excluded.migration_url, d.migration_url) END
"""


class SqlCallers:
    """Implements ``services.ports.callers`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def use_signatures(self, digest: bytes) -> bool:
        """Make every caller due if other signatures were used before; say whether that is so."""
        if self._run(USE_SIGNATURES, digest=digest).rowcount == 0:
            return False
        self._run("UPDATE callers SET due = true WHERE NOT due")
        return True

    def claim_due(self, limit: int) -> Sequence[DueCaller]:
        """Lock programs that have called since they were last looked at."""
        claimed = list(self._run(CLAIM, limit=limit).scalars())
        if not claimed:
            return []
        asked = {"user_agents": claimed, "crowd": NAMELESS_ACCOUNTS}
        rows = self._run(SEEN, mail_providers=list(MAIL_PROVIDERS), **asked)
        return [DueCaller(**row) for row in rows.mappings()]

    def telling_sources(self, user_agents: Collection[str]) -> Sequence[TellingSource]:
        """Read the sources of these programs that say which client they are."""
        return [TellingSource(*row) for row in self._run(TELLING, user_agents=list(user_agents))]

    def decisions(self) -> Mapping[str, Decision]:
        """Return what people have said, by candidate."""
        rows = self._run("SELECT candidate, integration FROM integration_decisions")
        return {row.candidate: Decision(row.integration) for row in rows}

    def save(self, callers: Sequence[NamedCaller]) -> None:
        """Write what programs were taken for."""
        if callers:
            self._connection.execute(text(SAVE), [_saved(caller) for caller in callers])

    def crowded_sources(
        self, source_ids: Collection[bytes], user_agents: Collection[str]
    ) -> Sequence[CrowdedSource]:
        """Read these sources, and those that were taken for somebody in networks of the programs.

        What their own programs were taken for must have been saved.
        """
        return read_crowded(self._connection, source_ids, user_agents)

    def save_sources(
        self, crowded: Sequence[NamedSource], telling: Mapping[bytes, str | None]
    ) -> None:
        """Write what sources are, by their network or their client, other than their program."""
        save_crowded(self._connection, crowded)
        names = {one.source.source_id: one.integration for one in crowded} | dict(telling)
        if names:
            self._connection.execute(
                text("UPDATE sources SET integration = :integration WHERE source_id = :source"),
                [{"source": source, "integration": name} for source, name in names.items()],
            )

    def add_up(self, integrations: Collection[str], pages: Mapping[str, Pages]) -> None:
        """Count anew what these integrations do; those without a caller disappear."""
        names = sorted(integrations)
        if names:
            self._run("DELETE FROM integrations WHERE integration = ANY(:names)", names=names)
            said = {name: asdict(page) for name, page in pages.items()}
            self._run(ADD_UP, names=names, pages=json.dumps(said))

    def candidates_of(self, name: str) -> Sequence[str]:
        """Return the candidates that are called by this name, or are of it without being sure."""
        return list(self._run(CANDIDATES_OF, name=name).scalars())

    def decide(self, candidates: Sequence[str], said: Decision, owner: str) -> None:
        """Write what a person says of candidates, and look at their callers again."""
        chosen = list(candidates)
        self._run(DECIDE, candidates=chosen, owner=owner, **asdict(said))
        self._run(LOOK_AGAIN, candidates=chosen)

    def names(self) -> Sequence[str]:
        """Return the names of all integrations and candidates, for an error that helps."""
        query = (
            "SELECT integration FROM integrations"
            " UNION SELECT candidate FROM callers WHERE candidate IS NOT NULL"
            " UNION SELECT candidate FROM source_candidates ORDER BY 1"
        )
        return list(self._run(query).scalars())

    def _run(self, statement: str, **values: Any) -> Any:
        return self._connection.execute(text(statement), values)


def _saved(caller: NamedCaller) -> dict[str, Any]:
    return {
        "user_agent": caller.seen.user_agent,
        "kind": caller.kind,
        "accounts": caller.seen.accounts,
        "keys": caller.seen.keys,
        "networks": caller.seen.networks,
        "candidate": caller.candidate,
        "how": caller.how,
        "confidence": caller.confidence,
        "reasons": list(caller.reasons),
        "integration": caller.integration,
    }
