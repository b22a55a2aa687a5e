"""Notices: what writes them, what sends them, and what hears how they fared."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from email.utils import parseaddr

from sqlalchemy import Engine

from rollout.adapters.calendar_file import CalendarFile
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.holidays import holiday_finder
from rollout.adapters.mail.addresses import guest_list, own_domain
from rollout.adapters.mail.dkim import DkimSigner, dkim_signer
from rollout.adapters.mail.providers.postmark import postmark_headers
from rollout.adapters.mail.rates import mail_rates
from rollout.adapters.mail.relays import Relay, Relays
from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.mail.reports import read_mail
from rollout.adapters.mail.smtp import SmtpMailer
from rollout.adapters.mail.smtp_url import SmtpServer, parse_smtp_urls
from rollout.adapters.mail.sources import DATABASE, Database, Fixed, Layer, Texts, layers
from rollout.adapters.mail.template_check import check_templates
from rollout.adapters.resources import templates_dir
from rollout.domain.clock import Clock
from rollout.domain.notices.envelope import Envelopes
from rollout.domain.notices.links import MessageLinks
from rollout.domain.notices.unsubscribe import UnsubscribeTokens
from rollout.services.account_calendar import AccountCalendars
from rollout.services.notices.breaker import NoticeBreaker
from rollout.services.notices.briefs import Briefs
from rollout.services.notices.delivery import NoticeDelivery
from rollout.services.notices.keeping import KeptLetters
from rollout.services.notices.overview import NoticeOverview
from rollout.services.notices.pacing import Pacing
from rollout.services.notices.preview import NoticePreview
from rollout.services.notices.reports import MailReports
from rollout.services.notices.scheduling import NoticeScheduling
from rollout.services.notices.templates import Templates
from rollout.services.notices.trial import NoticeTrial
from rollout.services.notices.unsubscribing import Unsubscribing
from rollout.services.ports import Mailer, Renderer, StartUnitOfWork
from rollout.services.ports.send_rates import SendRates
from rollout.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Notices:
    """Everything about notices that an entry point may use."""

    scheduling: NoticeScheduling
    delivery: NoticeDelivery
    breaker: NoticeBreaker
    reports: MailReports
    unsubscribing: Unsubscribing
    preview: NoticePreview
    overview: NoticeOverview
    trial: NoticeTrial
    calendars: AccountCalendars
    briefs: Briefs
    kept: KeptLetters
    templates: Templates


def wire_notices(
    settings: Settings,
    clock: Clock,
    pepper: bytes,
    start: StartUnitOfWork,
    renderer: Renderer,
    rates: SendRates,
) -> Notices:
    """Wire what has to do with notices."""
    mailer, envelopes = _mailer(settings, clock), _envelopes(settings, pepper)
    limits = mail_rates("ROLLOUT_MAIL_RATES", settings.mail_rates or "")
    preview = NoticePreview(start, renderer)
    guests = guest_list("ROLLOUT_TEST_RECIPIENTS", settings.test_recipients or "")
    links = MessageLinks.under(pepper, settings.public_url)
    return Notices(
        scheduling=NoticeScheduling(start, holiday_finder),
        delivery=NoticeDelivery(
            start,
            renderer,
            mailer,
            timedelta(seconds=settings.delivery_grace),
            envelopes,
            per_day=settings.letters_per_day or None,
            pacing=Pacing(start, rates, limits),
        ),
        breaker=NoticeBreaker(start),
        reports=MailReports(start, read_mail, envelopes),
        unsubscribing=Unsubscribing(start, UnsubscribeTokens(pepper)),
        preview=preview,
        overview=NoticeOverview(start),
        trial=NoticeTrial(start, preview, mailer, guests, _mail_domain(settings)),
        calendars=AccountCalendars(start, links.calendar, CalendarFile(renderer)),
        briefs=Briefs(start, links.brief, renderer, _reply_to(settings)),
        kept=KeptLetters(start, timedelta(days=settings.letters_days) or None),
        templates=Templates(start, renderer, _trying(settings, pepper), check_templates),
    )


def unit_of_work(settings: Settings, engine: Engine, pepper: bytes) -> StartUnitOfWork:
    """Return what starts a unit of work; it makes the Message-IDs and links of new notices."""
    links = MessageLinks.under(pepper, settings.public_url)
    return lambda: SqlUnitOfWork(engine, _mail_domain(settings), links)


def template_renderer(settings: Settings, pepper: bytes, database: Layer) -> TemplateRenderer:
    """Return the renderer of letters; they say where to unsubscribe if there is such a place."""
    folder, own = templates_dir() / "notices", settings.templates
    if settings.public_url is None:
        return TemplateRenderer(folder, own, database=database)
    address, tokens = settings.public_url.rstrip("/"), UnsubscribeTokens(pepper)

    def unsubscribe_url(contact_id: int) -> str:
        return f"{address}/unsubscribe/{tokens.of(contact_id)}"

    return TemplateRenderer(folder, own, unsubscribe_url, database=database)


def _trying(settings: Settings, pepper: bytes) -> Callable[[Mapping[str, str]], Renderer]:
    """Return what makes a renderer as it would be with some texts in the database."""
    return lambda texts: template_renderer(settings, pepper, Fixed(DATABASE, texts))


def letter_texts(settings: Settings, start: StartUnitOfWork) -> Texts:
    """Return the texts of letters, for pages that say things in the same words."""
    return Texts(layers(templates_dir() / "notices", settings.templates, Database(start)))


def _reply_to(settings: Settings) -> str:
    return parseaddr(settings.mail_reply_to or settings.mail_from)[1]


def _mail_domain(settings: Settings) -> str:
    return parseaddr(settings.mail_from)[1].rpartition("@")[2] or "rollout.localhost"


def _mailer(settings: Settings, clock: Clock) -> Mailer | None:
    signer = dkim_signer(settings.dkim_domain, settings.dkim_selector, settings.dkim_key)
    if settings.smtp_url is None:
        return None
    servers = parse_smtp_urls(settings.smtp_url)
    mailers = [_smtp_mailer(server, settings, clock, signer) for server in servers]
    if len(mailers) == 1:
        return mailers[0]
    return Relays([Relay(str(s), m) for s, m in zip(servers, mailers, strict=True)], clock)


def _smtp_mailer(
    server: SmtpServer, settings: Settings, clock: Clock, signer: DkimSigner | None
) -> SmtpMailer:
    return SmtpMailer(
        server,
        sender=settings.mail_from,
        reply_to=settings.mail_reply_to,
        timeout=settings.smtp_timeout,
        final_timeout=settings.smtp_final_timeout,
        clock=clock,
        signer=signer,
        headers=postmark_headers if settings.postmark_token else (lambda _: {}),
    )


def _envelopes(settings: Settings, pepper: bytes) -> Envelopes:
    domain = settings.bounce_domain
    if domain is not None:
        domain = own_domain("ROLLOUT_BOUNCE_DOMAIN", domain)
    return Envelopes(pepper, domain)
