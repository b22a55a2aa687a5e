"""The unit of work on PostgreSQL: the only file that commits."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from types import TracebackType
from typing import Self

import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import DBAPIError

from rollout.adapters.db.account_calendar import SqlCalendars
from rollout.adapters.db.alarms import SqlAlarms
from rollout.adapters.db.audit import SqlAudit
from rollout.adapters.db.briefs import SqlBriefs
from rollout.adapters.db.callers import SqlCallers
from rollout.adapters.db.clock import SqlClock
from rollout.adapters.db.cutoff import SqlCutoff
from rollout.adapters.db.enforcement import SqlEnforcement
from rollout.adapters.db.engine import connect
from rollout.adapters.db.guards import SqlGuards
from rollout.adapters.db.inventory import SqlInventory
from rollout.adapters.db.letters import SqlLetters
from rollout.adapters.db.notice_ledger import SqlNoticeLedger
from rollout.adapters.db.notice_views import SqlNoticeViews
from rollout.adapters.db.notices import SqlNotices
from rollout.adapters.db.optional_mail import SqlOptionalMail
from rollout.adapters.db.parsed import text
from rollout.adapters.db.plan import SqlPlan
from rollout.adapters.db.reports import SqlReports
from rollout.adapters.db.sending import SqlSending
from rollout.adapters.db.templates import SqlTemplates
from rollout.adapters.db.usage import SqlUsage
from rollout.adapters.db.usage_questions import SqlUsageQuestions
from rollout.adapters.db.webhook_outbox import SqlWebhookOutbox
from rollout.adapters.db.webhooks import SqlWebhooks
from rollout.domain.errors import Unavailable
from rollout.domain.notices.links import MessageLinks

# Whatever the server may say because of its own state; the other errors are faults of ours.
GAVE_UP = (psycopg.OperationalError, psycopg.InternalError, psycopg.InterfaceError)


class SqlUnitOfWork:
    """One transaction on one pooled connection; leaving without ``commit()`` undoes everything."""

    def __init__(
        self,
        engine: Engine,
        mail_domain: str = "rollout.localhost",
        links: MessageLinks | None = None,
    ) -> None:
        self._engine = engine
        self._mail_domain = mail_domain
        self._links = links

    def __enter__(self) -> Self:
        self._connection = connect(self._engine)
        self.inventory = SqlInventory(self._connection)
        self.usage = SqlUsage(self._connection)
        self.usage_questions = SqlUsageQuestions(self._connection)
        self.callers = SqlCallers(self._connection)
        self.plan = SqlPlan(self._connection)
        self.guards = SqlGuards(self._connection)
        self.ledger = SqlNoticeLedger(self._connection)
        self.sending = SqlSending(self._connection)
        self.notices = SqlNotices(self._connection, self._mail_domain, self._links)
        self.notice_views = SqlNoticeViews(self._connection)
        self.letters = SqlLetters(self._connection)
        self.templates = SqlTemplates(self._connection)
        self.reports = SqlReports(self._connection)
        self.calendars = SqlCalendars(self._connection)
        self.briefs = SqlBriefs(self._connection)
        self.optional_mail = SqlOptionalMail(self._connection)
        self.webhooks = SqlWebhooks(self._connection)
        self.webhook_outbox = SqlWebhookOutbox(self._connection)
        self.cutoff = SqlCutoff(self._connection)
        self.enforcement = SqlEnforcement(self._connection)
        self.audit = SqlAudit(self._connection)
        self.alarms = SqlAlarms(self._connection)
        self.clock = SqlClock(self._connection)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with suppress(DBAPIError):  # where the connection is lost, nothing is left to roll back
            self._connection.close()  # rolls back whatever was not committed
        if why := _gave_up(error):
            raise Unavailable(
                f"the database gave up: {why}", fix="try again; `rollout doctor` says more"
            ) from error

    def now(self) -> datetime:
        """Return the instant at which this transaction began, in UTC, by the database's clock."""
        at: datetime = self._connection.execute(text("SELECT rollout_now()")).scalar_one()
        return at.astimezone(UTC)

    def commit(self) -> None:
        """Make it so; raise ``Unavailable`` where nobody can say whether it was done."""
        try:
            self._connection.commit()
        except DBAPIError as error:
            if why := _gave_up(error):
                raise Unavailable(
                    f"the database gave up at the very end, so it may have been done or not: {why}",
                    fix="look before you try again",
                ) from error
            raise


def _gave_up(error: BaseException | None) -> str | None:
    reason = error.orig if isinstance(error, DBAPIError) else error
    if not isinstance(reason, GAVE_UP):
        return None
    return str(reason).partition("\n")[0] or type(reason).__name__
