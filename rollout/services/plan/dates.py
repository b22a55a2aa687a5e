"""Give one account another date. Whoever was told the old one is told the new one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.calendar import Deadline, deadline_after, deadline_for
from rollout.domain.errors import Conflict, NotFound, Refused
from rollout.domain.notices.timetable import told_by_news, warnings
from rollout.domain.plan import Deprecation
from rollout.services.notices.reading_hours import when_open
from rollout.services.plan.holidays import HolidayFinder
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.plan import Enrollment, Reschedule

TOLD_LATE = "The last warning of it reached you late."


class PlanDates:
    """Extends deadlines."""

    def __init__(self, start: StartUnitOfWork, holidays: HolidayFinder) -> None:
        self._start = start
        self._holidays = holidays

    def extend(
        self,
        account_id: str,
        *,
        to: date | datetime | timedelta,
        reason: str,
        operator: str,
        deprecation: str | None = None,
    ) -> list[tuple[Enrollment, Deadline]]:
        """Give an account more time: to a day, to an instant, or by a length of time.

        Returns each enrollment as it was, and its new deadline. Raises ``Conflict`` where a key
        is off already (that is a restore) and ``Refused`` where the new date is not later.
        """
        with self._start() as uow:
            extended = []
            for enrollment in scheduled(uow, account_id, deprecation):
                document = uow.plan.deprecation(enrollment.deprecation)
                deadline = self._deadline(document, enrollment, to)
                _require_later(enrollment, deadline)
                change = Change(enrollment, deadline, enrollment.cohort, "extend", reason, operator)
                change_date(uow, document, change)
                extended.append((enrollment, deadline))
            uow.commit()
            return extended

    def _deadline(
        self, document: Deprecation, enrollment: Enrollment, to: date | datetime | timedelta
    ) -> Deadline:
        wanted = enrollment.deadline + to if isinstance(to, timedelta) else to
        holiday = self._holidays(document.calendar.holidays)
        return deadline_for(document.calendar, wanted, enrollment.zone, holiday)


def locked(uow: UnitOfWork, account_id: str, deprecation: str | None) -> list[Enrollment]:
    """Lock and return the enrollments that a command about an account means."""
    if deprecation is not None:
        uow.plan.deprecation(deprecation)  # an unknown one is named, with those that are known
    enrollments = uow.plan.lock_enrollments(account_id, deprecation)
    if not enrollments:
        where = f"the deprecation {deprecation}" if deprecation else "any deprecation"
        raise NotFound(
            f"account {account_id!r} is not enrolled in {where}",
            fix="`rollout account show` lists what is known of it",
        )
    return enrollments


def scheduled(uow: UnitOfWork, account_id: str, deprecation: str | None) -> list[Enrollment]:
    """Lock and return those of them whose keys are still to be cut; there is one at least."""
    enrollments = locked(uow, account_id, deprecation)
    waiting = [each for each in enrollments if each.state == "scheduled"]
    if waiting:
        return waiting
    if any(each.state == "cut" for each in enrollments):
        raise Conflict(
            f"account {account_id}: its keys are off already",
            fix="`rollout account restore` switches them on",
        )
    raise Refused(f"account {account_id} is exempt: nothing of it will be cut")


def _require_later(enrollment: Enrollment, deadline: Deadline) -> None:
    name = f"account {enrollment.account_id} in {enrollment.deprecation}"
    if deadline.instant <= enrollment.deadline:
        raise Refused(
            f"{name}: {deadline.instant:%Y-%m-%d %H:%M:%S} UTC is not later than its deadline,"
            f" {enrollment.deadline:%Y-%m-%d %H:%M:%S} UTC",
            fix="a promised date only ever moves back; give a later one",
        )


@dataclass(frozen=True, slots=True)
class Change:
    """A new date for one enrollment: who wants it, why, and which message tells it."""

    enrollment: Enrollment
    deadline: Deadline
    cohort: str
    cause: str  # plan, extend, restore, or late: the last warning was
    reason: str
    operator: str
    template: str = "extended"


def change_date(uow: UnitOfWork, document: Deprecation, change: Change) -> None:
    """Write a new schedule version; supersede what is pending; re-tell those who were told.

    If anybody was told, the steps whose time has passed, or comes soon, count as told by that
    message.
    """
    enrollment, deadline = change.enrollment, change.deadline
    waiting = uow.notices.supersede(
        [enrollment.enrollment_id], f"the date has moved ({change.cause})"
    )
    told = uow.notices.anybody_told(enrollment.enrollment_id)
    told_until = (
        told_by_news(document, deadline.instant, deadline.zone, uow.now()) if told else None
    )
    version = uow.plan.reschedule(
        Reschedule(
            enrollment,
            change.cohort,
            deadline,
            change.cause,
            change.reason,
            warnings(document, deadline.instant, deadline.zone).next(after=told_until),
            told_until,
        )
    )
    if told:
        uow.notices.retell(
            enrollment.enrollment_id,
            template=change.template,
            version=version,
            deadline=deadline.instant,
            also=waiting,
            opening=when_open(uow, document, [enrollment.enrollment_id]),
        )
    uow.webhook_outbox.retell(enrollment.enrollment_id, change.template)
    uow.audit.append([_fact(change, version, told=told)])


def postpone(
    uow: UnitOfWork,
    document: Deprecation,
    enrollment: Enrollment,
    until: datetime,
    holidays: HolidayFinder,
) -> None:
    """Move a deadline to the first that the calendar allows from ``until`` on.

    That is what happens where a last warning would leave too little time, or has.
    """
    calendar = document.calendar
    deadline = deadline_after(calendar, until, enrollment.zone, holidays(calendar.holidays))
    late = Change(enrollment, deadline, enrollment.cohort, "late", TOLD_LATE, ROLLOUT)
    change_date(uow, document, late)


_PAST = {"plan": "moved", "extend": "extended", "restore": "restored", "late": "postponed"}


def _fact(change: Change, version: int, *, told: bool) -> Fact:
    return Fact(
        change.operator,
        f"account.{_PAST[change.cause]}",
        f"account:{change.enrollment.account_id}",
        change.reason,
        {
            "deprecation": change.enrollment.deprecation,
            "from": change.enrollment.deadline.isoformat(),
            "to": change.deadline.instant.isoformat(),
            "zone": change.deadline.zone,
            "moves": list(change.deadline.moves),
            "schedule_version": version,
            "retold": told,
        },
    )
