"""The SQL of the read models."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sqlalchemy import Engine, text

from rollout.adapters.db.engine import connect
from rollout.adapters.db.insiders import reach_of
from rollout.adapters.db.webhooks import SqlWebhooks
from rollout.domain.errors import NotFound, no_account
from rollout.domain.notices.delivery import Reach, unreachable
from rollout.services.ports.queries import Row

PAGE = 5_000  # rows read at a time

ACCOUNT = """
SELECT account_id, name, timezone, locale, tier, discovered, created_at FROM accounts
 WHERE account_id = :account_id
"""
KEYS = """
SELECT key_id, kind, status, label, u.count, u.last_seen FROM keys
  LEFT JOIN key_usage u USING (key_id) WHERE account_id = :account_id ORDER BY key_id
"""
CONTACTS = """
SELECT email, name, role, deliverability, unsubscribed_at,
       (SELECT max(acknowledged_at) FROM notices n WHERE n.contact_id = contacts.contact_id)
         AS acknowledged_at
  FROM contacts WHERE account_id = :account_id ORDER BY email
"""
ENROLLMENTS = f"""
SELECT e.deprecation, e.cohort, e.state, e.deadline, e.zone, e.schedule_version,
       p.reason AS cohort_paused, n.told AS people_told,
       n.answered AS people_answered, c.contacts, c.dead,
       n.failed, n.open, n.last_failure
  FROM enrollments e
 {reach_of("deadline")}
  LEFT JOIN pauses p ON (p.deprecation, p.cohort) = (e.deprecation, e.cohort)
        AND p.closed_at IS NULL
 WHERE e.account_id = :account_id ORDER BY e.deprecation
"""
HOLDS = """
SELECT e.deprecation, h.code, h.reason, h.owner, h.opened_at AS since, h.ends_at AS until
  FROM holds h JOIN enrollments e USING (enrollment_id)
 WHERE e.account_id = :account_id AND h.closed_at IS NULL ORDER BY h.opened_at
"""
DATES = """
SELECT e.deprecation, s.schedule_version, s.deadline, s.cause, s.reason, s.set_at
  FROM schedules s JOIN enrollments e USING (enrollment_id)
 WHERE e.account_id = :account_id ORDER BY s.set_at, s.schedule_version
"""
MAIL_REPORTS = """
SELECT r.report_id, m.taken_at, r.kind, r.recipient, r.hard, r.address_dead, r.status,
       e.account_id, r.notice_id, r.reason, m.sender, m.subject
  FROM mail_reports r JOIN mails m USING (mail_id)
  LEFT JOIN notices n USING (notice_id) LEFT JOIN enrollments e USING (enrollment_id)
 WHERE (NOT :unmatched OR r.notice_id IS NULL)
   AND (CAST(:kind AS text) IS NULL OR r.kind = :kind)
   AND (CAST(:account_id AS text) IS NULL OR e.account_id = :account_id)
 ORDER BY r.report_id DESC LIMIT :limit
"""
MAIL_REPORT = """
SELECT r.report_id, r.kind, r.recipient, r.action, r.status, r.hard, r.address_dead, r.reason,
       e.account_id, r.notice_id, m.message_id, m.sender, m.subject, m.written_at, m.taken_at,
       m.excerpt
  FROM mail_reports r JOIN mails m USING (mail_id)
  LEFT JOIN notices n USING (notice_id) LEFT JOIN enrollments e USING (enrollment_id)
 WHERE r.report_id = :report_id
"""


class SqlQueries:
    """Implements ``services.ports.queries`` on pooled connections."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def account(self, account_id: str) -> Row:
        """Return everything known about an account, or raise ``NotFound``."""
        found = self._rows(ACCOUNT, account_id=account_id)
        if not found:
            raise no_account(account_id)
        return {
            **found[0],
            "contacts": self._rows(CONTACTS, account_id=account_id),
            "keys": self._rows(KEYS, account_id=account_id),
            "enrollments": self._enrollments(account_id),
            "dates": self._rows(DATES, account_id=account_id),
            "webhooks": self._webhooks(account_id),
        }

    def _webhooks(self, account_id: str) -> list[Row]:
        with connect(self._engine) as connection:
            return list(SqlWebhooks(connection).listed(account_id))

    def mail_reports(
        self, *, unmatched: bool, kind: str | None, account_id: str | None, limit: int | None
    ) -> Iterator[Row]:
        """Yield what came back by mail, the newest first: all that fit, or ``limit`` of them."""
        which = {"unmatched": unmatched, "kind": kind, "account_id": account_id, "limit": limit}
        return self._pages(MAIL_REPORTS, **which)

    def mail_report(self, report_id: int) -> Row:
        """Return one report with its mail, or raise ``NotFound``."""
        found = self._rows(MAIL_REPORT, report_id=report_id)
        if not found:
            raise NotFound(
                f"there is no report {report_id}", fix="`rollout notice reports` lists them"
            )
        return found[0]

    def _enrollments(self, account_id: str) -> list[Row]:
        """Return the enrollments of an account, each with its open holds."""
        holds = self._rows(HOLDS, account_id=account_id)
        return [
            {**_reached(row), "holds": [h for h in holds if h["deprecation"] == row["deprecation"]]}
            for row in self._rows(ENROLLMENTS, account_id=account_id)
        ]

    def _pages(self, statement: str, **values: Any) -> Iterator[Row]:
        with connect(self._engine) as connection:
            page_by_page = {"stream_results": True, "yield_per": PAGE}
            rows = connection.execute(text(statement), values, execution_options=page_by_page)
            yield from (dict(row) for row in rows.mappings())

    def _rows(self, statement: str, **values: Any) -> list[Row]:
        with connect(self._engine) as connection:
            return [dict(row) for row in connection.execute(text(statement), values).mappings()]


def _reached(enrollment: Row) -> Row:
    """Say in one sentence what the numbers of an enrollment mean, where nobody can be told."""
    row = dict(enrollment)
    numbers = {name: row.pop(name) for name in ("contacts", "dead", "failed", "open")}
    reach = Reach(**numbers, told=row["people_told"], last_failure=row.pop("last_failure"))
    return {**row, "unreachable": unreachable(reach) if row["state"] == "scheduled" else None}
