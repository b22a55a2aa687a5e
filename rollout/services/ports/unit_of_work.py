"""The unit of work: one transaction, and the repositories that speak inside it."""

from __future__ import annotations

from datetime import datetime
from types import TracebackType
from typing import Protocol, Self

from rollout.services.ports.account_calendar import CalendarRepository
from rollout.services.ports.alarms import AlarmsRepository
from rollout.services.ports.audit import AuditRepository
from rollout.services.ports.briefs import BriefRepository
from rollout.services.ports.callers import CallerRepository
from rollout.services.ports.clock import ClockRepository
from rollout.services.ports.cutoff import CutoffRepository
from rollout.services.ports.enforcement import EnforcementRepository
from rollout.services.ports.guards import GuardsRepository
from rollout.services.ports.inventory import InventoryRepository
from rollout.services.ports.letters import LetterRepository
from rollout.services.ports.notice_ledger import NoticeLedger
from rollout.services.ports.notice_views import NoticeViews
from rollout.services.ports.notices import NoticesRepository
from rollout.services.ports.optional_mail import OptionalMailRepository
from rollout.services.ports.plan import PlanRepository
from rollout.services.ports.reports import ReportsRepository
from rollout.services.ports.sending import SendingRepository
from rollout.services.ports.templates import TemplateRepository
from rollout.services.ports.usage import UsageRepository
from rollout.services.ports.usage_questions import UsageQuestions
from rollout.services.ports.webhooks import WebhookOutbox, WebhooksRepository


class UnitOfWork(Protocol):
    """Leaving without ``commit()`` undoes everything."""

    @property
    def inventory(self) -> InventoryRepository: ...

    @property
    def usage(self) -> UsageRepository: ...

    @property
    def usage_questions(self) -> UsageQuestions: ...

    @property
    def callers(self) -> CallerRepository: ...

    @property
    def plan(self) -> PlanRepository: ...

    @property
    def guards(self) -> GuardsRepository: ...

    @property
    def notices(self) -> NoticesRepository: ...

    @property
    def ledger(self) -> NoticeLedger: ...

    @property
    def sending(self) -> SendingRepository: ...

    @property
    def notice_views(self) -> NoticeViews: ...

    @property
    def letters(self) -> LetterRepository: ...

    @property
    def templates(self) -> TemplateRepository: ...

    @property
    def reports(self) -> ReportsRepository: ...

    @property
    def calendars(self) -> CalendarRepository: ...

    @property
    def briefs(self) -> BriefRepository: ...

    @property
    def optional_mail(self) -> OptionalMailRepository: ...

    @property
    def webhooks(self) -> WebhooksRepository: ...

    @property
    def webhook_outbox(self) -> WebhookOutbox: ...

    @property
    def cutoff(self) -> CutoffRepository: ...

    @property
    def enforcement(self) -> EnforcementRepository: ...

    @property
    def audit(self) -> AuditRepository: ...

    @property
    def alarms(self) -> AlarmsRepository: ...

    @property
    def clock(self) -> ClockRepository: ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None: ...

    def now(self) -> datetime:
        """Return the instant at which this transaction began, by the database's clock, in UTC.

        It errs late, never early: it is the only clock of a decision.
        """
        ...

    def commit(self) -> None:
        """Make it so."""
        ...


class StartUnitOfWork(Protocol):
    """Starts a unit of work: ``with start() as uow: …``."""

    def __call__(self) -> UnitOfWork: ...
