"""People change their minds in the very moment of the cutoff: thousands of times, in every way."""

from __future__ import annotations

import random
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from sqlalchemy import Engine

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.holidays import holiday_finder
from rollout.domain.errors import Conflict, Refused
from rollout.services.cutoff.sweep import CutoffSweep
from rollout.services.notices.delivery import NoticeDelivery
from rollout.services.plan.dates import PlanDates
from rollout.services.plan.guards import PlanGuards
from rollout.testing import FakeMailer, FakeRenderer
from tests.support.campaign import ENVELOPES
from tests.support.crowd import COHORTS, PLAN, gather
from tests.support.database import rows
from tests.support.processes import wait_until
from tests.support.soundness import assert_sound

pytestmark = pytest.mark.fault

ACCOUNTS = 4_000
SPREAD = timedelta(seconds=6)
QUIET_PLAN = PLAN.replace("  - {step: disabled, after: 0d}\n", "")  # fewer letters to write
DUE_NOW = """
SELECT account_id FROM enrollments
 WHERE deadline BETWEEN now() - interval '50 ms' AND now() + interval '100 ms'
 ORDER BY random() LIMIT 15
"""
ALL_FIRST_DATES_HAVE_COME = """
SELECT 1 FROM schedules WHERE schedule_version = 1 HAVING max(deadline) < now()
"""
CUT_AFTER_A_PAUSE = """
SELECT count(*) FROM cutoffs c JOIN enrollments e USING (enrollment_id)
 WHERE EXISTS (SELECT FROM pauses p WHERE (p.deprecation, p.cohort) = (e.deprecation, e.cohort)
                AND c.deadline BETWEEN p.opened_at AND p.closed_at)
"""


class Contest:
    """Everybody who acts on the crowd, each in a thread of their own, until there is no more."""

    def __init__(self, engine: Engine, start: Callable[[], SqlUnitOfWork]) -> None:
        self.engine = engine
        self.start = start
        self.dates = PlanDates(start, holiday_finder)
        self.guards = PlanGuards(start)
        self.all_is_said = threading.Event()
        self.all_is_done = threading.Event()
        self.outcomes: Counter[str] = Counter()
        self.lost: set[str] = set()

    def cut(self) -> None:
        sweep = CutoffSweep(self.start, recheck=timedelta(seconds=1), holidays=holiday_finder)
        while not self.all_is_done.is_set():
            sweep.sweep()

    def tell(self) -> None:
        """Whose date has moved is told, or they would be held for ever."""
        post = NoticeDelivery(self.start, FakeRenderer(), FakeMailer(), timedelta(0), ENVELOPES)
        while not self.all_is_done.is_set():
            post.sweep()
            post.confirm()

    def extend(self) -> None:
        for account in self.due_now():
            later = timedelta(milliseconds=random.randint(1, 2_000))
            self.attempt(account, "extend", later)

    def hold(self) -> None:
        for account in self.due_now():
            if self.attempt(account, "hold") and random.random() < 0.5:
                self.guards.release(account, reason="closed", operator="hank")

    def pause(self) -> None:
        while not self.all_is_said.wait(0.02):
            cohort = f"c{random.randrange(COHORTS)}"
            self.guards.pause("api-keys", cohort, reason="incident", operator="pia")
            self.all_is_said.wait(random.uniform(0, 0.2))
            self.guards.resume("api-keys", cohort, reason="over", operator="pia")
            self.outcomes["pause"] += 1

    def due_now(self) -> Iterator[str]:
        while not self.all_is_said.is_set():
            for (account,) in rows(self.engine, DUE_NOW):
                yield account

    def attempt(self, account: str, what: str, later: timedelta = timedelta(0)) -> bool:
        try:
            if what == "extend":
                self.dates.extend(account, to=later, reason="please", operator="eva")
            else:
                self.guards.hold(account, reason="ticket", operator="hank", ends_at=None)
        except Conflict:
            self.outcomes[f"{what} too late"] += 1
            self.lost.add(account)
            return False
        except Refused:
            self.outcomes[f"{what} twice"] += 1
            return False
        self.outcomes[f"{what} in time"] += 1
        return True

    def release_everybody(self) -> None:
        for (account,) in rows(
            self.engine,
            "SELECT account_id FROM holds JOIN enrollments USING (enrollment_id)"
            " WHERE code = 'operator' AND closed_at IS NULL",
        ):
            self.guards.release(account, reason="closed", operator="hank")

    def nobody_left(self) -> bool:
        return not rows(self.engine, "SELECT 1 FROM enrollments WHERE state = 'scheduled' LIMIT 1")


def test_whoever_extends_holds_or_pauses_in_the_last_moment_wins_or_is_told_that_he_lost(
    engine: Engine, start: Callable[[], SqlUnitOfWork]
) -> None:
    gather(engine, ACCOUNTS, first=timedelta(seconds=1), spread=SPREAD, plan=QUIET_PLAN)
    contest = Contest(engine, start)
    workers = (contest.cut, contest.cut, contest.tell)
    people = (contest.extend, contest.hold, contest.pause)
    with ThreadPoolExecutor(len(workers + people)) as threads:
        working = [threads.submit(act) for act in workers]
        arguing = [threads.submit(act) for act in people]
        try:
            wait_until(lambda: rows(engine, ALL_FIRST_DATES_HAVE_COME))
            contest.all_is_said.set()
            for act in arguing:
                act.result()
            contest.release_everybody()
            wait_until(contest.nobody_left)
        finally:
            contest.all_is_said.set()
            contest.all_is_done.set()
        for act in working:
            act.result()

    assert_sound(engine)
    for what in ("extend in time", "extend too late", "hold in time", "hold too late"):
        assert contest.outcomes[what] >= 10, contest.outcomes
    assert contest.outcomes["pause"] >= 5
    assert rows(engine, CUT_AFTER_A_PAUSE)[0][0] >= 100
    cut = rows(engine, "SELECT account_id FROM cutoffs JOIN enrollments USING (enrollment_id)")
    assert contest.lost <= {account for (account,) in cut}
