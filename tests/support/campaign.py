"""Drives a campaign through its real services, with a clock that the test sets."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Engine, text

from rollout.adapters.db.invariants import breaches
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.deprecation_file import read_deprecation
from rollout.adapters.holidays import holiday_finder
from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.mail.reports import read_mail
from rollout.adapters.mail.sources import Database
from rollout.adapters.mail.template_check import sample_contexts
from rollout.adapters.resources import templates_dir
from rollout.domain.notices.envelope import Envelopes
from rollout.domain.notices.rates import MailRates
from rollout.services.alarms import Alarms
from rollout.services.cutoff.preview import CutoffPreview
from rollout.services.cutoff.restore import CutoffRestore
from rollout.services.cutoff.sweep import CutoffSweep, Sweep
from rollout.services.notices.breaker import NoticeBreaker
from rollout.services.notices.delivery import NoticeDelivery
from rollout.services.notices.keeping import KeptLetters
from rollout.services.notices.pacing import Pacing
from rollout.services.notices.reports import MailReports
from rollout.services.notices.scheduling import NoticeScheduling
from rollout.services.plan.dates import PlanDates
from rollout.services.plan.drafting import PlanDrafts
from rollout.services.plan.guards import PlanGuards
from rollout.services.plan.wording import Wording
from rollout.services.ports import Mailer
from rollout.services.ports.send_rates import SendRates
from rollout.testing import FakeAlerts
from tests.support.cast import NOW, PLAN, bring_on
from tests.support.database import set_clock

GRACE = timedelta(minutes=15)
ENVELOPES = Envelopes(b"k" * 32, "bounces.platform.example")

NEXT = """
SELECT min(at) FROM (
  SELECT next_notice_at AS at FROM enrollments
  UNION ALL SELECT deadline FROM enrollments
  UNION ALL SELECT attempt_at FROM notices WHERE state IN ('pending', 'retry')) due
 WHERE at > :now
"""


class Campaign:
    """The cast, their plan, and every service that acts on them."""

    def __init__(
        self,
        engine: Engine,
        mailer: Mailer,
        templates: Path | None = None,
        per_day: int | None = None,
        rates: SendRates | None = None,
        limits: MailRates | None = None,
    ) -> None:
        self.engine = engine

        def start() -> SqlUnitOfWork:
            return SqlUnitOfWork(engine)

        self.start = start
        folder, database = templates_dir() / "notices", Database(start)
        renderer = TemplateRenderer(folder, templates, database=database)
        wording = Wording(renderer, sample_contexts)
        self.plan = PlanDrafts(start, read_deprecation, holiday_finder, wording)
        self.dates = PlanDates(start, holiday_finder)
        self.guards = PlanGuards(start)
        self.scheduling = NoticeScheduling(start, holiday_finder)
        pacing = Pacing(start, rates, limits or MailRates()) if rates else None
        self.delivery = NoticeDelivery(start, renderer, mailer, GRACE, ENVELOPES, per_day, pacing)
        self.breaker = NoticeBreaker(start)
        self.alerts = FakeAlerts("pager")
        self.alarms = Alarms(start, self.alerts)
        self.kept = KeptLetters(start, timedelta(days=400))
        self.reports = MailReports(start, read_mail, ENVELOPES)
        self.sweep = CutoffSweep(start, timedelta(seconds=30), holiday_finder)
        self.preview = CutoffPreview(start)
        self.restore = CutoffRestore(start, holiday_finder)
        self.in_use: list[str] = []  # keys that are used all the time

    def begin(self, plan: str = PLAN, now: datetime = NOW) -> None:
        """Write the cast and apply their plan."""
        self.at(now)
        bring_on(self.engine, now)
        self.plan.apply(plan, "plan.yaml", "olga")

    def at(self, now: datetime) -> None:
        """Set the clock; the feeds keep reporting, and some keys are used until then."""
        set_clock(self.engine, now)
        self.run(
            "UPDATE feeds SET newest_event = :now,"
            " reported = tstzmultirange(tstzrange(first_event, :now))",
            now=now,
        )
        self.run(
            "UPDATE key_usage SET last_seen = :now WHERE key_id = ANY(:keys)",
            now=now,
            keys=self.in_use,
        )

    def remind(self) -> None:
        """Send whatever is due."""
        while self.scheduling.sweep():
            pass
        while self.delivery.sweep():
            pass

    def work(self, now: datetime) -> Sweep:
        """Let everything happen that a worker would do at an instant; return what was cut."""
        self.at(now)
        self.delivery.confirm()
        done = self.sweep.sweep()
        self.remind()
        return done

    def live(self, until: datetime) -> Sweep:
        """Work from now on whenever something is due, until an instant; return the last sweep."""
        now: datetime | None = self.rows("SELECT rollout_now()")[0][0]
        while now is not None and now < until:
            self.work(now)
            now = min(now + GRACE, until)
            self.work(now)
            now = self.rows(NEXT, now=now)[0][0]
        return self.work(until)

    def run(self, statement: str, **values: Any) -> Any:
        """Run one statement behind the services' back."""
        with self.engine.begin() as connection:
            return connection.execute(text(statement), values)

    def rows(self, query: str, **values: Any) -> list[tuple[Any, ...]]:
        """Read rows behind the services' back."""
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(text(query), values)]

    def notice(self, to: str, step: str = "announcement") -> tuple[str, str | None]:
        """Return the state of somebody's only notice of a step, and its reason."""
        ((state, reason),) = self.rows(
            "SELECT state, reason FROM notices JOIN contacts USING (contact_id)"
            " WHERE email = :to AND step = :step",
            to=to,
            step=step,
        )
        return state, reason

    def broken(self) -> list[str]:
        """Return which invariants are broken, and how."""
        return [f"{breach.code}: {breach.subject}" for breach in breaches(self.engine)]
