"""Reads bounces that have no status part, by the words of the common mail servers. Conservatively.

Only the postmaster's own mail is read so, and only as far as the message that it returns: whoever
quotes a bounce has not bounced.
"""

from __future__ import annotations

import re
from email.message import Message

from rollout.adapters.mail.reports.parsing import (
    address_in,
    addresses,
    header,
    message_ids,
    parse_headers,
    text_of,
)
from rollout.adapters.mail.reports.words import enhanced_code, reply_class, says_dead
from rollout.adapters.one_line import one_line
from rollout.domain.notices.delivery import Report, ReportKind

_REASON = 500
_ROWS = 100
_POSTMASTER = re.compile(
    r"\b(?:mailer-daemon|postmaster|mail delivery (?:sub)?system)\b", re.IGNORECASE
)
# Gmail, exim, qmail, Exchange and others announce with such a line what they return.
_RETURNED = re.compile(
    r"^[ >*#-]*(?:original message\b|below this line is a copy of the message|"
    r"this is a copy of (?:the|your) (?:message|headers)|the original message (?:was|follows)|"
    r"returned message follows)",
    re.IGNORECASE | re.MULTILINE,
)
_DELAYED = re.compile(
    r"\b(?:still being retried|will (?:be retried|keep trying|continue to (?:try|be attempted))|"
    r"delivery (?:will be|is) (?:retried|delayed)|warning message only|"
    r"(?:has|have) not (?:yet )?been delivered|no action is required on your part)\b",
    re.IGNORECASE,
)
_FAILED = re.compile(
    r"\b(?:failed permanently|permanent (?:fatal )?error|delivery (?:has )?failed|"
    r"(?:could not|cannot|couldn['’]t) be delivered|wasn['’]t able to deliver|unable to deliver|"
    r"undeliver(?:able|ed)|delivery to .{1,300} (?:has )?failed|returned to sender)\b",
    re.IGNORECASE,
)
_FOR_GOOD = re.compile(r"\b(?:failed permanently|permanent (?:fatal )?error)\b", re.IGNORECASE)


def prose_reports(message: Message, parts: list[Message]) -> tuple[list[Report], list[str]]:
    """Return the rows, one per recipient, and the Message-IDs of what is returned."""
    texts = [text_of(part) for part in parts if part.get_content_type() == "text/plain"]
    said, returned = _halves("\n".join(texts))
    failed_to = list(dict.fromkeys(addresses(message, ["X-Failed-Recipients"])))[:_ROWS]
    if not failed_to and not _from_postmaster(message):
        return [], []
    subject = header(message, "Subject")
    if _DELAYED.search(subject) or _DELAYED.search(said):
        kind = ReportKind.DELAYED
    elif _FAILED.search(said) or _FAILED.search(subject):
        kind = ReportKind.BOUNCED
    else:
        return [], []
    who: list[str | None] = [*failed_to] or [_recipient(said)]
    rows = [_row(kind, recipient, said) for recipient in who]
    return rows, list(message_ids(parse_headers(returned), "Message-ID"))


def _halves(text: str) -> tuple[str, str]:
    """Split what the postmaster says from what it returns."""
    mark = _RETURNED.search(text)
    if mark is None:
        return text, ""
    return text[: mark.start()], text[mark.start() :].partition("\n")[2].lstrip()


def _from_postmaster(message: Message) -> bool:
    paths = [str(message.get(name, "")).strip() for name in ("Return-Path", "X-Envelope-From")]
    return "<>" in paths or _POSTMASTER.search(header(message, "From")) is not None


def _recipient(said: str) -> str | None:
    """Return the address that stands behind the words of failure."""
    failed = _FAILED.search(said)
    return address_in(said[failed.start() :]) if failed else address_in(said)


def _row(kind: ReportKind, recipient: str | None, said: str) -> Report:
    if kind is ReportKind.DELAYED:
        return Report(kind=kind, recipient=recipient, reason=one_line(said, _REASON))
    status = enhanced_code(said)
    severity = status[0] if status else reply_class(said)
    hard: bool | None = None
    if _FOR_GOOD.search(said) or severity == "5":
        hard = True
    elif severity == "4":
        hard = False
    return Report(
        kind=kind,
        recipient=recipient,
        hard=hard,
        address_dead=hard is True and says_dead(status, said),
        status=status,
        reason=one_line(said, _REASON),
    )
