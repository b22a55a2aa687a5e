"""Switch an account's keys on again until a date, at which they are cut again by themselves."""

from __future__ import annotations

from datetime import datetime

from rollout.domain.calendar import deadline_for
from rollout.domain.errors import Conflict, Refused
from rollout.services.plan.dates import Change, change_date, locked
from rollout.services.plan.holidays import HolidayFinder
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.cutoff import Restorable


class CutoffRestore:
    """Restores with the same secrets: customers change nothing."""

    def __init__(self, start: StartUnitOfWork, holidays: HolidayFinder) -> None:
        self._start = start
        self._holidays = holidays

    def restore(
        self,
        account_id: str,
        *,
        until: datetime,
        reason: str,
        operator: str,
        deprecation: str | None = None,
    ) -> list[Restorable]:
        """Switch on what a cutoff switched off, until an instant; return the keys.

        Raises ``Conflict`` where nothing is cut, ``Refused`` where ``until`` is not in the future.
        """
        with self._start() as uow:
            enrollments = [e for e in locked(uow, account_id, deprecation) if e.state == "cut"]
            if not enrollments:
                raise Conflict(f"account {account_id}: no key of it has been cut")
            if until <= uow.now():
                raise Refused(
                    f"{until.isoformat()} is not in the future: the keys would be cut again at once"
                )
            restored: list[Restorable] = []
            for enrollment in enrollments:
                document = uow.plan.deprecation(enrollment.deprecation)
                holiday = self._holidays(document.calendar.holidays)
                restored += uow.cutoff.restore_keys(enrollment.enrollment_id)
                deadline = deadline_for(document.calendar, until, enrollment.zone, holiday)
                change = Change(
                    enrollment,
                    deadline,
                    enrollment.cohort,
                    "restore",
                    reason,
                    operator,
                    template="restored",
                )
                change_date(uow, document, change)
            uow.commit()
            return restored
