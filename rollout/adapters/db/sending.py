"""The SQL of sending as a whole: sums by the minute, and pauses."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import Connection, CursorResult

from rollout.adapters.db.parsed import text
from rollout.domain.notices import NoticeState
from rollout.domain.notices.sending import Tally
from rollout.services.ports.sending import SendingPause

# Whether the sending of what a row belongs to is paused.
PAUSED = """EXISTS (SELECT 1 FROM sending_pauses p
                WHERE p.deprecation = {of}.deprecation AND p.closed_at IS NULL)"""
SLOTS = 8  # rows a minute among which connections are spread

COUNT = f"""
INSERT INTO sending_minutes AS m (deprecation, minute, slot, accepted, failed, put_off)
SELECT deprecation, date_trunc('minute', rollout_instant()), pg_backend_pid() % {SLOTS},
       accepted, failed, put_off
  FROM unnest(CAST(:deprecations AS text[]), CAST(:accepted AS int[]), CAST(:failed AS int[]),
              CAST(:put_off AS int[])) AS t (deprecation, accepted, failed, put_off)
 ORDER BY deprecation
ON CONFLICT (deprecation, minute, slot) DO UPDATE
   SET accepted = m.accepted + excluded.accepted, failed = m.failed + excluded.failed,
       put_off = m.put_off + excluded.put_off
"""
# The minute in which it was counted, which may be the one after it was sent. Where that is
# forgotten, as it is when sending is resumed, so is this.
RETURNED = """
UPDATE sending_minutes m SET {column} = m.{column} + 1
  FROM (SELECT c.deprecation, c.minute, c.slot
          FROM notices n JOIN sending_minutes c ON c.deprecation = n.deprecation
               AND c.minute >= date_trunc('minute', n.sent_at)
               AND c.minute <= n.sent_at + interval '1 minute' AND c.accepted > 0
         WHERE n.notice_id = :notice_id ORDER BY c.minute, c.slot LIMIT 1) was
 WHERE (m.deprecation, m.minute, m.slot) = (was.deprecation, was.minute, was.slot)
"""
TALLIES = f"""
SELECT deprecation, sum(accepted) AS accepted, sum(failed) AS failed, sum(put_off) AS put_off,
       sum(bounced) AS bounced, sum(complained) AS complained
  FROM sending_minutes m
 WHERE minute > rollout_now() - :window AND NOT {PAUSED.format(of="m")}
 GROUP BY deprecation ORDER BY deprecation
"""


class SqlSending:
    """Implements ``services.ports.sending`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def count(self, tallies: Sequence[Tally]) -> None:
        """Add to what became of letters in the present minute."""
        sums: dict[str, list[int]] = {}
        for tally in tallies:
            so_far = sums.get(tally.deprecation, [0, 0, 0])
            new = (tally.accepted, tally.failed, tally.put_off)
            sums[tally.deprecation] = [a + b for a, b in zip(so_far, new, strict=True)]
        counted = {name: columns for name, columns in sums.items() if any(columns)}
        if counted:
            self._run(
                COUNT,
                deprecations=list(counted),
                accepted=[columns[0] for columns in counted.values()],
                failed=[columns[1] for columns in counted.values()],
                put_off=[columns[2] for columns in counted.values()],
            )

    def count_return(self, notice_id: int, end: NoticeState) -> None:
        """Count an accepted notice as bounced, or complained of, in the minute it was sent."""
        if end in (NoticeState.BOUNCED, NoticeState.COMPLAINED):
            self._run(RETURNED.format(column=end.value), notice_id=notice_id)

    def lock(self) -> None:
        """Let nobody else judge, pause or resume until the transaction ends."""
        self._run("SELECT pg_advisory_xact_lock(hashtextextended('sending', 0))")

    def tallies(self, window: timedelta) -> Sequence[Tally]:
        """Return of each deprecation that is not paused what became of its letters of late."""
        rows = self._run(TALLIES, window=window)
        return [Tally(deprecation=row[0], **_counts(row._mapping)) for row in rows]  # noqa: SLF001

    def pauses(self) -> Sequence[SendingPause]:
        """Return where sending is paused, in the order of the names."""
        rows = self._run(
            "SELECT deprecation, reason, owner, opened_at FROM sending_pauses"
            " WHERE closed_at IS NULL ORDER BY deprecation"
        )
        return [SendingPause(**row) for row in rows.mappings()]

    def pause(self, deprecation: str, *, reason: str, owner: str) -> bool:
        """Pause the sending of a deprecation; say whether it went on so far."""
        paused = self._run(
            "INSERT INTO sending_pauses (deprecation, reason, owner)"
            " VALUES (:deprecation, :reason, :owner) ON CONFLICT DO NOTHING",
            deprecation=deprecation,
            reason=reason,
            owner=owner,
        )
        return paused.rowcount > 0

    def resume(self, deprecation: str) -> bool:
        """Go on, and forget how it fared until now; say whether it was paused."""
        which = {"deprecation": deprecation}
        resumed = self._run(
            "UPDATE sending_pauses SET closed_at = rollout_instant()"
            " WHERE deprecation = :deprecation AND closed_at IS NULL",
            **which,
        )
        self._run("DELETE FROM sending_minutes WHERE deprecation = :deprecation", **which)
        return resumed.rowcount > 0

    def forget(self, older: timedelta) -> None:
        """Drop the sums of minutes that lie further back than that."""
        self._run("DELETE FROM sending_minutes WHERE minute < rollout_now() - :older", older=older)

    def _run(self, statement: str, **values: Any) -> CursorResult[Any]:
        return self._connection.execute(text(statement), values)


def _counts(row: Any) -> dict[str, int]:
    return {name: int(value) for name, value in row.items() if name != "deprecation"}
