"""The composition root: settings and clock become adapters, adapters become services.

The only place that wires. Entry points say ``with bootstrap(settings) as rollout: …``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from functools import cache, partial

import redis
from sqlalchemy import Engine

from rollout.adapters.alerts import AppriseAlerts
from rollout.adapters.clock import SystemClock
from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.queries import SqlQueries
from rollout.adapters.deprecation_file import read_deprecation
from rollout.adapters.enforcers.verdict_store import ValkeyVerdictStore
from rollout.adapters.holidays import holiday_finder
from rollout.adapters.locales import canonical_locale
from rollout.adapters.mail.sources import Database, Texts
from rollout.adapters.mail.template_check import sample_contexts
from rollout.adapters.pepper import load_pepper
from rollout.adapters.send_rates import ValkeySendRates
from rollout.adapters.signatures import load_signatures
from rollout.adapters.usage_stream import ValkeyUsageStream
from rollout.bootstrap.notices import (
    Notices,
    letter_texts,
    template_renderer,
    unit_of_work,
    wire_notices,
)
from rollout.bootstrap.servers import (
    impatient_valkey,
    require_plain_clock,
    require_schema,
    servers,
    valkey,
)
from rollout.bootstrap.webhooks import Webhooks, wire_webhooks
from rollout.domain.clock import Clock
from rollout.services.alarms import Alarms
from rollout.services.audit import Audit
from rollout.services.cutoff.preview import CutoffPreview
from rollout.services.cutoff.restore import CutoffRestore
from rollout.services.cutoff.sweep import CutoffSweep
from rollout.services.enforcement import Enforcement
from rollout.services.inventory import Inventory
from rollout.services.plan.dates import PlanDates
from rollout.services.plan.drafting import PlanDrafts
from rollout.services.plan.guards import PlanGuards
from rollout.services.plan.wording import Wording
from rollout.services.ports import Renderer, StartUnitOfWork
from rollout.services.ports.queries import Queries
from rollout.services.ports.send_rates import SendRates
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
    texts: Texts
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
    notices: Notices
    webhooks: Webhooks
    cutoff: CutoffSweep
    preview: CutoffPreview
    restore: CutoffRestore
    enforcement: Enforcement
    timekeeping: Timekeeping
    alarms: Alarms
    queries: Queries
    pepper: bytes = field(repr=False)


@contextmanager
def bootstrap(settings: Settings, *, database_may_be_down: bool = False) -> Iterator[Rollout]:
    """Wire everything; start embedded servers where none are configured, stop them on leaving.

    A gateway must be able to start while a configured database is down.
    """
    with ExitStack() as stack:
        database_url, redis_url = servers(settings, stack)
        engine = make_engine(database_url)
        stack.callback(engine.dispose)
        client, impatient = valkey(redis_url), impatient_valkey(redis_url)
        stack.callback(client.close)
        stack.callback(impatient.close)
        if settings.database_url is None or not database_may_be_down:
            require_schema(engine, embedded=settings.database_url is None)
            require_plain_clock(engine, production=settings.production)
        rates = ValkeySendRates(impatient, SystemClock())
        yield _wire(settings, engine, client, rates, redis_url)


def _wire(
    settings: Settings, engine: Engine, client: redis.Redis, rates: SendRates, redis_url: str
) -> Rollout:
    clock, pepper = SystemClock(), load_pepper(settings.pepper, settings.data_dir)
    start = unit_of_work(settings, engine, pepper)
    renderer = template_renderer(settings, pepper, Database(start))
    return Rollout(
        settings=settings,
        clock=clock,
        engine=engine,
        redis=client,
        redis_url=redis_url,
        start=start,
        renderer=renderer,
        texts=letter_texts(settings, start),
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
        notices=wire_notices(settings, clock, pepper, start, renderer, rates),
        webhooks=wire_webhooks(settings, clock, pepper, start, renderer),
        cutoff=CutoffSweep(start, timedelta(seconds=settings.recheck), holiday_finder),
        preview=CutoffPreview(start),
        restore=CutoffRestore(start, holiday_finder),
        enforcement=Enforcement(start, ValkeyVerdictStore(client)),
        timekeeping=Timekeeping(start, clock),
        alarms=Alarms(start, _alerts(settings, pepper)),
        queries=SqlQueries(engine),
        pepper=pepper,
    )


def _alerts(settings: Settings, pepper: bytes) -> AppriseAlerts:
    return AppriseAlerts(
        "ROLLOUT_ALERT_URLS", settings.alert_urls or "", pepper, settings.environment
    )


def _plan(start: StartUnitOfWork, renderer: Renderer) -> PlanDrafts:
    wording = Wording(renderer, sample_contexts)
    return PlanDrafts(start, read_deprecation, holiday_finder, wording)
