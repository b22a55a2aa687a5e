"""What people say about cutting: hold, release, exempt; approve, pause and resume cohorts."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from rollout.domain.audit import Fact
from rollout.domain.errors import Refused
from rollout.services.plan.dates import locked, scheduled
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.guards import CohortState


class PlanGuards:
    """Each call is one transaction; a row that a cutoff has locked makes it wait, never lose."""

    def __init__(self, start: StartUnitOfWork) -> None:
        self._start = start

    def hold(
        self, account_id: str, *, reason: str, operator: str, ends_at: datetime | None
    ) -> list[str]:
        """Hold an account; return the deprecations in which it is held now.

        Raises ``Conflict`` where its keys are off already, ``Refused`` where it is held or exempt,
        or where ``ends_at`` is not in the future.
        """
        with self._start() as uow:
            if ends_at is not None and ends_at <= uow.now():
                raise Refused(f"{ends_at.isoformat()} is not in the future: nothing would be held")
            held = [
                each.deprecation
                for each in scheduled(uow, account_id, None)
                if uow.guards.hold(
                    each.enrollment_id, reason=reason, owner=operator, ends_at=ends_at
                )
            ]
            if not held:
                raise Refused(
                    f"account {account_id} is held already",
                    fix="`rollout account release` it first",
                )
            until = ends_at.isoformat() if ends_at else None
            data = {"deprecations": held, "until": until}
            uow.audit.append([Fact(operator, "account.held", _account(account_id), reason, data)])
            uow.commit()
            return held

    def release(self, account_id: str, *, reason: str, operator: str) -> list[str]:
        """Take holds of an account back; return the deprecations in which it was held."""
        with self._start() as uow:
            released = []
            for enrollment in locked(uow, account_id, None):
                if uow.guards.release(enrollment.enrollment_id):
                    uow.plan.look_again(enrollment)
                    released.append(enrollment.deprecation)
            if not released:
                raise Refused(f"account {account_id} is not held by anybody")
            data = {"deprecations": released}
            uow.audit.append(
                [Fact(operator, "account.released", _account(account_id), reason, data)]
            )
            uow.commit()
            return released

    def exempt(
        self, account_id: str, *, reason: str, operator: str, deprecation: str | None = None
    ) -> list[str]:
        """Take an account out for good; return the deprecations that it is exempt from now."""
        with self._start() as uow:
            exempted = []
            for enrollment in scheduled(uow, account_id, deprecation):
                uow.notices.supersede([enrollment.enrollment_id], "the account is exempt")
                uow.plan.exempt(enrollment)
                exempted.append(enrollment.deprecation)
            data = {"deprecations": exempted}
            uow.audit.append(
                [Fact(operator, "account.exempted", _account(account_id), reason, data)]
            )
            uow.commit()
            return exempted

    def cohorts(self, deprecation: str | None) -> Sequence[CohortState]:
        """Return the cohorts of one deprecation, or of all, in their order."""
        with self._start() as uow:
            if deprecation is not None:
                uow.plan.deprecation(deprecation)
            return uow.guards.cohorts(deprecation)

    def approve(
        self, deprecation: str, *cohorts: str, operator: str
    ) -> Sequence[tuple[str, int, int]]:
        """Approve cohorts as they are now; return of each how many approvals it has and needs."""
        with self._start() as uow:
            needed = uow.plan.deprecation(deprecation).guards.approvals
            for cohort in cohorts:
                digest = _lock(uow, deprecation, cohort)
                if not uow.guards.approve(deprecation, cohort, digest, operator):
                    raise Refused(
                        f"{operator} has approved {deprecation}/{cohort} as it is now",
                        fix="an approval by somebody else counts (`--as NAME`)",
                    )
                data = {"digest": digest.hex()}
                fact = _about(operator, "cohort.approved", deprecation, cohort, None, data)
                uow.audit.append([fact])
            given = {s.cohort: len(s.approvals) for s in uow.guards.cohorts(deprecation)}
            uow.commit()
            return [(cohort, given[cohort], needed) for cohort in cohorts]

    def pause(self, deprecation: str, *cohorts: str, reason: str, operator: str) -> None:
        """Stop cutting in cohorts. When this returns, nothing of them is cut any more."""
        with self._start() as uow:
            for cohort in cohorts:
                _lock(uow, deprecation, cohort)
                if not uow.guards.pause(deprecation, cohort, reason=reason, owner=operator):
                    raise Refused(f"{deprecation}/{cohort} is paused already")
                fact = _about(operator, "cohort.paused", deprecation, cohort, reason, {})
                uow.audit.append([fact])
            uow.commit()

    def resume(self, deprecation: str, *cohorts: str, reason: str, operator: str) -> None:
        """Go on with cohorts; what has become due meanwhile is judged at once."""
        with self._start() as uow:
            for cohort in cohorts:
                _lock(uow, deprecation, cohort)
                if not uow.guards.resume(deprecation, cohort):
                    raise Refused(f"{deprecation}/{cohort} is not paused")
                fact = _about(operator, "cohort.resumed", deprecation, cohort, reason, {})
                uow.audit.append([fact])
            uow.commit()


def _lock(uow: UnitOfWork, deprecation: str, cohort: str) -> bytes:
    """Lock a cohort; whatever does not exist is named, with what does."""
    uow.plan.deprecation(deprecation)
    return uow.guards.lock_cohort(deprecation, cohort)


def _account(account_id: str) -> str:
    return f"account:{account_id}"


def _about(
    operator: str,
    action: str,
    deprecation: str,
    cohort: str,
    reason: str | None,
    data: dict[str, Any],
) -> Fact:
    return Fact(operator, action, f"cohort:{deprecation}/{cohort}", reason, data)
