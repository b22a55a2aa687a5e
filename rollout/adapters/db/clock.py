"""The SQL of the clock process: a fenced lease, heartbeats, and the emergency stop."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, CursorResult, Engine

from rollout.adapters.db.engine import connect
from rollout.adapters.db.locks import EVERYTHING, stop_cutting
from rollout.adapters.db.parsed import text

PLAIN = {"rollout_now": "SELECT now()", "rollout_instant": "SELECT clock_timestamp()"}


def shifted_clocks(engine: Engine) -> list[str]:
    """Name the clock functions that do not tell the database's own time (a rehearsal's do not)."""
    with connect(engine) as connection:
        rows = connection.execute(
            text("SELECT proname, btrim(prosrc) AS body FROM pg_proc WHERE proname = ANY(:names)"),
            {"names": list(PLAIN)},
        )
        return [row.proname for row in rows if row.body != PLAIN[row.proname]]


class SqlClock:
    """Implements ``services.ports.clock`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def take(self, name: str, holder: str, length: timedelta) -> int | None:
        """Take the lease if it is free or expired; return its new term, or None."""
        term: int | None = self._run(
            "INSERT INTO leases (name, holder, term, expires_at)"
            " VALUES (:name, :holder, 1, rollout_instant() + :length)"
            " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder, term = leases.term + 1,"
            " expires_at = excluded.expires_at WHERE leases.expires_at < rollout_instant()"
            # one that ends too late was taken while the clock was ahead
            " OR leases.expires_at > rollout_instant() + :length"
            " RETURNING term",
            name=name,
            holder=holder,
            length=length,
        ).scalar()
        return term

    def renew(self, name: str, holder: str, term: int, length: timedelta) -> bool:
        """Renew the lease of this very term; False if somebody else has it by now."""
        renewed = self._run(
            "UPDATE leases SET expires_at = rollout_instant() + :length"
            " WHERE name = :name AND holder = :holder AND term = :term",
            name=name,
            holder=holder,
            term=term,
            length=length,
        )
        return renewed.rowcount == 1

    def beat(self, process: str, kind: str) -> None:
        """Note that a process is alive; forget those that have been silent for a day."""
        self._run(
            "INSERT INTO heartbeats (process, kind, last_at)"
            " VALUES (:process, :kind, rollout_instant())"
            " ON CONFLICT (process) DO UPDATE SET last_at = excluded.last_at",
            process=process,
            kind=kind,
        )
        self._run("DELETE FROM heartbeats WHERE last_at < rollout_now() - interval '1 day'")

    def behind(self) -> timedelta:
        """Return how far the clock is behind the newest instant that a clock process noted."""
        # One statement: what it sees was noted before it reads the clock, however busy we are.
        behind: timedelta = self._run(
            "SELECT coalesce(max(last_at) - rollout_instant(), interval '0') FROM heartbeats"
            " WHERE kind = 'clock'"
        ).scalar_one()
        return behind

    def forget_the_future(self) -> None:
        """Drop the heartbeats of a time that has not come: the clock was ahead then."""
        self._run("DELETE FROM heartbeats WHERE last_at > rollout_instant()")

    def beats(self) -> Mapping[str, datetime]:
        """Return the newest heartbeat of each kind of process."""
        rows = self._run("SELECT kind, max(last_at) AS last_at FROM heartbeats GROUP BY kind")
        return {row.kind: row.last_at for row in rows}

    def stop(self, reason: str, owner: str) -> bool:
        """Stop all cutting, once the batches under way are done; say whether it went on so far."""
        stop_cutting(self._connection, EVERYTHING)
        stopped = self._run(
            "INSERT INTO stops (reason, owner) SELECT :reason, :owner"
            " WHERE NOT EXISTS (SELECT 1 FROM stops WHERE closed_at IS NULL)",
            reason=reason,
            owner=owner,
        )
        return stopped.rowcount == 1

    def unstop(self) -> bool:
        """Let cutting go on; say whether it was stopped."""
        ended = self._run("UPDATE stops SET closed_at = rollout_instant() WHERE closed_at IS NULL")
        return ended.rowcount > 0

    def _run(self, statement: str, **values: Any) -> CursorResult[Any]:
        return self._connection.execute(text(statement), values)
