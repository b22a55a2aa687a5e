"""The cutoff itself: claim, judge, write, and append the facts, in one transaction per batch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from itertools import accumulate
from typing import Any

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.calendar import frozen
from rollout.domain.cutoff import (
    Case,
    Cut,
    Hold,
    Postpone,
    Verdict,
    Wait,
    earliest_warning,
    judge,
    over_cap,
)
from rollout.domain.errors import RolloutError
from rollout.domain.plan import Deprecation, Freeze
from rollout.domain.usage import Usage
from rollout.services.plan.dates import postpone
from rollout.services.plan.holidays import HolidayFinder
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.cutoff import DueCount
from rollout.services.ports.notices import NewNotice

BATCH = 500  # a pause or an extension waits for one batch at most


@dataclass(slots=True)
class Sweep:
    """What one sweep did."""

    cut: int = 0  # keys
    closed: int = 0  # enrollments
    held: int = 0
    waiting: int = 0
    postponed: int = 0
    refused: dict[str, str] = field(default_factory=dict)  # deprecation → why its run was refused


class CutoffSweep:
    """Runs over everything that is due; any number of workers may do so at once."""

    def __init__(self, start: StartUnitOfWork, recheck: timedelta, holidays: HolidayFinder) -> None:
        self._start = start
        self._recheck = recheck
        self._holidays = holidays

    def sweep(self, by: datetime | None = None) -> Sweep:
        """Cut or hold everything that is due now, deprecation by deprecation.

        ``by`` is an instant that has certainly come: what is due later is left alone, whatever the
        database's clock says meanwhile.
        """
        done = Sweep()
        with self._start() as uow:
            if uow.cutoff.stopped():
                return done
            due = uow.cutoff.due()
        failed: RolloutError | None = None
        for deprecation, cohorts in due.items():
            try:
                self._run(deprecation, cohorts, done, by)
            except RolloutError as error:  # it must not keep the others waiting
                failed = error
        if failed is not None:
            raise failed
        return done

    def _run(self, name: str, cohorts: Sequence[str], done: Sweep, by: datetime | None) -> None:
        """One run: refused as a whole if it is over its caps (C0), else batch after batch."""
        with self._start() as uow:
            document = uow.plan.deprecation(name)
            guards = document.guards
            count = uow.cutoff.count(
                document,
                cohorts,
                max_keys=guards.max_keys_per_run,
                max_accounts=guards.max_accounts_per_hour,
            )
            refused = over_cap(
                guards,
                keys_due=count.keys,
                accounts_due=count.accounts,
                cut_last_hour=count.cut_last_hour,
            )
            if refused is not None:
                _refuse(uow, document, cohorts, count, refused)
                uow.commit()
                done.refused[name] = refused
                return
        due_by = min(by, count.at) if by else count.at
        run = _Run(document, cohorts, count, due_by, budget=guards.max_keys_per_run)
        while run.budget > 0 and self._batch(run, done):
            pass

    def _batch(self, run: _Run, done: Sweep) -> bool:
        """Judge one batch of due enrollments and act on it; say whether there was any."""
        with self._start() as uow:
            running = uow.cutoff.lock_running(run.document.name, run.cohorts)
            if uow.cutoff.stopped():
                return False
            document = uow.plan.deprecation(run.document.name)  # it may have been edited since
            cases = _within(run.budget, uow.cutoff.claim(document, running, run.due_by, BATCH))
            if not cases:
                return False
            now = uow.now()
            verdicts = _judge(cases, document, now)
            cut = [case for case in cases if isinstance(verdicts[case.enrollment_id], Cut)]
            keys = _cut(uow, run, document, cut)
            holds = {i: v for i, v in verdicts.items() if isinstance(v, Hold)}
            self._hold(uow, cases, holds)
            waits = {i: v.until for i, v in verdicts.items() if isinstance(v, Wait)}
            if waits:
                uow.cutoff.wait(waits)
            postponed = {i: v for i, v in verdicts.items() if isinstance(v, Postpone)}
            self._postpone(uow, document, postponed)
            uow.commit()
        run.budget -= keys
        done.cut += keys
        done.closed += len(cut)
        done.held += len(holds)
        done.waiting += len(waits)
        done.postponed += len(postponed)
        return True

    def _postpone(
        self, uow: UnitOfWork, document: Deprecation, postponed: Mapping[int, Postpone]
    ) -> None:
        """Move the deadline of whom the last warning left too little time, and tell them."""
        for enrollment_id, verdict in postponed.items():
            planned = uow.plan.lock_enrollment(enrollment_id)
            until = max(verdict.until, uow.now())
            postpone(uow, document, planned, until, self._holidays)
            uow.cutoff.clear_holds([enrollment_id])

    def _hold(self, uow: UnitOfWork, cases: Sequence[Case], holds: Mapping[int, Hold]) -> None:
        if not holds:
            return
        changed = uow.cutoff.record_holds(holds, self._recheck)
        uow.audit.append(
            [
                Fact(
                    ROLLOUT,
                    "account.held",
                    f"account:{case.account_id}",
                    changed[case.enrollment_id].reason,
                    {
                        "deprecation": case.deprecation,
                        "code": changed[case.enrollment_id].code.value,
                        "deadline": case.deadline.isoformat(),
                    },
                )
                for case in cases
                if case.enrollment_id in changed
            ]
        )


@dataclass(slots=True)
class _Run:
    document: Deprecation  # as it was when the run was counted
    cohorts: Sequence[str]
    count: DueCount
    due_by: datetime
    budget: int  # keys that this run may still cut
    run_id: int | None = None  # a run that only holds is not recorded

    def opened(self, uow: UnitOfWork) -> int:
        if self.run_id is None:
            self.run_id = uow.cutoff.open_run(self.document, self.count)
        return self.run_id


def freeze_finder(document: Deprecation) -> Callable[[datetime, str], Freeze | None]:
    """Return what tells whether an instant lies in a freeze; a batch asks about the same few."""
    known: dict[tuple[date, str], Freeze | None] = {}

    def find(instant: datetime, zone: str) -> Freeze | None:
        moment = (instant, zone)
        if moment not in known:
            known[moment] = frozen(document.calendar, instant, zone)
        return known[moment]

    return find


def _within(budget: int, cases: Sequence[Case]) -> Sequence[Case]:
    """Leave for the next run what became due after this one was counted, and is too much (C0)."""
    totals = accumulate(len(case.keys) for case in cases)
    return [case for case, total in zip(cases, totals, strict=True) if total <= budget]


def _judge(cases: Sequence[Case], document: Deprecation, now: datetime) -> Mapping[int, Verdict]:
    find = freeze_finder(document)
    return {case.enrollment_id: judge(case, document.guards, find, now) for case in cases}


def _refuse(
    uow: UnitOfWork, document: Deprecation, cohorts: Sequence[str], count: DueCount, why: str
) -> None:
    """Stop the cohorts until a person has looked: part of a run would be a lie (C0)."""
    reason = f"run refused: {why}; raise the cap or split the cohort, then resume it"
    paused = []
    for cohort in cohorts:
        uow.guards.lock_cohort(document.name, cohort)
        if uow.guards.pause(document.name, cohort, reason=reason, owner=ROLLOUT):
            paused.append(cohort)
    if not paused:
        return  # another worker has refused the same run
    uow.cutoff.open_run(document, count, why)
    uow.audit.append(
        [
            Fact(
                ROLLOUT,
                "run.refused",
                f"deprecation:{document.name}",
                reason,
                {"cohorts": paused, "keys_due": count.keys, "accounts_due": count.accounts},
            )
        ]
    )


def _cut(uow: UnitOfWork, run: _Run, document: Deprecation, cases: Sequence[Case]) -> int:
    """Switch off, close, tell: the effect, its ledger, its notices and its facts together."""
    if not cases:
        return 0
    run_id = run.opened(uow)
    evidence = {case.enrollment_id: _evidence(case, document) for case in cases}
    keys = uow.cutoff.record_cuts(run_id, evidence, cases)
    later = [step.offset for step in document.aftermath if step.offset > timedelta(0)]
    uow.cutoff.close([case.enrollment_id for case in cases], min(later, default=None))
    uow.cutoff.clear_holds([case.enrollment_id for case in cases])
    uow.notices.supersede([case.enrollment_id for case in cases], "the keys are off")
    news = [
        NewNotice(case.enrollment_id, step)
        for step in document.aftermath
        if step.offset == timedelta(0)
        for case in cases
        if keys.get(case.enrollment_id)
    ]
    uow.notices.add(news)
    uow.webhook_outbox.tell(news)
    uow.audit.append(
        [
            _cut_fact(case, key_id, run_id, evidence[case.enrollment_id])
            for case in cases
            for key_id in keys.get(case.enrollment_id, ())
        ]
    )
    return sum(len(cut) for cut in keys.values())


def _cut_fact(case: Case, key_id: str, run_id: int, evidence: Mapping[str, Any]) -> Fact:
    return Fact(
        ROLLOUT,
        "key.cut",
        f"key:{key_id}",
        f"the deadline {case.deadline.isoformat()} has come",
        {
            "account": case.account_id,
            "deprecation": case.deprecation,
            "cohort": case.cohort,
            "schedule_version": case.schedule_version,
            "run": run_id,
            **evidence,
        },
    )


def _evidence(case: Case, document: Deprecation) -> dict[str, Any]:
    """Return what the verdict rested on; it is kept for ever."""
    if not case.keys:
        return {}
    told = [p for p in case.promises if p.deadline == case.deadline]
    return {
        "deadline": case.deadline.isoformat(),
        "usage": case.usage.value,
        "unknown_keys": sum(key.usage is Usage.UNKNOWN for key in case.keys),
        "unknown_usage": document.guards.unknown_usage.value,
        "approvals": case.approvals,
        "approvals_needed": document.guards.approvals,
        "told": sum(p.contacts for p in told),
        "first_warning": earliest_warning(case.promises, case.deadline).isoformat(),
        "min_notice": document.guards.min_notice.total_seconds(),
    }
