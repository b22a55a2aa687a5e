"""One message, read within bounds, becomes what it says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from email.message import Message
from email.utils import parsedate_to_datetime

from rollout.adapters.mail.reports.feedback import feedback_fields, feedback_report
from rollout.adapters.mail.reports.parsing import (
    addresses,
    header,
    message_ids,
    own_parts,
    parse,
    parse_headers,
    text_of,
)
from rollout.adapters.mail.reports.prose import prose_reports
from rollout.adapters.mail.reports.replies import reply
from rollout.adapters.mail.reports.status import envelope_names, status_reports
from rollout.domain.notices.delivery import Report, ReportKind, ReturnedMail

EXCERPT = 64 * 1024  # bytes
_CANDIDATES = 20  # of Message-IDs and of addresses: what comes later is a conversation's history

_CAME_TO = (
    *("Delivered-To", "X-Original-To", "Envelope-To", "X-Envelope-To", "To", "Cc"),
    "X-Forwarded-To",
)


def read_mail(raw: bytes, envelope_to: Sequence[str] = ()) -> ReturnedMail:
    """Read a message: in bounded time, whatever it is; what is not understood is ``unknown``.

    ``envelope_to`` are the addresses of the SMTP envelope, where it is known.
    """
    message = parse(raw)
    parts = list(own_parts(message))
    reports, named = _reports(message, parts)
    originals = [*_returned_ids(parts), *named, *message_ids(message, "In-Reply-To", "References")]
    came_to = [*envelope_to, *addresses(message, _CAME_TO), *_sent_from(parts)]
    return ReturnedMail(
        digest=hashlib.sha256(raw).digest(),
        message_id=next(message_ids(message, "Message-ID"), None),
        sender=header(message, "From"),
        subject=header(message, "Subject"),
        written_at=_date(message),
        originals=tuple(dict.fromkeys(originals))[:_CANDIDATES],
        returned_to=tuple(dict.fromkeys(came_to))[:_CANDIDATES],
        envelope_names=tuple(dict.fromkeys(envelope_names(parts)))[:_CANDIDATES],
        reports=tuple(reports),
        excerpt=raw[:EXCERPT],
    )


def _reports(message: Message, parts: list[Message]) -> tuple[list[Report], list[str]]:
    """Ask each reader in turn, the surest first; return the rows and the ids that they found."""
    fields = feedback_fields(parts)
    if fields is not None:
        return [feedback_report(fields)], []
    if rows := status_reports(parts):
        return rows, []
    rows, named = prose_reports(message, parts)
    if rows:
        return rows, named
    about_us = "In-Reply-To" in message or "References" in message
    answered = reply(message, parts, about_us=about_us)
    return [answered or _unknown(message)], []


def _unknown(message: Message) -> Report:
    return Report(kind=ReportKind.UNKNOWN, reason=header(message, "Subject"))


def _returned(parts: list[Message]) -> Iterator[Message]:
    """Yield the headers of the messages that this one returns."""
    for part in parts:
        kind = part.get_content_type()
        payload = part.get_payload()
        if kind in {"message/rfc822", "message/global"} and isinstance(payload, list):
            yield from (inner for inner in payload[:1] if isinstance(inner, Message))
        elif kind in {"text/rfc822-headers", "message/global-headers"}:
            yield parse_headers(text_of(part))


def _returned_ids(parts: list[Message]) -> Iterator[str]:
    for returned in _returned(parts):
        yield from message_ids(returned, "Message-ID")


def _sent_from(parts: list[Message]) -> Iterator[str]:
    """Yield the return paths from which the returned messages were sent."""
    fields = feedback_fields(parts)
    if fields is not None:
        yield from addresses(fields, ["Original-Mail-From"])
    for returned in _returned(parts):
        yield from addresses(returned, ["Return-Path"])


def _date(message: Message) -> datetime | None:
    """Return the Date of a message, in UTC; one without a zone is taken as UTC (RFC 5322)."""
    try:
        at = parsedate_to_datetime(header(message, "Date"))
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError, TypeError, IndexError):
        return None
