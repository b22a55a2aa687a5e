"""Postmark: one event a request. It signs nothing, so its door asks for a password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollout.adapters.mail.providers.events import (
    address,
    instant,
    parse_json,
    part,
    returned,
    words,
)
from rollout.adapters.mail.reports.words import enhanced_code, says_dead
from rollout.domain.errors import BadInput
from rollout.domain.notices.delivery import Report, ReportKind, ReturnedMail
from rollout.domain.notices.envelope import Envelope

_METADATA = "notice"

# What says nothing about a message, or is made by the scanners of the recipients' companies.
_IGNORED = frozenset({"Open", "Click"})

# Types of bounces, by https://postmarkapp.com/developer/api/bounce-api#bounce-types: what became
# of the message, and whether that is for good. What is not here is unknown, now and in future.
_BOUNCED = {
    "HardBounce": True,
    "BadEmailAddress": True,
    "ManuallyDeactivated": True,  # Postmark sends nothing there any more, and did not send this
    "SoftBounce": False,
    "Blocked": False,  # by the reputation of the sender: about this message
    "SpamNotification": False,  # taken and put away, or refused for what it says: nobody reads it
    "VirusNotification": False,
    "DMARCPolicy": False,
    "SMTPApiError": None,  # taken by SMTP, and then refused: to a suppressed address, for one
    "Unconfirmed": None,
    "TemplateRenderingFailed": None,
}
_TIMES = ("DeliveredAt", "BouncedAt", "ChangedAt")
_OTHERS = {
    "Transient": ReportKind.DELAYED,
    "DnsError": ReportKind.DELAYED,  # "a temporary DNS error": a soft bounce follows, or none
    "AutoResponder": ReportKind.AUTO_REPLY,
    "SpamComplaint": ReportKind.COMPLAINED,
}


def postmark_headers(envelope: Envelope | None) -> dict[str, str]:
    """Return the headers of a message that Postmark is to send. It takes them out.

    It would replace our Message-ID, by which answers and bounces name what they are about. Its
    webhooks tell only an id of its own, but repeat the metadata of a message.
    """
    kept = {"X-PM-KeepID": "true"}
    return kept if envelope is None else kept | {f"X-PM-Metadata-{_METADATA}": envelope.name}


class Postmark:
    """Reads what has come in by the door; who may come in is the door's business."""

    def read(self, _headers: Mapping[str, str], body: bytes) -> list[ReturnedMail]:
        """Return what an event says; nothing for those that say nothing of a message."""
        event = parse_json(body)
        if not isinstance(event, dict):
            raise BadInput("the body is not an event of Postmark")
        kind = words(event, "RecordType", 40)
        report = None if kind in _IGNORED else _report(kind, event)
        if report is None:
            return []
        at = next(filter(None, (words(event, name, 40) for name in _TIMES)), "")
        names = [words(event, "MessageID"), kind, report.action, at, report.recipient]
        known_as = [words(part(event, "Metadata"), _METADATA)]
        return [returned("postmark", names, [report], at=instant(at), envelope_names=known_as)]


def _report(kind: str, event: Any) -> Report | None:
    match kind:
        case "Delivery":
            said = words(event, "Details") or "delivered"
            who = address(event, "Recipient")
            return Report(kind=ReportKind.DELIVERED, recipient=who, reason=said)
        case "Bounce" | "SpamComplaint":
            return _bounce(words(event, "Type", 40) or kind, event)
        case "SubscriptionChange":
            return _suppressed(event)
    reason = f"a record of an unknown type: {kind}" if kind else "a record without a type"
    return Report(kind=ReportKind.UNKNOWN, recipient=address(event, "Email"), reason=reason)


def _bounce(what: str, event: Any) -> Report:
    """Read one. Its Description is about the type; only Details are the server's own words."""
    details = words(event, "Details")
    status = enhanced_code(details)
    bounced = what in _BOUNCED
    hard = _BOUNCED.get(what, False)
    dead = what == "BadEmailAddress" or (what == "HardBounce" and says_dead(status, details))
    return Report(
        kind=ReportKind.BOUNCED if bounced else _OTHERS.get(what, ReportKind.UNKNOWN),
        recipient=address(event, "Email"),
        hard=hard,
        address_dead=dead,
        action=what,
        status=status,
        reason=f"{what}: {details or words(event, 'Description')}",
    )


def _suppressed(event: Any) -> Report | None:
    """Read that Postmark sends nothing to an address any more, because somebody said so.

    After a bounce or a complaint, that is told by the event of its own. It says nothing about the
    message, so it is shown and not acted on; what is sent there later comes back as SMTPApiError.
    """
    if event.get("SuppressSending") is not True:
        return None
    why = words(event, "SuppressionReason", 40)
    if why in {"HardBounce", "SpamComplaint"}:
        return None
    return Report(
        kind=ReportKind.UNKNOWN,
        recipient=address(event, "Recipient"),
        action=why,
        reason=f"Postmark sends nothing to this address any more: {why} by"
        f" {words(event, 'Origin', 40) or 'nobody it names'}",
    )
