"""The SQL of the briefs of accounts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from rollout.adapters.db.insiders import TO_CUSTOMERS
from rollout.domain.notices.brief import Standing
from rollout.services.ports.briefs import Told

_STANDING = """
SELECT n.notice_id, e.account_id, n.step, a.brief_version, e.state, e.deadline, c.stopped_at,
       n.acknowledged_at, e.deprecation, p.email
  FROM {notices} n JOIN enrollments e USING (enrollment_id) JOIN accounts a USING (account_id)
  JOIN contacts p USING (contact_id)
  LEFT JOIN LATERAL (
       SELECT min(cut_at) AS stopped_at FROM cutoffs
        WHERE e.state = 'cut' AND cutoffs.enrollment_id = e.enrollment_id
          AND cutoffs.schedule_version = e.schedule_version) c ON true
"""
_GONE_OUT = f"""n.{TO_CUSTOMERS}
     AND n.state IN ('sending', 'sent', 'delivered', 'complained', 'uncertain')"""
# The page shows the present date: if the reader has been told that one since, it is what they
# answer, though the link is that of an earlier one.
_LINKED = f"""(
  SELECT n.*
    FROM notices linked JOIN enrollments e USING (enrollment_id)
    JOIN notices n ON (n.enrollment_id, n.contact_id) = (linked.enrollment_id, linked.contact_id)
   WHERE linked.notice_id = :notice_id
     AND (n.notice_id = linked.notice_id
          OR linked.schedule_version < e.schedule_version
             AND n.schedule_version = e.schedule_version AND {_GONE_OUT})
   ORDER BY n.schedule_version DESC, n.notice_id DESC LIMIT 1)
"""
_OF_NOTICE = _STANDING.format(notices=_LINKED)
_TOLD = f"""(
  SELECT DISTINCT ON (enrollment_id, contact_id) n.*
    FROM enrollments JOIN notices n USING (enrollment_id)
   WHERE account_id = :account_id AND {_GONE_OUT}
   ORDER BY enrollment_id, contact_id, notice_id DESC)
"""
_OF_ACCOUNT = _STANDING.format(notices=_TOLD) + " ORDER BY e.deprecation, p.email"
_VERSION = "SELECT brief_version FROM accounts WHERE account_id = :account_id"
_RENEW = """
UPDATE accounts SET brief_version = brief_version + 1 WHERE account_id = :account_id
RETURNING brief_version
"""


class SqlBriefs:
    """Implements ``services.ports.briefs`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def standing(self, notice_id: int) -> Standing | None:
        """Return where the enrollment of a notice stands; see the port."""
        row = self._run(_OF_NOTICE, notice_id=notice_id).one_or_none()
        return _standing(row) if row else None

    def version(self, account_id: str) -> int | None:
        """Return which links of an account are the valid ones; None: there is no such account."""
        version: int | None = self._run(_VERSION, account_id=account_id).scalar()
        return version

    def told(self, account_id: str) -> Sequence[Told]:
        """Return the people of an account who were written to, about each deprecation."""
        rows = self._run(_OF_ACCOUNT, account_id=account_id)
        return [Told(row.deprecation, row.email, _standing(row)) for row in rows]

    def renew(self, account_id: str) -> int | None:
        """Make all links of an account void; return the new version, None: no such account."""
        version: int | None = self._run(_RENEW, account_id=account_id).scalar()
        return version

    def _run(self, statement: str, **values: Any) -> Any:
        return self._connection.execute(text(statement), values)


def _standing(row: Row[Any]) -> Standing:
    return Standing(
        notice_id=row.notice_id,
        account_id=row.account_id,
        step=row.step,
        links_version=row.brief_version,
        state=row.state,
        deadline=row.deadline.astimezone(UTC),
        stopped_at=_utc(row.stopped_at),
        acknowledged_at=_utc(row.acknowledged_at),
    )


def _utc(at: datetime | None) -> datetime | None:
    return at and at.astimezone(UTC)
