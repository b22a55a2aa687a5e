"""The campaign: import, plan, remind, cut. Everything goes through the real services."""

from __future__ import annotations

import random
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.live import Live
from rich.table import Table
from sqlalchemy import text

from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.files import LogFile
from rollout.adapters.rows import RowFormat, open_rows
from rollout.cli.demo.clients import Caller, Clients
from rollout.cli.demo.company import EXTENDED, HELD, SampleAccount, make_company, write_inventory
from rollout.cli.demo.stage import Stage
from rollout.cli.demo.traffic import Habit, make_habits, write_logs
from rollout.domain.inventory_rows import Register
from rollout.services.ports.notice_views import NoticeFilter

SEED = 20_270_413
FIRST_DEADLINE = timedelta(seconds=42)  # after the plan is applied
BETWEEN_COHORTS = timedelta(seconds=5)
EXTENSION = timedelta(seconds=8)
PATIENCE = timedelta(seconds=30)  # after the last deadline
CALLERS = 40

PLAN = """\
deprecation: api-keys
title: API keys
replacement: {{title: access tokens, url: https://developers.platform.example/access-tokens}}
guide_url: https://developers.platform.example/keys-to-tokens
scope: {{kinds: [rest]}}
announced: {announced}
reminders:
  - {{step: announcement, before: 60s}}
  - {{step: final-warning, before: 12s, required: true}}
  - {{step: disabled, after: 0d}}
guards: {{min_notice: 20s, approvals: 1}}
cohorts:
  - {{cohort: canary, select: {{usage: unused, percent: 30}}, date: {deadlines[0]}}}
  - {{cohort: quiet, select: {{usage: unused}}, date: {deadlines[1]}}}
  - {{cohort: gold, select: {{tier: gold}}, date: {deadlines[2]}}}
  - {{cohort: everyone, select: {{}}, date: {deadlines[3]}}}
"""


@dataclass(slots=True)
class Play:
    """One performance and what there is to tell of it."""

    stage: Stage
    console: Console
    company: list[SampleAccount]
    habits: list[Habit]
    clients: Clients
    last_deadline: datetime

    @classmethod
    def rehearse(cls, stage: Stage, console: Console) -> Play:
        """Invent the company, take everything in, and apply the plan."""
        dice = random.Random(SEED)  # noqa: S311 - the same company every time
        company = make_company(dice)
        habits = make_habits(company, dice)
        now = _now(stage)
        lines = write_logs(habits, now, stage.folder, dice)
        write_inventory(company, stage.folder)
        _take_in(stage, console, lines)
        clients = Clients(stage.gateway, _callers(company, habits), stage.rollout.clock)
        last = _plan(stage, console)
        return cls(stage, console, company, habits, clients, last)

    def perform(self) -> None:
        """Let clients call and workers work until every key is off, or held for a reason."""
        self.clients.start()
        self._decide()
        end = self.last_deadline + PATIENCE
        with Live(console=self.console, refresh_per_second=4, transient=True) as live:
            while (now := _now(self.stage)) < end:
                live.update(_progress(self.stage, now))
                if now > self.last_deadline and not _undecided(self.stage):
                    break
                self.stage.rollout.clock.sleep(0.5)
        self._let_callers_notice()
        self.clients.stop()

    def _decide(self) -> None:
        """Give one account more time, and hold another: people change their minds."""
        rollout = self.stage.rollout
        while not self._told(EXTENDED):
            self.stage.rollout.clock.sleep(0.2)
        rollout.guards.hold(HELD, reason="open ticket 4711", operator="demo", ends_at=None)
        ((_, deadline),) = rollout.dates.extend(
            EXTENDED, to=EXTENSION, reason="migration under way", operator="demo"
        )
        self.last_deadline = max(self.last_deadline, deadline.instant)
        self.console.print(
            f"[bold]extended[/] {EXTENDED} by {EXTENSION.seconds} s; [bold]held[/] {HELD}:"
            " open ticket 4711"
        )

    def _told(self, account_id: str) -> bool:
        which = NoticeFilter(account_id=account_id)
        notices = self.stage.rollout.notices.overview.notices(which, None)
        return any(notice["state"] in {"sent", "delivered"} for notice in notices)

    def _let_callers_notice(self) -> None:
        """Wait for two rounds of calls after the last cutoff, and for the last messages."""
        for _ in range(5):
            self.stage.rollout.clock.sleep(1)


def _take_in(stage: Stage, console: Console, lines: int) -> None:
    rollout = stage.rollout
    for register in (Register.ACCOUNTS, Register.CONTACTS, Register.KEYS):
        with open_rows(str(stage.folder / f"{register}.csv"), RowFormat.CSV) as source:
            report = rollout.inventory.import_file(register, source, operator="demo")
        console.print(f"[bold]imported[/] {report.new:,} {register}")
    for path in sorted(stage.folder.glob("access-*.log.gz")):
        _take_in_log(stage, path)
    console.print(f"[bold]imported[/] {lines:,} lines of access logs, 90 days")


def _take_in_log(stage: Stage, path: Path) -> None:
    reader, log = FEEDS[LogFormat.COMBINED], LogFile(path)
    stage.rollout.usage_import.import_log(log, reader, feed="access-log", operator="demo")


def _plan(stage: Stage, console: Console) -> datetime:
    now = _now(stage)
    deadlines = [now + FIRST_DEADLINE + BETWEEN_COHORTS * n for n in range(4)]
    document = PLAN.format(
        announced=(now - timedelta(days=60)).date(),
        deadlines=[f"{deadline:%Y-%m-%dT%H:%M:%SZ}" for deadline in deadlines],
    )
    (stage.folder / "api-keys.yaml").write_text(document, encoding="utf-8")
    proposal = stage.rollout.plan.apply(document, "api-keys.yaml", "demo")
    for cohort in proposal.draft.cohorts.values():
        stage.rollout.guards.approve("api-keys", cohort.cohort, operator="demo")
        console.print(
            f"[bold]planned[/] {cohort.cohort}: {cohort.accounts} accounts, {cohort.keys} keys,"
            f" deadline {cohort.first_deadline:%H:%M:%S} UTC"
        )
    return deadlines[-1]


def _callers(company: list[SampleAccount], habits: list[Habit]) -> list[Caller]:
    """Pick keys in use today, and a few mobile ones that must never be refused."""
    today = [habit for habit in habits if habit.last_day == 0][:CALLERS]
    mobile = [key for a in company for key in a.keys if key.kind != "rest"][:5]
    return [Caller(habit.key, habit.caller) for habit in today] + [
        Caller(key, f"{key.kind} app") for key in mobile
    ]


def _now(stage: Stage) -> datetime:
    with stage.rollout.start() as uow:
        return uow.now()


def _undecided(stage: Stage) -> int:
    """Count enrollments that are due and neither cut nor held."""
    with stage.rollout.engine.connect() as connection:
        count: int = connection.execute(
            text(
                "SELECT count(*) FROM enrollments e WHERE state = 'scheduled' AND NOT EXISTS"
                " (SELECT 1 FROM holds h WHERE h.enrollment_id = e.enrollment_id"
                "   AND h.closed_at IS NULL)"
            )
        ).scalar_one()
        return count


def _progress(stage: Stage, now: datetime) -> Table:
    table = Table(title="the campaign", title_justify="left", box=None, pad_edge=False)
    for column in ("cohort", "deadline", "accounts", "cut", "held", "messages"):
        table.add_column(column, justify="left" if column == "cohort" else "right")
    for row in _cohort_rows(stage):
        left = (row["deadline"] - now).total_seconds()
        table.add_row(
            row["cohort"],
            f"in {left:.0f} s" if left > 0 else "passed",
            *(str(row[name]) for name in ("accounts", "cut", "held", "messages")),
        )
    return table


def _cohort_rows(stage: Stage) -> list[dict[str, Any]]:
    with stage.rollout.engine.connect() as connection:
        rows = connection.execute(
            text(
                "SELECT c.cohort, min(s.deadline) AS deadline, count(*) AS accounts,"
                " count(*) FILTER (WHERE e.state = 'cut') AS cut,"
                " count(*) FILTER (WHERE EXISTS (SELECT 1 FROM holds h WHERE h.enrollment_id ="
                "   e.enrollment_id AND h.closed_at IS NULL)) AS held,"
                " sum((SELECT count(*) FROM notices n WHERE n.enrollment_id = e.enrollment_id"
                "   AND n.state IN ('sent', 'delivered'))) AS messages"
                " FROM cohorts c JOIN enrollments e USING (deprecation, cohort)"
                " JOIN schedules s ON s.enrollment_id = e.enrollment_id AND s.schedule_version = 1"
                " GROUP BY c.cohort, c.position ORDER BY c.position"
            )
        )
        return [dict(row) for row in rows.mappings()]
