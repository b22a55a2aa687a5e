"""Twilio SendGrid's Event Webhook, with its signature (ECDSA over the time and the body)."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from rollout.adapters.mail.providers.events import address, parse_json, returned, words
from rollout.adapters.mail.reports.words import says_dead
from rollout.domain.errors import BadInput, Refused
from rollout.domain.notices.delivery import Report, ReportKind, ReturnedMail

_SIGNATURE = "x-twilio-email-event-webhook-signature"
_TIMESTAMP = "x-twilio-email-event-webhook-timestamp"
_KINDS = {
    "bounce": ReportKind.BOUNCED,
    "dropped": ReportKind.BOUNCED,  # SendGrid did not even try: it is on one of its lists
    "deferred": ReportKind.DELAYED,
    "delivered": ReportKind.DELIVERED,
    "spamreport": ReportKind.COMPLAINED,
}


class SendGrid:
    """Verifies and reads batches of events."""

    def __init__(self, verification_key: str) -> None:
        """Take the verification key that SendGrid shows; raise ``BadInput`` for another thing."""
        try:
            key = load_der_public_key(base64.b64decode(verification_key, validate=True))
        except (ValueError, binascii.Error) as error:
            raise _bad_key() from error
        if not isinstance(key, EllipticCurvePublicKey):
            raise _bad_key()
        self._key = key

    def read(self, headers: Mapping[str, str], body: bytes) -> list[ReturnedMail]:
        """Return what the events say; raise ``Refused`` where SendGrid has not signed them.

        Opens and clicks say nothing here: the mail scanner of the recipient's company makes them.
        """
        signed = headers.get(_TIMESTAMP, "").encode() + body
        try:
            signature = base64.b64decode(headers.get(_SIGNATURE, ""), validate=True)
            self._key.verify(signature, signed, ECDSA(SHA256()))
        except (InvalidSignature, ValueError) as error:
            raise Refused(
                "SendGrid has not signed this",
                fix="switch on the Signed Event Webhook, and set ROLLOUT_SENDGRID_KEY to its key",
            ) from error
        events = parse_json(body)
        return list(_mails(events if isinstance(events, list) else []))


def _mails(events: list[Any]) -> Iterator[ReturnedMail]:
    for event in events:
        kind = _KINDS.get(words(event, "event"))
        if kind is None:
            continue
        message_id = words(event, "smtp-id")
        report = _report(event, kind)
        names = [message_id, kind.value, event.get("timestamp"), report.recipient]
        at = _time(event.get("timestamp"))
        yield returned("sendgrid", names, [report], at=at, originals=[message_id])


def _report(event: Any, kind: ReportKind) -> Report:
    """Read one event. A "blocked" bounce is about this message, not about the address."""
    reason = words(event, "reason") or words(event, "response")
    status = words(event, "status", 20) or None
    hard = (
        kind is ReportKind.BOUNCED
        and words(event, "event") == "bounce"
        and words(event, "type") != "blocked"
    )
    invalid = words(event, "bounce_classification") == "Invalid Address"
    return Report(
        kind=kind,
        recipient=address(event, "email"),
        hard=hard,
        address_dead=hard and (invalid or says_dead(status, reason)),
        action=words(event, "event"),
        status=status,
        reason=reason or words(event, "event"),
    )


def _time(value: Any) -> datetime | None:
    try:
        return datetime.fromtimestamp(float(value), UTC)
    except (TypeError, ValueError, OverflowError, OSError):
        return None


def _bad_key() -> BadInput:
    return BadInput(
        "ROLLOUT_SENDGRID_KEY is not a verification key of SendGrid",
        fix="copy it from the settings of the Signed Event Webhook: it begins with MFkw",
    )
