"""Whom to tell instead, where a message cannot be delivered."""

from __future__ import annotations

from collections.abc import Collection

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.notices import NOBODY_LEFT
from rollout.domain.notices.delivery import unreachable
from rollout.services.ports import UnitOfWork
from rollout.services.ports.notice_ledger import Leased
from rollout.services.ports.reports import ReportedNotice

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
