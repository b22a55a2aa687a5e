"""Whom to tell instead, where a message cannot be delivered."""

from __future__ import annotations

from rollout.domain.audit import ROLLOUT, Fact
from rollout.services.ports import UnitOfWork
from rollout.services.ports.notice_ledger import Leased
from rollout.services.ports.reports import ReportedNotice

WHY = "nobody for whom it was meant can be told"


def escalate(uow: UnitOfWork, undelivered: Leased | ReportedNotice) -> None:
    """Write to the others of the account, unless somebody was told the same, or has yet to be."""
    others = uow.notices.escalate(undelivered.notice_id)
    if others:
        data = {"notice_id": undelivered.notice_id, "step": undelivered.step, "to": list(others)}
        subject = f"account:{undelivered.account_id}"
        uow.audit.append([Fact(ROLLOUT, "notice.escalated", subject, WHY, data)])
