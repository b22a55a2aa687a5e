"""What mail that comes back says about a notice: one vocabulary, whoever wrote it and however."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from rollout.domain.notices import NoticeState


class ReportKind(StrEnum):
    """What a mail says of one recipient."""

    BOUNCED = "bounced"  # it was given up: for now or for good
    DELAYED = "delayed"  # it is still being tried
    DELIVERED = "delivered"  # a positive notification: RFC 3464, section 2.3.3
    COMPLAINED = "complained"  # somebody called it spam (RFC 5965): so it has arrived
    AUTO_REPLY = "auto_reply"  # a machine answered, such as out-of-office: RFC 3834
    ANSWER = "answer"  # a person answered
    UNKNOWN = "unknown"  # none of these can be proven: kept and shown, never acted on


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """One recipient's row of a mail. All texts are printable, on one line, and bounded."""

    kind: ReportKind
    recipient: str | None = None  # a bare address
    hard: bool | None = False  # it failed for good; None where a bounce does not say
    address_dead: bool = False  # it says that the address, or its domain, does not exist
    action: str | None = None  # RFC 3464, section 2.3.3, in small letters
    status: str | None = None  # RFC 3463, such as 5.1.1
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReturnedMail:
    """A mail that came to us, as it was read."""

    digest: bytes  # SHA-256 of its bytes
    message_id: str | None  # its own
    sender: str
    subject: str
    written_at: datetime | None  # by its own Date, which may be wrong; aware
    originals: tuple[str, ...]  # Message-IDs of what it may be about, the likeliest first
    returned_to: tuple[str, ...]  # addresses to which it came back, or from which we wrote
    envelope_names: tuple[str, ...] = ()  # that it repeats
    reports: tuple[Report, ...]
    excerpt: bytes  # its beginning, for a person to look at


# Wherever a notice may have left us, a bounce proves that it did not arrive. Contradictory
# evidence (it bounced, and somebody complained) is no proof of arrival either: T0 holds.
_GONE = frozenset(
    {
        NoticeState.SENDING,
        NoticeState.SENT,
        NoticeState.DELIVERED,
        NoticeState.COMPLAINED,
        NoticeState.UNCERTAIN,
        NoticeState.RETRY,
    }
)
_END = {
    ReportKind.BOUNCED: (NoticeState.BOUNCED, _GONE),
    ReportKind.COMPLAINED: (NoticeState.COMPLAINED, _GONE - {NoticeState.COMPLAINED}),
    ReportKind.DELIVERED: (
        NoticeState.DELIVERED,
        _GONE - {NoticeState.DELIVERED, NoticeState.COMPLAINED},
    ),
}


def end_of(state: NoticeState, kind: ReportKind) -> NoticeState | None:
    """Return the state to which a report brings a notice, or None where it changes nothing."""
    end, possible = _END.get(kind, (None, frozenset()))
    return end if state in possible else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How far the present date of an enrollment has come: people, and messages that tell it."""

    contacts: int
    dead: int  # contacts whose address was refused for good
    told: int  # people with a message that arrived
    failed: int  # messages that bounced, or were given up
    open: int  # messages that may still arrive
    last_failure: str | None  # what the newest that failed ended with


def unreachable(reach: Reach) -> str | None:
    """Say why nobody of an account can be told its date.

    None where somebody was told, or a message to somebody is under way.
    """
    if reach.told or reach.open:
        return None
    if reach.contacts == 0:
        return "no contact is known"
    if reach.dead < reach.contacts and not reach.failed:
        return None  # nothing was due yet
    said = f"; the newest failed with: {reach.last_failure}" if reach.last_failure else ""
    if reach.dead == reach.contacts:
        return f"every address was refused for good ({reach.dead} of {reach.contacts}){said}"
    return f"all messages about this date bounced ({reach.failed}){said}"
