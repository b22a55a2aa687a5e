"""The SQL of the audit stage."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict

from sqlalchemy import Connection, text

from rollout.adapters.db.copy import copy_rows
from rollout.domain.audit import GENESIS, Fact, FactFilter, Seal, StoredFact
from rollout.domain.audit_check import Loose, Sealed

# Any fixed number: whoever holds it may extend the chain.
CHAIN_LOCK = 0x4368616E

# A time that Python cannot hold can only be a forgery: it is read as another one, and so found.
AT = "least(greatest(f.at, '0001-01-02Z'), '9999-12-30Z')"
FACT = f"f.seq, {AT}, f.actor, f.action, f.subject, f.reason, f.data::text"

# OFFSET 0 makes each fact a look-up by its key: those already sealed are never walked through.
# An entry without its fact stays in the queue, as evidence.
UNSEALED = f"""
SELECT fact.* FROM facts_unsealed q
 CROSS JOIN LATERAL (SELECT {FACT} FROM facts f WHERE f.seq = q.seq OFFSET 0) fact
 ORDER BY q.seq LIMIT :limit
"""

# One statement, so one snapshot: a fact that is being sealed meanwhile cannot look lost.
LOOSE = f"""
SELECT seq, CASE WHEN f.seq IS NOT NULL THEN {AT} END, q.seq IS NOT NULL, s.seq IS NOT NULL
  FROM facts f FULL JOIN facts_unsealed q USING (seq) LEFT JOIN seals s USING (seq)
 WHERE f.seq IS NULL OR q.seq IS NOT NULL OR s.seq IS NULL
 ORDER BY seq
"""

_json = json.JSONEncoder(ensure_ascii=False).encode

FILTERS = {
    "subject": "f.subject = :subject",
    "account": (
        "f.subject = ANY(ARRAY['account:' || :account]"
        " || ARRAY(SELECT 'key:' || key_id FROM keys WHERE account_id = :account))"
    ),
    "notice_id": "f.data @> jsonb_build_object('notice_id', CAST(:notice_id AS bigint))",
    "actor": "f.actor = :actor",
    "action": "f.action = :action",
    "since": "f.at >= :since",
    "until": "f.at < :until",
    "before": "f.seq < :before",
}


class SqlAudit:
    """Implements ``services.ports.audit`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def append(self, facts: Sequence[Fact]) -> None:
        """Append facts with one COPY: a cutoff of a million keys writes a million of them."""
        copy_rows(
            self._connection,
            "facts",
            ("actor", "action", "subject", "reason", "data"),
            ((f.actor, f.action, f.subject, f.reason, _json(f.data)) for f in facts),
        )

    def take_chain(self) -> bool:
        """Become the only one to extend the chain until the transaction ends, or say no."""
        taken = self._connection.execute(
            text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": CHAIN_LOCK}
        )
        return bool(taken.scalar_one())

    def head(self) -> Seal:
        """Return the last seal, or ``GENESIS``."""
        row = self._connection.execute(
            text("SELECT position, seq, digest FROM seals ORDER BY position DESC LIMIT 1")
        ).one_or_none()
        return Seal(*row) if row else GENESIS

    def unsealed(self, limit: int) -> list[StoredFact]:
        """Return the facts that wait to be sealed, by ``seq``."""
        rows = self._connection.execute(text(UNSEALED), {"limit": limit})
        return [StoredFact(*row) for row in rows]

    def seal(self, seals: Sequence[Seal]) -> None:
        """Append seals to the chain and take their facts off the queue."""
        rows = ((seal.position, seal.seq, seal.digest) for seal in seals)
        copy_rows(self._connection, "seals", ("position", "seq", "digest"), rows)
        self._connection.execute(
            text("DELETE FROM facts_unsealed WHERE seq = ANY(:seqs)"),
            {"seqs": [seal.seq for seal in seals]},
        )

    def waiting(self) -> int:
        """Count the facts that wait to be sealed."""
        count: int = self._connection.execute(
            text("SELECT count(*) FROM facts_unsealed")
        ).scalar_one()
        return count

    def facts(self, which: FactFilter, before: int | None, limit: int) -> list[StoredFact]:
        """Return the facts that match, the newest first, those before that ``seq`` only."""
        given = {k: v for k, v in (asdict(which) | {"before": before}).items() if v is not None}
        where = " AND ".join(["true", *(FILTERS[name] for name in given)])
        rows = self._connection.execute(
            text(f"SELECT {FACT} FROM facts f WHERE {where} ORDER BY f.seq DESC LIMIT :limit"),
            given | {"limit": limit},
        )
        return [StoredFact(*row) for row in rows]

    def sealed(self, after: int | None, limit: int) -> list[Sealed]:
        """Return the seals behind that position, in order, each with its fact."""
        where = "true" if after is None else "s.position > :after"
        rows = self._connection.execute(
            text(
                f"SELECT s.position, s.seq, s.digest, {FACT}"
                f" FROM seals s LEFT JOIN facts f USING (seq) WHERE {where}"
                " ORDER BY s.position LIMIT :limit"
            ),
            {"after": after, "limit": limit} if after is not None else {"limit": limit},
        )
        return [
            Sealed(Seal(position, seq, digest), StoredFact(*fact) if fact[0] is not None else None)
            for position, seq, digest, *fact in rows
        ]

    def loose(self) -> Iterator[Loose]:
        """Read everything that is not, or not only, in the chain, by ``seq``."""
        rows = self._connection.execute(text(LOOSE), execution_options={"yield_per": 5000})
        for row in rows:
            yield Loose(*row)
