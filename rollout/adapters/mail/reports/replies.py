"""Tells machines that answer (RFC 3834) from people."""

from __future__ import annotations

import re
from email.message import Message

from rollout.adapters.mail.reports.parsing import address_in, header
from rollout.domain.notices.delivery import Report, ReportKind

_MARKS = ("X-Autoreply", "X-Autorespond", "X-Auto-Response-Suppress", "X-Mail-Autoreply")
_BULK = frozenset({"auto_reply", "auto-reply", "bulk", "junk", "list"})
_SUBJECT = re.compile(
    r"\b(?:out of (?:the )?office|automatic reply|auto(?:matic|mated)?[ -]?re(?:ply|sponse)|"
    r"on vacation|abwesenheit\w*|automatische antwort|réponse automatique|absence du bureau|"
    r"respuesta automática|fuera de (?:la )?oficina|risposta automatica)\b|自動返信|自動応答",
    re.IGNORECASE,
)
_RECEIPT = "message/disposition-notification"  # RFC 8098: a machine's word about a person


def reply(message: Message, parts: list[Message], *, about_us: bool) -> Report | None:
    """Return an automatic reply or a person's answer, or None where it is neither."""
    sender = address_in(header(message, "From"))
    reason = header(message, "Subject")
    if _by_machine(message, parts):
        return Report(kind=ReportKind.AUTO_REPLY, recipient=sender, reason=reason)
    if about_us and sender:
        return Report(kind=ReportKind.ANSWER, recipient=sender, reason=reason)
    return None


def _by_machine(message: Message, parts: list[Message]) -> bool:
    submitted = header(message, "Auto-Submitted", 40).lower()
    return (
        (submitted != "" and not submitted.startswith("no"))
        or any(name in message for name in _MARKS)
        or header(message, "Precedence", 40).lower() in _BULK
        or any(part.get_content_type() == _RECEIPT for part in parts)
        or _SUBJECT.search(header(message, "Subject")) is not None
    )
