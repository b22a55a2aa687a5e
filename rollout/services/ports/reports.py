"""What comes back by mail: what its reader gives, and what is asked of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from rollout.domain.notices import NoticeState
from rollout.domain.notices.delivery import ReturnedMail


@dataclass(frozen=True, slots=True)
class ReportedNotice:
    """A notice that a mail is about, its row and its enrollment's locked."""

    notice_id: int
    deprecation: str
    enrollment_id: int
    account_id: str
    contact_id: int
    email: str
    step: str
    state: NoticeState


class ReportsRepository(Protocol):
    """Speaks inside one unit of work."""

    def locked(self, notice_id: int | None, message_ids: Sequence[str]) -> Sequence[ReportedNotice]:
        """Find the notice of this id or, failing that, of the first of these Message-IDs; lock it.

        Where its letter told others too, they follow it.

        The lock orders what follows with the cutoff: it happens before a verdict, or after it.
        """
        ...

    def keep(self, mail: ReturnedMail, notice_id: int | None, *, excerpt: bool) -> bool:
        """Write a mail and its rows; False if it has come before."""
        ...

    def end(self, notice: ReportedNotice, state: NoticeState, reason: str, at: datetime) -> None:
        """Bring a notice to its end, whoever is sending it.

        ``at`` is when it arrived, as far as anybody says; it counts from no earlier than the
        moment it was sent, and from no later than now.
        """
        ...

    def suppress(self, contact_id: int, end: NoticeState) -> None:
        """Note that an address is dead or complains, and skip what waits to be sent to it.

        Required notices still go to whoever complains.
        """
        ...

    def acknowledge(self, notice_id: int) -> bool:
        """Note that a person has answered; say whether it is the first time, which counts."""
        ...
