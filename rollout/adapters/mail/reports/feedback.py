"""Reads complaints: feedback reports in the format of RFC 5965 (ARF)."""

from __future__ import annotations

from email.message import Message

from rollout.adapters.mail.reports.parsing import address_in, header
from rollout.domain.notices.delivery import Report, ReportKind

_TYPE = "message/feedback-report"
# RFC 5965, section 7.3, says which types there are; `not-spam` (RFC 6430) is the opposite.
_COMPLAINTS = frozenset({"abuse", "fraud", "virus", "other"})
_WHO = ("Original-Rcpt-To", "Removal-Recipient", "Redacted-Address")


def feedback_fields(parts: list[Message]) -> Message | None:
    """Return the fields of the feedback report, or None where there is none."""
    for part in parts:
        if part.get_content_type() == _TYPE:
            payload = part.get_payload()
            first = payload[0] if isinstance(payload, list) and payload else None
            if isinstance(first, Message):
                return first
    return None


def feedback_report(fields: Message) -> Report:
    """Return what it says. It may hide whose complaint it is."""
    feedback = header(fields, "Feedback-Type", 40).lower()
    complaint = feedback in _COMPLAINTS
    who = (address_in(header(fields, name)) for name in _WHO)
    return Report(
        kind=ReportKind.COMPLAINED if complaint else ReportKind.UNKNOWN,
        recipient=next(filter(None, who), None),
        reason=f"spam complaint (Feedback-Type: {feedback})"
        if complaint
        else f"a feedback report that is no complaint (Feedback-Type: {feedback or 'none'})",
    )
