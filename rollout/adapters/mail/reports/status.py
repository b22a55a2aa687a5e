"""Reads delivery status notifications (RFC 3464): a block for the message, one per recipient."""

from __future__ import annotations

import re
from collections.abc import Iterator
from email.message import Message
from itertools import islice

from rollout.adapters.mail.reports.parsing import address_in, header, parse_headers, text_of
from rollout.adapters.mail.reports.words import enhanced_code, reply_class, says_dead
from rollout.adapters.one_line import one_line
from rollout.domain.notices.delivery import Report, ReportKind

STATUS_TYPES = frozenset({"message/delivery-status", "message/global-delivery-status"})
_ROWS = 100
_BLOCKS = 1_000
_REASON = 500

_STATUS = re.compile(r"[245]\.\d{1,3}\.\d{1,3}")
_GENERIC = re.compile(r"[45]\.0\.0")
_BLANK_LINE = re.compile(r"\n[ \t]*\r?\n")
_KINDS = {
    "failed": ReportKind.BOUNCED,
    "delayed": ReportKind.DELAYED,
    "delivered": ReportKind.DELIVERED,
    "relayed": ReportKind.DELIVERED,
    "expanded": ReportKind.DELIVERED,
}


def status_reports(parts: list[Message]) -> list[Report]:
    """Return one report per recipient of all status parts; some servers write two."""
    status = [part for part in parts if part.get_content_type() in STATUS_TYPES]
    prose = _prose(status, parts)
    blocks = islice((block for part in status for block in _blocks(part)), _BLOCKS)
    rows: dict[tuple[str | None, str, str], Report] = {}
    for block in blocks:
        if "Final-Recipient" in block or "Original-Recipient" in block:
            report = _report(block, prose)
            rows.setdefault((report.recipient, report.kind, report.status or ""), report)
        if len(rows) == _ROWS:
            break
    return list(rows.values())


def envelope_names(parts: list[Message]) -> Iterator[str]:
    """Yield the names that reports repeat of our envelopes (RFC 3464, section 2.2.1)."""
    status = [part for part in parts if part.get_content_type() in STATUS_TYPES]
    for block in islice((block for part in status for block in _blocks(part)), _BLOCKS):
        if name := header(block, "Original-Envelope-Id", 100):
            yield name


def _blocks(part: Message) -> Iterator[Message]:
    """Yield the groups of fields; a status part of an odd make has them in its text."""
    payload = part.get_payload()
    for block in payload if isinstance(payload, list) else []:
        if isinstance(block, Message):
            yield block
            yield from map(parse_headers, _BLANK_LINE.split(text_of(block).strip())[:_ROWS])


def _prose(status: list[Message], parts: list[Message]) -> list[str]:
    """Return the paragraphs written for people, by which a bare row may be understood."""
    texts = [text_of(part) for part in parts if part.get_content_type() == "text/plain"]
    for part in status:
        payload = part.get_payload()
        if isinstance(payload, list):
            texts += [text_of(block) for block in payload if isinstance(block, Message)]
    return _BLANK_LINE.split("\n\n".join(texts))


def _report(block: Message, prose: list[str]) -> Report:
    """Read one recipient. We wrote to the original one; whoever forwards makes another final."""
    recipient = _address(block, "Original-Recipient") or _address(block, "Final-Recipient")
    action = header(block, "Action", 20).lower() or None
    diagnostic = header(block, "Diagnostic-Code", _REASON).partition(";")[2].strip()
    words = diagnostic or _about(recipient, prose)
    found = _STATUS.search(header(block, "Status", 60))
    status = found.group() if found else enhanced_code(diagnostic)
    severity = status[0] if status else reply_class(diagnostic)
    kind = _kind(action, severity)
    hard = {"5": True, "4": False}.get(severity or "") if kind is ReportKind.BOUNCED else False
    exact = enhanced_code(diagnostic) if status and _GENERIC.fullmatch(status) else status
    return Report(
        kind=kind,
        recipient=recipient,
        hard=hard,
        address_dead=hard is True and says_dead(exact or status, words),
        action=action,
        status=status,
        reason=one_line(words, _REASON) or ", ".join(filter(None, (action, status))),
    )


def _kind(action: str | None, severity: str | None) -> ReportKind:
    if action is None and severity == "5":  # the field is required; the failure is plain without
        return ReportKind.BOUNCED
    return _KINDS.get(action or "", ReportKind.UNKNOWN)


def _address(block: Message, name: str) -> str | None:
    """Read ``rfc822;a@b`` or ``RFC822; <a@b>``."""
    value = header(block, name)
    return address_in(value.partition(";")[2] or value)


def _about(recipient: str | None, prose: list[str]) -> str:
    """Return the paragraph that names a recipient."""
    for paragraph in prose:
        if recipient and recipient in paragraph:
            return paragraph
    return ""
