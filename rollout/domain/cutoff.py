"""May this account's keys be switched off now? A verdict, never a bare boolean."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rollout.domain.plan import Freeze, Guards, UnknownUsage
from rollout.domain.usage import Usage, most_used


class HoldCode(StrEnum):
    """Which rule holds. ``operator`` is a person's hold; the others open and close by rule."""

    OPERATOR = "operator"
    FROZEN = "frozen"
    UNAPPROVED = "unapproved"
    NOT_TOLD = "not-told"
    TOLD_TOO_LATE = "told-too-late"
    WARNING_DUE = "warning-due"
    UNKNOWN_USAGE = "unknown-usage"


@dataclass(frozen=True, slots=True)
class Cut:
    """Switch the keys off now."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Not yet: look again at ``until``."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Hold:
    """Do not cut, for a reason that a person can read."""

    code: HoldCode
    reason: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """People have less time than the last warning must leave: cut at ``until`` or later."""

    until: datetime
    reason: str


Verdict = Cut | Wait | Hold | Postpone


@dataclass(frozen=True, slots=True)
class Promise:
    """A date that people were told, and when the first of them had it.

    ``contacts`` counts those who were told it of the present schedule: a date that was moved away
    and back again has to be told again.
    """

    deadline: datetime
    first_delivered_at: datetime
    contacts: int


@dataclass(frozen=True, slots=True)
class LastWarning:
    """What became of the last warning of the present schedule."""

    waiting: int  # to so many people it is still to be sent, or its grace time is not over
    first_delivered_at: datetime | None
    spacing: timedelta  # that it must leave before the cutoff


@dataclass(frozen=True, slots=True)
class DueKey:
    """An active key within the deprecation's scope."""

    key_id: str
    last_seen: datetime | None
    usage: Usage
    why: str = ""  # it is judged so


@dataclass(frozen=True, slots=True)
class Case:
    """Everything a verdict about one enrollment rests on, read under its row lock."""

    enrollment_id: int
    deprecation: str
    account_id: str
    cohort: str
    deadline: datetime
    zone: str
    schedule_version: int
    keys: tuple[DueKey, ...]
    operator_hold: str | None
    approvals: int  # of this cohort, as it is now, by different people
    promises: tuple[Promise, ...]
    warning_due_at: datetime | None = None  # of a warning that is due and not written yet
    last_warning: LastWarning | None = None

    @property
    def usage(self) -> Usage:
        """The usage of the keys as a whole: in use before unknown before unused."""
        return most_used(key.usage for key in self.keys)


FreezeFinder = Callable[[datetime, str], Freeze | None]


def judge(case: Case, guards: Guards, frozen: FreezeFinder, now: datetime) -> Verdict:
    """Decide about one enrollment. Protective rules first; where evidence is missing, hold.

    Whether the key is within scope was decided by what was loaded; pauses and caps are about
    whole cohorts and runs, and were decided before.
    """
    if case.deadline > now:
        return Wait(case.deadline)
    if not case.keys:  # nothing is left to switch off, but what a person holds stays open
        return _held(case, guards) or Cut()
    for rule in (_held, _unapproved, _promised, _warned, _usage_known):
        verdict = rule(case, guards)
        if isinstance(verdict, Postpone) and verdict.until <= now:
            continue  # the cutoff itself is so late that people have had their time
        if verdict is not None:
            return verdict
    freeze = frozen(now, case.zone)
    if freeze is not None:
        return Hold(
            HoldCode.FROZEN, f"nothing is cut from {freeze.start} to {freeze.end}: {freeze.reason}"
        )
    return Cut()


def _held(case: Case, _guards: Guards) -> Hold | None:
    if case.operator_hold is None:
        return None
    return Hold(HoldCode.OPERATOR, case.operator_hold)


def _unapproved(case: Case, guards: Guards) -> Hold | None:
    missing = guards.approvals - case.approvals
    if missing <= 0:
        return None
    return Hold(
        HoldCode.UNAPPROVED,
        f"cohort {case.cohort} has {case.approvals} of {guards.approvals} approvals;"
        f" `rollout cohort approve {case.deprecation} {case.cohort}` gives one",
    )


def _promised(case: Case, guards: Guards) -> Hold | None:
    return unpromised(case.promises, case.deadline, guards)


def unpromised(promises: Sequence[Promise], deadline: datetime, guards: Guards) -> Hold | None:
    """No delivered promise, no cutoff (T0; docs/decisions/0005 says what counts as one)."""
    people = sum(p.contacts for p in promises if p.deadline == deadline)
    if people < guards.min_delivered:
        return Hold(
            HoldCode.NOT_TOLD,
            f"{people} of {guards.min_delivered} people have a delivered message that names"
            f" {deadline:%Y-%m-%d %H:%M:%S} UTC",
        )
    first = earliest_warning(promises, deadline)
    lead = deadline - first
    if lead < guards.min_notice:
        return Hold(
            HoldCode.TOLD_TOO_LATE,
            f"the first warning arrived {spoken(lead)} before the deadline, the minimum is"
            f" {spoken(guards.min_notice)}; extend to"
            f" {first + guards.min_notice:%Y-%m-%d %H:%M:%S} UTC or later",
        )
    return None


def _warned(case: Case, _guards: Guards) -> Hold | Postpone | None:
    """Ask that the last warning has gone out, and leaves people its time."""
    if case.warning_due_at is not None:
        return Hold(
            HoldCode.WARNING_DUE,
            f"a warning is due since {case.warning_due_at:%Y-%m-%d %H:%M:%S} UTC and not written"
            " yet; is a worker running that serves the queue `notices`?",
        )
    last = case.last_warning
    if last is None:
        return None
    if last.first_delivered_at is None:
        waits = Hold(HoldCode.WARNING_DUE, "the last warning is still on its way to everybody")
        return waits if last.waiting else None
    left = case.deadline - last.first_delivered_at
    if left >= last.spacing:
        return None
    return Postpone(
        last.first_delivered_at + last.spacing,
        f"the last warning arrived {spoken(left)} before the deadline, it must leave"
        f" {spoken(last.spacing)}",
    )


def earliest_warning(promises: Sequence[Promise], deadline: datetime) -> datetime:
    """Return when people first had a message naming this deadline or an earlier one."""
    return min(p.first_delivered_at for p in promises if p.deadline <= deadline)


def _usage_known(case: Case, guards: Guards) -> Hold | None:
    if guards.unknown_usage is not UnknownUsage.HOLD:
        return None
    unknown = [key for key in case.keys if key.usage is Usage.UNKNOWN]
    if not unknown:
        return None
    return Hold(
        HoldCode.UNKNOWN_USAGE,
        f"nobody can say whether {len(unknown)} of {len(case.keys)} keys are still used:"
        f" {unknown[0].why}; import such logs, or set guards.unknown_usage: as_in_use",
    )


def over_cap(guards: Guards, *, keys_due: int, accounts_due: int, cut_last_hour: int) -> str | None:
    """Say why a run must be refused as a whole, or None where it fits its caps (C0).

    ``cut_last_hour`` counts the accounts of this deprecation cut in the last hour.
    """
    if keys_due > guards.max_keys_per_run:
        return (
            f"{_count(keys_due, guards.max_keys_per_run)} keys are due at once,"
            f" guards.max_keys_per_run is {guards.max_keys_per_run:,}"
        )
    if accounts_due + cut_last_hour > guards.max_accounts_per_hour:
        return (
            f"{_count(accounts_due, guards.max_accounts_per_hour)} accounts are due and"
            f" {cut_last_hour:,} were cut in the last hour,"
            f" guards.max_accounts_per_hour is {guards.max_accounts_per_hour:,}"
        )
    return None


def _count(value: int, cap: int) -> str:
    return f"more than {cap:,}" if value == cap + 1 else f"{value:,}"


def spoken(length: timedelta) -> str:
    """Write a length of time as people say it: ``3 d 4 h``, ``20 min``, ``45 s``."""
    seconds = int(length.total_seconds())
    parts = []
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1)):
        if seconds >= size:
            parts.append(f"{seconds // size} {unit}")
            seconds %= size
    return " ".join(parts[:2]) or "0 s"
