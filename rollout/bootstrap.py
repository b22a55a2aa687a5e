"""The composition root: settings and clock become adapters, adapters become services.

The only place that wires. Entry points say ``with bootstrap(settings) as rollout: …``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from email.utils import parseaddr
from functools import cache, partial

import redis
from sqlalchemy import Engine

from rollout.adapters.calendar_file import CalendarFile
from rollout.adapters.clock import SystemClock
from rollout.adapters.db.clock import shifted_clocks
from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.migrate import migrate, status
from rollout.adapters.db.queries import SqlQueries
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.deprecation_file import read_deprecation
from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.adapters.enforcers.verdict_store import ValkeyVerdictStore
from rollout.adapters.holidays import holiday_finder
from rollout.adapters.locales import canonical_locale
from rollout.adapters.mail.addresses import guest_list, own_domain
from rollout.adapters.mail.dkim import dkim_signer
from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.mail.reports import read_mail
from rollout.adapters.mail.smtp import SmtpMailer
from rollout.adapters.mail.template_check import sample_contexts
from rollout.adapters.pepper import load_pepper
from rollout.adapters.resources import templates_dir
from rollout.adapters.signatures import load_signatures
from rollout.adapters.usage_stream import ValkeyUsageStream
from rollout.domain.account_calendar import CalendarLinks
from rollout.domain.clock import Clock
from rollout.domain.errors import BadInput, Refused, Unavailable
from rollout.domain.notices.return_path import ReturnPaths
from rollout.domain.notices.unsubscribe import UnsubscribeTokens
from rollout.services.account_calendar import AccountCalendars
from rollout.services.audit import Audit
from rollout.services.cutoff.preview import CutoffPreview
from rollout.services.cutoff.restore import CutoffRestore
from rollout.services.cutoff.sweep import CutoffSweep
from rollout.services.enforcement import Enforcement
from rollout.services.inventory import Inventory
from rollout.services.notices.delivery import NoticeDelivery
from rollout.services.notices.overview import NoticeOverview
from rollout.services.notices.preview import NoticePreview
from rollout.services.notices.reports import MailReports
from rollout.services.notices.scheduling import NoticeScheduling
from rollout.services.notices.trial import NoticeTrial
from rollout.services.notices.unsubscribing import Unsubscribing
from rollout.services.plan.dates import PlanDates
from rollout.services.plan.drafting import PlanDrafts
from rollout.services.plan.guards import PlanGuards
from rollout.services.plan.wording import Wording
from rollout.services.ports import Mailer, Renderer, StartUnitOfWork
from rollout.services.ports.queries import Queries
from rollout.services.timekeeping import Timekeeping
from rollout.services.usage import CallerNaming, UsageImport, UsageRetention, UsageService
from rollout.services.usage.collecting import UsageCollector
from rollout.services.usage.feeds import UsageFeeds
from rollout.services.usage.questions import UsageQuestions
from rollout.services.usage.uploading import UsageUploads
from rollout.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollout:
    """Everything wired: what an entry point may use."""

    settings: Settings
    clock: Clock
    engine: Engine
    redis: redis.Redis
    redis_url: str = field(repr=False)
    start: StartUnitOfWork
    renderer: Renderer
    audit: Audit
    inventory: Inventory
    usage: UsageService
    usage_questions: UsageQuestions
    usage_feeds: UsageFeeds
    usage_import: UsageImport
    naming: CallerNaming
    retention: UsageRetention
    usage_collector: UsageCollector
    usage_uploads: UsageUploads
    plan: PlanDrafts
    dates: PlanDates
    guards: PlanGuards
    scheduling: NoticeScheduling
    delivery: NoticeDelivery
    reports: MailReports
    unsubscribing: Unsubscribing
    cutoff: CutoffSweep
    preview: CutoffPreview
    restore: CutoffRestore
    notice_preview: NoticePreview
    notice_overview: NoticeOverview
    notice_trial: NoticeTrial
    enforcement: Enforcement
    timekeeping: Timekeeping
    calendars: AccountCalendars
    queries: Queries
    pepper: bytes = field(repr=False)


@contextmanager
def bootstrap(settings: Settings, *, database_may_be_down: bool = False) -> Iterator[Rollout]:
    """Wire everything; start embedded servers where none are configured, stop them on leaving.

    A gateway must be able to start while a configured database is down.
    """
    with ExitStack() as stack:
        database_url, redis_url = _servers(settings, stack)
        engine = make_engine(database_url)
        stack.callback(engine.dispose)
        client = _valkey(redis_url)
        stack.callback(client.close)
        if settings.database_url is None or not database_may_be_down:
            _require_schema(engine, embedded=settings.database_url is None)
            _require_plain_clock(engine, production=settings.production)
        yield _wire(settings, engine, client, redis_url)


def _wire(settings: Settings, engine: Engine, client: redis.Redis, redis_url: str) -> Rollout:
    clock, pepper = SystemClock(), load_pepper(settings.pepper, settings.data_dir)
    start, renderer = _unit_of_work(settings, engine, pepper), _renderer(settings, pepper)
    return Rollout(
        settings=settings,
        clock=clock,
        engine=engine,
        redis=client,
        redis_url=redis_url,
        start=start,
        renderer=renderer,
        audit=Audit(start),
        inventory=Inventory(start, pepper=pepper, canonical_locale=canonical_locale),
        usage=UsageService(start),
        usage_questions=UsageQuestions(start),
        usage_feeds=UsageFeeds(start),
        usage_import=UsageImport(start),
        usage_uploads=UsageUploads(start, UsageImport(start)),
        naming=CallerNaming(start, cache(partial(load_signatures, settings.signatures))),
        retention=UsageRetention(start, timedelta(days=settings.sightings_days) or None),
        usage_collector=UsageCollector(start, ValkeyUsageStream(client)),
        plan=_plan(start, renderer),
        dates=PlanDates(start, holiday_finder),
        guards=PlanGuards(start),
        scheduling=NoticeScheduling(start, holiday_finder),
        delivery=_delivery(settings, start, renderer, clock, pepper),
        reports=MailReports(start, read_mail, _return_paths(settings, pepper)),
        unsubscribing=Unsubscribing(start, UnsubscribeTokens(pepper)),
        cutoff=CutoffSweep(start, timedelta(seconds=settings.recheck), holiday_finder),
        preview=CutoffPreview(start),
        restore=CutoffRestore(start, holiday_finder),
        notice_preview=NoticePreview(start, renderer),
        notice_overview=NoticeOverview(start),
        notice_trial=_trial(settings, start, renderer, clock),
        enforcement=Enforcement(start, ValkeyVerdictStore(client)),
        timekeeping=Timekeeping(start, clock),
        calendars=_calendars(settings, start, renderer, pepper),
        queries=SqlQueries(engine),
        pepper=pepper,
    )


def _renderer(settings: Settings, pepper: bytes) -> TemplateRenderer:
    folder = templates_dir() / "notices"
    if settings.public_url is None:
        return TemplateRenderer(folder, settings.templates)
    address, tokens = settings.public_url.rstrip("/"), UnsubscribeTokens(pepper)
    return TemplateRenderer(
        folder, settings.templates, lambda contact: f"{address}/unsubscribe/{tokens.of(contact)}"
    )


def _plan(start: StartUnitOfWork, renderer: Renderer) -> PlanDrafts:
    wording = Wording(renderer, sample_contexts)
    return PlanDrafts(start, read_deprecation, holiday_finder, wording)


def _unit_of_work(settings: Settings, engine: Engine, pepper: bytes) -> StartUnitOfWork:
    calendar_links = _calendar_links(settings, pepper)
    return lambda: SqlUnitOfWork(engine, _mail_domain(settings), calendar_links)


def _calendar_links(settings: Settings, pepper: bytes) -> CalendarLinks:
    return CalendarLinks(pepper, settings.public_url and settings.public_url.rstrip("/"))


def _calendars(
    settings: Settings, start: StartUnitOfWork, renderer: Renderer, pepper: bytes
) -> AccountCalendars:
    links = _calendar_links(settings, pepper)
    return AccountCalendars(start, links, CalendarFile(renderer))


def _mail_domain(settings: Settings) -> str:
    return parseaddr(settings.mail_from)[1].rpartition("@")[2] or "rollout.localhost"


def _mailer(settings: Settings, clock: Clock) -> Mailer | None:
    signer = dkim_signer(settings.dkim_domain, settings.dkim_selector, settings.dkim_key)
    if settings.smtp_url is None:
        return None
    return SmtpMailer(
        settings.smtp_url,
        sender=settings.mail_from,
        reply_to=settings.mail_reply_to,
        timeout=settings.smtp_timeout,
        final_timeout=settings.smtp_final_timeout,
        clock=clock,
        signer=signer,
    )


def _delivery(
    settings: Settings,
    start: StartUnitOfWork,
    renderer: Renderer,
    clock: Clock,
    pepper: bytes,
) -> NoticeDelivery:
    grace = timedelta(seconds=settings.delivery_grace)
    return_paths = _return_paths(settings, pepper)
    return NoticeDelivery(
        start,
        renderer,
        _mailer(settings, clock),
        grace,
        return_paths,
        per_day=settings.letters_per_day or None,
    )


def _trial(
    settings: Settings, start: StartUnitOfWork, renderer: Renderer, clock: Clock
) -> NoticeTrial:
    guests = guest_list("ROLLOUT_TEST_RECIPIENTS", settings.test_recipients or "")
    preview = NoticePreview(start, renderer)
    return NoticeTrial(start, preview, _mailer(settings, clock), guests, _mail_domain(settings))


def _return_paths(settings: Settings, pepper: bytes) -> ReturnPaths | None:
    if settings.bounce_domain is None:
        return None
    return ReturnPaths(own_domain("ROLLOUT_BOUNCE_DOMAIN", settings.bounce_domain), pepper)


def _servers(settings: Settings, stack: ExitStack) -> tuple[str, str]:
    if settings.database_url and settings.redis_url:
        return settings.database_url, settings.redis_url
    servers = stack.enter_context(
        EmbeddedServers.start(
            settings.data_dir,
            postgres=settings.database_url is None,
            valkey=settings.redis_url is None,
        )
    )
    return (
        settings.database_url or servers.database_url,
        settings.redis_url or servers.redis_url,
    )


def _require_plain_clock(engine: Engine, *, production: bool) -> None:
    """Let no rehearsal database decide about real customers."""
    if production and (shifted := shifted_clocks(engine)):
        raise Refused(
            f"{' and '.join(shifted)} do not tell the time: this is a rehearsal database",
            fix="set ROLLOUT_DATABASE_URL to the real one",
        )


def _valkey(redis_url: str) -> redis.Redis:
    """Return a client; the address may hold a password, so no message repeats it."""
    try:
        return redis.Redis.from_url(
            redis_url, socket_timeout=5, socket_connect_timeout=2, health_check_interval=10
        )
    except ValueError:
        raise BadInput(
            "ROLLOUT_REDIS_URL is no address of a Valkey or Redis",
            fix="write redis://user:password@host:6379/0",
        ) from None


def _require_schema(engine: Engine, *, embedded: bool) -> None:
    current, needed = status(engine)
    if current == needed:
        return
    if embedded:
        migrate(engine)
        return
    raise Unavailable(
        f"the database is at revision {current or 'none'}, this version needs {needed}",
        fix="run `rollout migrate`",
    )
