"""The SQL of sources: which programs call, or which program from which network, for how many."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlalchemy import Connection, text

from rollout.adapters.db.streaming import stream
from rollout.services.ports.usage_questions import SourceBy, SourceRow

# Calls of one program that are called by different names are listed apart.
_EACH = """
SELECT s.user_agent AS source, CASE WHEN CAST(:by_network AS boolean) THEN s.network END AS network,
       coalesce(s.integration, c.integration) AS integration,
       min(s.example COLLATE "C") AS example, count(DISTINCT s.network) AS networks,
       count(DISTINCT coalesce(k.account_id, nullif(u.named_account, ''))) AS accounts,
       count(DISTINCT x.key_id) AS keys, sum(x.count)::bigint AS uses,
       min(x.first_seen) AS first_seen, max(x.last_seen) AS last_seen
  FROM key_sources x JOIN sources s USING (source_id) LEFT JOIN callers c USING (user_agent)
  LEFT JOIN keys k USING (key_id) LEFT JOIN key_usage u USING (key_id)
 GROUP BY 1, 2, 3
"""
_LIST = f"""
SELECT * FROM ({_EACH}) each WHERE accounts >= :accounts AND keys >= :keys
 ORDER BY accounts DESC, keys DESC, uses DESC, source, network, integration
"""
_FAN_OUT = f"""
WITH each AS MATERIALIZED ({_EACH})
SELECT (SELECT count(*) FROM each WHERE accounts >= least)
  FROM unnest(CAST(:at_least AS bigint[])) WITH ORDINALITY AS asked (least, place) ORDER BY place
"""


def read_sources(
    connection: Connection, by: SourceBy, *, accounts: int, keys: int
) -> Iterator[SourceRow]:
    """Read the sources with at least so many accounts and keys, those with most first."""
    values = {"by_network": by is SourceBy.NETWORK, "accounts": accounts, "keys": keys}
    for row in stream(connection, _LIST, values):
        yield SourceRow(
            source=row.source,
            network=row.network,
            user_agent=row.example,
            networks=row.networks,
            accounts=row.accounts,
            keys=row.keys,
            count=row.uses,
            first_seen=row.first_seen,
            last_seen=row.last_seen,
            integration=row.integration,
        )


def count_sources(connection: Connection, by: SourceBy, at_least: Sequence[int]) -> Sequence[int]:
    """Count the sources that use keys of at least so many accounts, for each number asked for."""
    values = {"by_network": by is SourceBy.NETWORK, "at_least": list(at_least)}
    return list(connection.execute(text(_FAN_OUT), values).scalars())
