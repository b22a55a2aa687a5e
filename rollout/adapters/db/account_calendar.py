"""The SQL of the calendars of accounts."""

from __future__ import annotations

from datetime import UTC
from typing import Any

from sqlalchemy import Connection, Row, text

from rollout.adapters.db.plan import parsed
from rollout.domain.account_calendar import AccountCalendar, AccountDate

# One row for the account even if it has no date.
DATES = """
SELECT a.account_id, a.name, a.locale, a.timezone, e.deprecation, d.document, e.state, e.deadline,
       e.schedule_version, s.set_at, c.stopped_at
  FROM accounts a
  LEFT JOIN enrollments e USING (account_id)
  LEFT JOIN deprecations d USING (deprecation)
  LEFT JOIN schedules s USING (enrollment_id, schedule_version)
  LEFT JOIN LATERAL (
       SELECT min(cut_at) AS stopped_at FROM cutoffs
        WHERE cutoffs.enrollment_id = e.enrollment_id
          AND cutoffs.schedule_version = e.schedule_version) c ON true
 WHERE a.account_id = :account_id ORDER BY e.deadline, e.enrollment_id
"""


class SqlCalendars:
    """Implements ``services.ports.account_calendar`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def version(self, account_id: str) -> int | None:
        """Return which link of an account is the valid one; None: there is no such account."""
        return self._version(
            "SELECT calendar_version FROM accounts WHERE account_id = :account_id", account_id
        )

    def renew(self, account_id: str) -> int | None:
        """Make all links of an account void; return the version of the new one."""
        return self._version(
            "UPDATE accounts SET calendar_version = calendar_version + 1"
            " WHERE account_id = :account_id RETURNING calendar_version",
            account_id,
        )

    def read(self, account_id: str) -> AccountCalendar | None:
        """Return the dates of an account, or None if there is none."""
        rows = self._connection.execute(text(DATES), {"account_id": account_id}).all()
        if not rows:
            return None
        dates = tuple(_date(row) for row in rows if row.deprecation is not None)
        return AccountCalendar(rows[0].name, rows[0].locale, dates)

    def _version(self, statement: str, account_id: str) -> int | None:
        version: int | None = self._connection.execute(
            text(statement), {"account_id": account_id}
        ).scalar()
        return version


def _date(row: Row[Any]) -> AccountDate:
    document = parsed(row.document, row.deprecation)
    return AccountDate(
        deprecation=row.deprecation,
        account_id=row.account_id,
        account_name=row.name,
        state=row.state,
        deadline=row.deadline.astimezone(UTC),
        stopped_at=row.stopped_at and row.stopped_at.astimezone(UTC),
        schedule_version=row.schedule_version,
        set_at=row.set_at.astimezone(UTC),
        zone=row.timezone,
        locale=row.locale,
        title=document.title,
        replacement_title=document.replacement.title,
        replacement_url=document.replacement.url,
        guide_url=document.guide_url,
    )
