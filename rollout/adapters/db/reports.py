"""The SQL of what comes back by mail."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, CursorResult, text

from rollout.adapters.db.suppression import suppress
from rollout.domain.notices import NoticeState
from rollout.domain.notices.delivery import ReturnedMail
from rollout.services.ports.reports import ReportedNotice

# One notice: the id from our own return path is surer than whatever a mail quotes.
FIND = """
SELECT notice_id, letter FROM notices
 WHERE notice_id = :notice_id OR message_id = ANY(:message_ids)
 ORDER BY notice_id <> :notice_id, array_position(CAST(:message_ids AS text[]), message_id)
 LIMIT 1
"""
# First the enrollments, as everybody does who changes what a verdict rests on.
LOCK = """
SELECT 1 FROM enrollments WHERE enrollment_id IN (
       SELECT enrollment_id FROM notices WHERE notice_id = :notice_id OR letter = :letter)
 ORDER BY enrollment_id FOR NO KEY UPDATE
"""
NOTICES = """
SELECT n.notice_id, n.deprecation, n.enrollment_id, e.account_id, n.contact_id, c.email, n.step,
       n.state
  FROM notices n JOIN enrollments e USING (enrollment_id) JOIN contacts c USING (contact_id)
 WHERE n.notice_id = :notice_id OR n.letter = :letter
 ORDER BY n.notice_id <> :notice_id, n.notice_id FOR UPDATE OF n
"""
KEEP = """
INSERT INTO mails (digest, message_id, sender, subject, written_at, excerpt)
VALUES (:digest, :message_id, :sender, :subject, :written_at, :excerpt)
ON CONFLICT DO NOTHING RETURNING mail_id
"""
ROW = """
INSERT INTO mail_reports (mail_id, notice_id, kind, recipient, hard, address_dead, action, status,
                          reason)
VALUES (:mail_id, :notice_id, :kind, :recipient, :hard, :address_dead, :action, :status, :reason)
"""
# Whoever is sending it now cannot finish it any more: that needs a notice that is being sent.
# `delivered_at` stays when a message bounces late: it is what a cutoff before that relied on.
END = """
UPDATE notices SET state = :state, reason = :reason,
       bounced_at = CASE WHEN :state = 'bounced' THEN rollout_instant() END,
       sent_at = CASE WHEN :state = 'bounced' THEN sent_at
                      ELSE coalesce(sent_at, rollout_instant()) END,
       delivered_at = CASE WHEN :state = 'bounced' THEN delivered_at
                           ELSE coalesce(delivered_at, least(rollout_instant(), greatest(
                                coalesce(sent_at, rollout_instant()), :at))) END
 WHERE notice_id = :notice_id
"""


class SqlReports:
    """Implements ``services.ports.reports`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def locked(self, notice_id: int | None, message_ids: Sequence[str]) -> Sequence[ReportedNotice]:
        """Find the notice of this id or of the first of these Message-IDs, and its letter's."""
        ids = {"notice_id": notice_id or 0, "message_ids": list(message_ids)}
        found = self._run(FIND, **ids).one_or_none()
        if found is None:
            return []
        which = {"notice_id": found.notice_id, "letter": found.letter}
        self._run(LOCK, **which)
        rows = self._run(NOTICES, **which).mappings()
        return [ReportedNotice(**{**row, "state": NoticeState(row["state"])}) for row in rows]

    def keep(self, mail: ReturnedMail, notice_id: int | None, *, excerpt: bool) -> bool:
        """Write a mail and its rows; False if it has come before."""
        mail_id = self._run(
            KEEP,
            digest=mail.digest,
            message_id=mail.message_id,
            sender=mail.sender,
            subject=mail.subject,
            written_at=mail.written_at,
            excerpt=mail.excerpt if excerpt else None,
        ).scalar_one_or_none()
        if mail_id is None:
            return False
        rows = [
            {**asdict(report), "mail_id": mail_id, "notice_id": notice_id}
            for report in mail.reports
        ]
        self._connection.execute(text(ROW), rows)
        return True

    def end(self, notice: ReportedNotice, state: NoticeState, reason: str, at: datetime) -> None:
        """Bring a notice to its end, whoever is sending it."""
        self._run(END, notice_id=notice.notice_id, state=state.value, reason=reason, at=at)

    def suppress(self, contact_id: int, end: NoticeState) -> None:
        """Note that an address is dead or complains, and skip what waits to be sent to it."""
        suppress(self._connection, contact_id, end)

    def acknowledge(self, notice_id: int) -> bool:
        """Note that a person has answered; say whether it is the first time, which counts."""
        changed = self._run(
            "UPDATE notices SET acknowledged_at = rollout_instant()"
            " WHERE notice_id = :id AND acknowledged_at IS NULL",
            id=notice_id,
        )
        return changed.rowcount > 0

    def _run(self, statement: str, **values: Any) -> CursorResult[Any]:
        return self._connection.execute(text(statement), values)
