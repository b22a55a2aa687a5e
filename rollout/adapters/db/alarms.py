"""The SQL of alarms: what stands, and who is told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, CursorResult, RowMapping, text

from rollout.adapters.db import observing
from rollout.domain.alarms import Alarm, AlarmKind, Lost, Seen, Trouble
from rollout.services.ports.alarms import Telling

COLUMNS = "alarm_id, kind, subject, reason, fix, seen_at, opened_at, last_told_at, closed_at"
# Where it was seen before, it opens; where not, it is seen and opens at once.
OPEN = """
INSERT INTO alarms (kind, subject, reason, fix, seen_at, opened_at, tell_at)
VALUES (:kind, :subject, :reason, :fix, rollout_now(), rollout_now(), rollout_now())
ON CONFLICT (kind, subject) WHERE closed_at IS NULL
   DO UPDATE SET reason = excluded.reason, fix = excluded.fix, opened_at = excluded.opened_at,
                 tell_at = excluded.tell_at
RETURNING alarm_id
"""
# Whoever is telling that it is open has lost the lease: that it is over is told after that.
CLOSE = """
UPDATE alarms SET closed_at = rollout_now(), tell_at = rollout_now(), lease = lease + 1,
       attempts = 0, reached = '{}' WHERE alarm_id = :alarm_id AND closed_at IS NULL
"""
STALE = """
UPDATE alarms SET tell_at = NULL
 WHERE tell_at <= rollout_now() AND closed_at <= rollout_now() - :stale
"""
CLAIM = f"""
WITH first AS MATERIALIZED (
  SELECT alarm_id FROM alarms WHERE tell_at <= rollout_now()
   ORDER BY tell_at, alarm_id LIMIT 1 FOR UPDATE SKIP LOCKED)
UPDATE alarms a SET lease = lease + 1, tell_at = rollout_now() + :length
  FROM first WHERE a.alarm_id = first.alarm_id
RETURNING {", ".join(f"a.{column}" for column in COLUMNS.split(", "))}, lease, attempts, reached
"""
TOLD = """
UPDATE alarms SET attempts = :attempts, reached = :reached, tell_at = :next_at,
       last_told_at = :last
 WHERE alarm_id = :alarm_id AND lease = :lease
"""


class SqlAlarms:
    """Implements ``services.ports.alarms`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def alone(self) -> bool:
        """Keep other watchers out until the transaction ends; False where one is at it."""
        alone: bool = self._run(
            "SELECT pg_try_advisory_xact_lock(hashtextextended('alarms', 0))"
        ).scalar_one()
        return alone

    def observe(self) -> Seen:
        """Look at everything that costs the same however many accounts there are."""
        return observing.observe(self._connection)

    def next_cutoffs(self) -> Mapping[str, datetime]:
        """Return of each deprecation when the first account is judged that is scheduled."""
        return observing.next_cutoffs(self._connection)

    def lost(self, horizons: Mapping[str, timedelta]) -> Sequence[Lost]:
        """Find accounts due within the horizon of their deprecation whose people are not told."""
        return observing.lost(self._connection, horizons)

    def standing(self) -> Sequence[Alarm]:
        """Return what is open, and what may open."""
        return self._alarms("closed_at IS NULL")

    def alarms(self, *, closed: bool) -> Sequence[Alarm]:
        """Return what is open, the newest first, or what was ever opened."""
        return self._alarms(
            "opened_at IS NOT NULL AND (closed_at IS NULL OR :closed)", closed=closed
        )

    def begin(self, trouble: Trouble) -> None:
        """Note that a rule holds from now on."""
        self._run(
            "INSERT INTO alarms (kind, subject, reason, fix, seen_at)"
            " VALUES (:kind, :subject, :reason, :fix, rollout_now())",
            **_values(trouble),
        )

    def open(self, trouble: Trouble) -> int:
        """Open an alarm, and return its id; it is told from now on."""
        alarm_id: int = self._run(OPEN, **_values(trouble)).scalar_one()
        return alarm_id

    def reword(self, trouble: Trouble) -> None:
        """Say of an alarm what is so now."""
        self._run(
            "UPDATE alarms SET reason = :reason, fix = :fix"
            " WHERE kind = :kind AND subject = :subject AND closed_at IS NULL",
            **_values(trouble),
        )

    def close(self, alarm: Alarm) -> None:
        """Close an alarm; that is told from now on, and nothing else of it."""
        self._run(CLOSE, alarm_id=alarm.alarm_id)

    def forget(self, alarm: Alarm) -> None:
        """Drop what was not opened."""
        self._run(
            "DELETE FROM alarms WHERE alarm_id = :alarm_id AND opened_at IS NULL",
            alarm_id=alarm.alarm_id,
        )

    def claim(self, length: timedelta, stale: timedelta) -> Telling | None:
        """Claim what is to be told first; nobody else tells it for so long."""
        self._run(STALE, stale=stale)
        row = self._run(CLAIM, length=length).mappings().one_or_none()
        if row is None:
            return None
        return Telling(_alarm(row), row["lease"], row["attempts"], frozenset(row["reached"]))

    def told(
        self,
        telling: Telling,
        *,
        last: datetime | None,
        reached: Collection[str],
        attempts: int,
        next_at: datetime | None,
    ) -> None:
        """Note how a telling ended, and when all were told last, unless its lease was lost."""
        self._run(
            TOLD,
            alarm_id=telling.alarm.alarm_id,
            lease=telling.lease,
            last=last,
            reached=sorted(reached),
            attempts=attempts,
            next_at=next_at,
        )

    def _alarms(self, condition: str, **values: Any) -> Sequence[Alarm]:
        query = (
            f"SELECT {COLUMNS} FROM alarms WHERE {condition} ORDER BY opened_at DESC, alarm_id DESC"
        )
        return [_alarm(row) for row in self._run(query, **values).mappings()]

    def _run(self, statement: str, **values: Any) -> CursorResult[Any]:
        return self._connection.execute(text(statement), values)


def _values(trouble: Trouble) -> dict[str, str]:
    return {
        "kind": trouble.kind.value,
        "subject": trouble.subject,
        "reason": trouble.reason,
        "fix": trouble.fix,
    }


def _alarm(row: RowMapping) -> Alarm:
    fields = {name: row[name] for name in COLUMNS.split(", ")}
    instants = {
        name: value.astimezone(UTC) for name, value in fields.items() if isinstance(value, datetime)
    }
    return Alarm(**fields | instants | {"kind": AlarmKind(row["kind"])})
