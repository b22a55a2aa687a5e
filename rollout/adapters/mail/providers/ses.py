"""Amazon SES: bounces, complaints and deliveries, published to an SNS topic."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollout.adapters.mail.providers.events import (
    REASON,
    address,
    instant,
    part,
    parts,
    returned,
    words,
)
from rollout.adapters.mail.providers.sns import Fetch, SnsTopic
from rollout.adapters.mail.reports.parsing import address_in
from rollout.adapters.mail.reports.words import says_dead
from rollout.adapters.one_line import one_line
from rollout.domain.notices.delivery import Report, ReportKind, ReturnedMail

_HARD = {"Permanent": True, "Transient": False}
_RECIPIENTS = 50  # of one message: Amazon's own limit


class AmazonSes:
    """Verifies and reads the events of one topic."""

    def __init__(self, topic_arn: str, fetch: Fetch) -> None:
        self._topic = SnsTopic(topic_arn, fetch)

    def read(self, _headers: Mapping[str, str], body: bytes) -> list[ReturnedMail]:
        """Return what an event says; raise ``Refused`` where Amazon has not signed it.

        SES replaces the Message-ID; the return path, and the headers if the topic carries them,
        still say which notice it was.
        """
        event = self._topic.message(body)
        kind = words(event, "eventType") or words(event, "notificationType")
        reports = list(_reports(kind, event))[:_RECIPIENTS]
        if not reports:
            return []
        mail = part(event, "mail")
        at = words(part(event, kind[:1].lower() + kind[1:]), "timestamp", 40)
        ids = [
            words(header, "value")
            for header in parts(mail, "headers")
            if words(header, "name").lower() == "message-id"
        ]
        names = [words(mail, "messageId"), kind, at, [report.recipient for report in reports]]
        source = address(mail, "source")
        return [
            returned(
                "ses",
                names,
                reports,
                at=instant(at),
                originals=ids,
                returned_to=[source] if source else [],
            )
        ]


def _reports(kind: str, event: Any) -> Iterator[Report]:
    """Yield one report per recipient; what only tells of opens or clicks yields none."""
    match kind:
        case "Bounce":
            bounce = part(event, "bounce")
            for recipient in parts(bounce, "bouncedRecipients"):
                yield _bounce(bounce, recipient)
        case "Complaint":
            complaint = part(event, "complaint")
            feedback = words(complaint, "complaintFeedbackType", 40) or "none given"
            what = ReportKind.UNKNOWN if feedback == "not-spam" else ReportKind.COMPLAINED
            for recipient in parts(complaint, "complainedRecipients"):
                who = address(recipient, "emailAddress")
                yield Report(kind=what, recipient=who, reason=f"complaint ({feedback})")
        case "Delivery":
            delivery = part(event, "delivery")
            reason = words(delivery, "smtpResponse") or "delivered"
            for who in _recipients(delivery):
                yield Report(kind=ReportKind.DELIVERED, recipient=who, reason=reason)
        case "DeliveryDelay":
            delay = part(event, "deliveryDelay")
            for recipient in parts(delay, "delayedRecipients"):
                yield Report(
                    kind=ReportKind.DELAYED,
                    recipient=address(recipient, "emailAddress"),
                    status=words(recipient, "status", 20) or None,
                    reason=words(recipient, "diagnosticCode") or words(delay, "delayType"),
                )
        case "Reject":
            reason = words(part(event, "reject"), "reason") or "SES refused to send it"
            yield Report(kind=ReportKind.BOUNCED, hard=True, reason=reason)


def _bounce(bounce: Any, recipient: Any) -> Report:
    kind, sub = words(bounce, "bounceType", 40), words(bounce, "bounceSubType", 60)
    status = words(recipient, "status", 20) or None
    diagnostic = words(recipient, "diagnosticCode")
    hard = _HARD.get(kind)
    return Report(
        kind=ReportKind.BOUNCED,
        recipient=address(recipient, "emailAddress"),
        hard=hard,
        address_dead=hard is True and (sub == "NoEmail" or says_dead(status, diagnostic)),
        action=words(recipient, "action", 20) or None,
        status=status,
        reason=one_line(diagnostic or f"{kind}: {sub}", REASON),
    )


def _recipients(delivery: Any) -> list[str | None]:
    found = delivery.get("recipients")
    texts = [who for who in found if isinstance(who, str)] if isinstance(found, list) else []
    return [address_in(who) for who in texts]
