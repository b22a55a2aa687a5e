"""What the sender asks of the database: who sends which notice, and how it ended."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from rollout.domain.notices import NoticeState


@dataclass(frozen=True, slots=True)
class Leased:
    """A notice that this worker may send; whoever finishes it names the lease."""

    notice_id: int
    lease: int
    enrollment_id: int
    deprecation: str
    account_id: str
    step: str
    template: str
    required: bool
    resend: bool  # it may be sent once more if nobody knows whether it arrived
    resent: bool  # and was: whatever becomes of it now, it may have arrived
    email: str
    message_id: str  # of its letter
    attempts: int
    letter: int | None  # the notice after which its letter is named, if it told several
    letter_id: int  # of the letter that will tell it


@dataclass(frozen=True, slots=True)
class Ended:
    """How it ended with a notice, for the time being or for good."""

    leased: Leased
    state: NoticeState
    reason: str | None = None
    wait: timedelta | None = None  # before it is tried again
    again: bool = False  # once more, though it may have arrived


@dataclass(frozen=True, slots=True)
class Reaped:
    """A notice taken back from a dead sender: pending, or else it may have arrived."""

    notice_id: int
    letter: int  # the same of all that one letter tells
    deprecation: str
    account_id: str
    step: str
    message_id: str
    state: str
    reason: str | None
    digest: bytes | None  # of the letter that may have arrived
    template_version: bytes | None


NONE: Mapping[int, int] = {}


class NoticeLedger(Protocol):
    """Speaks inside one unit of work."""

    def any_due(self) -> bool:
        """Say whether there is anything to be sent now."""
        ...

    def lease(self, limit: int, length: timedelta) -> Sequence[Leased]:
        """Claim notices that are due to be sent, and what else is due to the same addresses."""
        ...

    def letters_since(
        self, addresses: Collection[str], since: datetime
    ) -> Mapping[str, Sequence[datetime]]:
        """Return when each address, in small letters, got letters since then, the first first."""
        ...

    def begin(
        self, letters: Sequence[Leased], length: timedelta, versions: Mapping[int, int] = NONE
    ) -> frozenset[int]:
        """Mark as being sent; leave out those whose lease was lost or that are out of date.

        ``versions``: of their templates, by notice.
        """
        ...

    def finish(self, ended: Sequence[Ended]) -> frozenset[int]:
        """Record how they ended; leave out those whose lease was lost meanwhile."""
        ...

    def bundle(self, notices: Sequence[Leased], lead: Leased) -> None:
        """Note that one letter, named after ``lead``, tells several notices."""
        ...

    def give_back(self, leased: Sequence[Leased], reason: str, pause: timedelta) -> frozenset[int]:
        """Let notices wait that were not tried: that counts as no attempt.

        Leave out those whose lease was lost.
        """
        ...

    def bounce(self, leased: Leased) -> None:
        """Note that the address itself was refused for good."""
        ...

    def reap(self) -> Sequence[Reaped]:
        """Take back expired leases: unsent ones are due again.

        Half-sent ones are uncertain, or due once more where they may be sent twice.
        """
        ...

    def confirm(self, grace: timedelta, limit: int) -> Sequence[tuple[int, str]]:
        """Call delivered what was accepted and did not bounce within the grace time."""
        ...
