"""What a message says, and which states it goes through."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from rollout.domain.notices.callers import Caller
from rollout.domain.usage import Usage


class NoticeState(StrEnum):
    """Where a notice stands. Only what has ``ARRIVED`` counts as a promise (T0)."""

    PENDING = "pending"
    LEASED = "leased"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"  # called spam by whoever got it
    RETRY = "retry"
    UNCERTAIN = "uncertain"  # the connection died after the final dot: it may have arrived
    SKIPPED = "skipped"
    DEAD = "dead"


# Why an address is not written to.
ADDRESS_DEAD = "the address was refused for good"
COMPLAINED_OF = "its reader called our mail spam: only required notices are sent there"
UNSUBSCRIBED = "its reader has switched optional notices off"

# What people inside the company are told where nobody of an account can be: step and template.
NOBODY_LEFT = "nobody-left"

# Nobody can complain of a message that did not arrive.
ARRIVED = frozenset({NoticeState.DELIVERED, NoticeState.COMPLAINED})


@dataclass(frozen=True, slots=True)
class NoticeKey:
    """A key as a message may show it."""

    hint: str
    label: str
    usage: Usage
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class Called:
    """What is called with the account's keys, by the evidence of the last 30 days."""

    endpoint: str  # as ``domain.usage.endpoints`` writes it: ``GET /v1/users/{id}``
    count: int


@dataclass(frozen=True, slots=True)
class NoticeContext:
    """Everything a template may name. All instants are aware UTC; ``zone`` is the reader's."""

    recipient: str
    contact_id: int
    required: bool  # it is sent to whoever wants none, too
    account_id: str
    account_name: str
    keys: tuple[NoticeKey, ...]
    usage: Usage  # of the account's keys as a whole: in use if any is, unknown before unused
    callers: tuple[Caller, ...]  # most calls first, at most ten
    endpoints: tuple[Called, ...]  # most calls first, at most five
    deadline: datetime
    previous_deadline: datetime | None  # told before, where the date has moved
    reason: str | None  # of the extension or restore, in the operator's words
    refused_since_cutoff: int
    now: datetime
    zone: str  # IANA name
    locale: str  # such as en or de_AT
    title: str  # what is retired: "API keys"
    replacement_title: str
    replacement_url: str
    guide_url: str
    calendar_url: str | None  # of the calendar of the account, where our own address is known
    webhook: str | None  # the hint of the one that is off, where the message says so
    webhook_reason: str | None  # with what it failed last
    brief_url: str | None  # of the page about this deprecation, to be forwarded; likewise


def retry_delay(attempts: int) -> timedelta:
    """Return how long to wait after ``attempts`` earlier ones: 30 s, doubling, up to eight hours.

    Short at first, because a greylisting server takes the message after a minute or five.
    """
    return min(timedelta(seconds=30 << attempts), timedelta(hours=8))
