"""Whom else to tell, where a message cannot be delivered, or nobody says that it was read."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.notices import NOBODY_LEFT
from rollout.domain.notices.delivery import unreachable
from rollout.services.ports import UnitOfWork
from rollout.services.ports.notice_ledger import Leased
from rollout.services.ports.notices import NewNotice
from rollout.services.ports.reports import ReportedNotice

UNACKNOWLEDGED = "nobody of the account has acknowledged a message about this date"
WHY = "nobody for whom it was meant can be told"


def escalate(uow: UnitOfWork, undelivered: Leased | ReportedNotice) -> None:
    """Write to the others of the account, unless somebody was told the same, or has yet to be.

    Where nobody is left, the people inside the company are told.
    """
    others = uow.notices.escalate(undelivered.notice_id)
    if others:
        data = {"notice_id": undelivered.notice_id, "step": undelivered.step, "to": list(others)}
        subject = f"account:{undelivered.account_id}"
        uow.audit.append([Fact(ROLLOUT, "notice.escalated", subject, WHY, data)])
    else:
        tell_insiders(uow, [undelivered.enrollment_id])


def tell_insiders(uow: UnitOfWork, enrollment_ids: Collection[int]) -> None:
    """Say inside the company where nobody of an account can be told its date; once for each date.

    Looks at the accounts that have somebody inside, and at no others.
    """
    reaches = uow.notices.reaches(enrollment_ids)
    lost = {id_: why for id_, reach in reaches.items() if (why := unreachable(reach))}
    if not lost:
        return
    told = uow.notices.tell_insiders(list(lost))
    facts = [
        Fact(
            ROLLOUT,
            "notice.escalated",
            f"account:{account_id}",
            f"nobody can be told: {lost[enrollment_id]}",
            {"step": NOBODY_LEFT, "to": list(addresses)},
        )
        for enrollment_id, account_id, addresses in told
    ]
    if facts:
        uow.audit.append(facts)


def escalate_unacknowledged(uow: UnitOfWork, notices: Sequence[NewNotice]) -> list[NewNotice]:
    """Send to everybody the steps that ask for it, of accounts where nobody reacts."""
    asking = [n for n in notices if n.step.escalate and n.skipped is None]
    if not asking:
        return list(notices)
    silent = uow.notices.unacknowledged([n.enrollment_id for n in asking])
    wider = {
        n: replace(n, step=replace(n.step, to=())) for n in asking if n.enrollment_id in silent
    }
    if wider:
        uow.audit.append([_for_everybody(n, silent[n.enrollment_id]) for n in wider])
    return [wider.get(notice, notice) for notice in notices]


def _for_everybody(notice: NewNotice, account_id: str) -> Fact:
    data = {"step": notice.step.name, "beyond": list(notice.step.to)}
    return Fact(ROLLOUT, "notice.escalated", f"account:{account_id}", UNACKNOWLEDGED, data)
