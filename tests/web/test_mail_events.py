"""``POST /api/v1/mail/…``: what providers sign is taken in, and nothing else."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.hashes import SHA1, SHA256, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from openapi_spec_validator import validate
from starlette.applications import Starlette
from starlette.routing import Route

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.adapters.mail.providers import SendGrid
from rollout.bootstrap import Rollout, bootstrap
from rollout.domain.errors import BadInput
from rollout.settings import Settings
from rollout.testing import FakeMailer, Sent
from rollout.web.api.mail_events import MOST_SENT, MailEventsDoor
from rollout.web.api.openapi import DOCUMENT
from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.processes import free_port

TOPIC = "arn:aws:sns:eu-central-1:123456789012:returned"
CERTIFICATE = "https://sns.eu-central-1.amazonaws.com/SimpleNotificationService-0a1b.pem"
CONFIRM = "https://sns.eu-central-1.amazonaws.com/?Action=ConfirmSubscription&TopicArn=x&Token=y"
BOB = "bob@beta.example"

SENDGRID = ec.generate_private_key(ec.SECP256R1())
AMAZON = rsa.generate_private_key(public_exponent=65537, key_size=2048)


def certificate() -> bytes:
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sns.amazonaws.com")])
    now = datetime.now(UTC)
    until = now + timedelta(days=1)
    builder = x509.CertificateBuilder(name, name, AMAZON.public_key(), 7, now, until)
    return builder.sign(AMAZON, SHA256()).public_bytes(Encoding.PEM)


class Amazon:
    """What is to be had from Amazon's addresses, and which were asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.pages = {CERTIFICATE: certificate(), CONFIRM: b"<ok/>"}

    def fetch(self, url: str) -> bytes:
        self.asked.append(url)
        return self.pages[url]


class Door:
    """The door of a web service, in this process."""

    def __init__(self, rollout: Rollout, amazon: Amazon) -> None:
        door = MailEventsDoor(rollout, amazon.fetch)
        self._app = Starlette(
            routes=[Route("/api/v1/mail/{provider}", door.answer, methods=["POST"])]
        )

    def post(self, provider: str, body: bytes, **headers: str) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
                path = f"/api/v1/mail/{provider}"
                return await client.post(path, content=body, headers=headers)

        return asyncio.run(send())

    def sendgrid(self, *events: Any, key: ec.EllipticCurvePrivateKey = SENDGRID) -> httpx.Response:
        body, timestamp = json.dumps(events).encode(), "1700000000"
        signature = key.sign(timestamp.encode() + body, ec.ECDSA(SHA256()))
        headers = {
            "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
            "X-Twilio-Email-Event-Webhook-Timestamp": timestamp,
        }
        return self.post("sendgrid", body, **headers)

    def ses(self, event: Any, *, version: str = "2", **changed: str) -> httpx.Response:
        return self.post("ses", json.dumps(published(event, version) | changed).encode())


def published(event: Any, version: str, kind: str = "Notification") -> dict[str, str]:
    """Return what SNS sends, signed."""
    envelope = {"Message": json.dumps(event), "MessageId": "m-1"}
    if kind == "SubscriptionConfirmation":
        envelope |= {"SubscribeURL": CONFIRM}
    envelope |= {"Timestamp": "2027-01-01T12:00:00.000Z"}
    if kind == "SubscriptionConfirmation":
        envelope |= {"Token": "y"}
    envelope |= {"TopicArn": TOPIC, "Type": kind}
    signed = "".join(f"{name}\n{value}\n" for name, value in envelope.items())
    algorithm: HashAlgorithm = SHA1() if version == "1" else SHA256()  # noqa: S303 - version 1 is that
    signature = AMAZON.sign(signed.encode(), PKCS1v15(), algorithm)
    return envelope | {
        "Signature": base64.b64encode(signature).decode(),
        "SignatureVersion": version,
        "SigningCertURL": CERTIFICATE,
    }


def public_key(key: Any) -> str:
    der = key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


@pytest.fixture
def amazon() -> Amazon:
    return Amazon()


@pytest.fixture
def settings(database_url: str, servers: EmbeddedServers, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=servers.redis_url,
        data_dir=tmp_path,
        ses_topic=TOPIC,
        sendgrid_key=public_key(SENDGRID),
        bounce_domain="bounces.platform.example",
        pepper="k" * 32,  # that of the campaign
    )


@pytest.fixture
def door(settings: Settings, amazon: Amazon) -> Iterator[Door]:
    with bootstrap(settings) as rollout:
        yield Door(rollout, amazon)


@pytest.fixture
def bob(campaign: Campaign, mailer: FakeMailer) -> Sent:
    """What Bob was sent."""
    campaign.begin()
    campaign.work(NOW)
    return next(sent for sent in mailer.sent if sent.to == BOB)


def state(campaign: Campaign) -> tuple[str, str]:
    ((found, how),) = campaign.rows(
        "SELECT state, deliverability FROM notices JOIN contacts USING (contact_id)"
        " WHERE email = :bob",
        bob=BOB,
    )
    return str(found), str(how)


def sendgrid_event(sent: Sent, **fields: Any) -> dict[str, Any]:
    return {"email": sent.to, "timestamp": 1798804800, "smtp-id": sent.message_id, **fields}


def ses_event(sent: Sent, kind: str, **detail: Any) -> dict[str, Any]:
    name = kind[:1].lower() + kind[1:]
    return {
        "eventType": kind,
        "mail": {"messageId": "s-1", "source": sent.return_path},
        name: detail,
    }


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (
            {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "No such user"},
            ("bounced", "bounced"),
        ),
        ({"event": "bounce", "bounce_classification": "Invalid Address"}, ("bounced", "bounced")),
        ({"event": "bounce", "status": "5.2.2", "reason": "Mailbox full"}, ("bounced", "ok")),
        ({"event": "bounce", "type": "blocked", "status": "5.1.1"}, ("bounced", "ok")),
        ({"event": "dropped", "reason": "Bounced Address"}, ("bounced", "ok")),
        ({"event": "deferred", "response": "400 later"}, ("sent", "ok")),
        ({"event": "delivered", "response": "250 ok"}, ("delivered", "ok")),
        ({"event": "spamreport"}, ("complained", "complained")),
        ({"event": "open"}, ("sent", "ok")),
        ({"event": ["delivered"]}, ("sent", "ok")),
    ],
    ids=str,
)
def test_sendgrid_says_what_became_of_a_message(
    door: Door, campaign: Campaign, bob: Sent, event: dict[str, Any], expected: tuple[str, str]
) -> None:
    assert door.sendgrid(sendgrid_event(bob, **event)).status_code == 200
    assert state(campaign) == expected


@pytest.mark.parametrize(
    ("kind", "detail", "expected"),
    [
        (
            "Bounce",
            {
                "bounceType": "Permanent",
                "bounceSubType": "General",
                "bouncedRecipients": [
                    {"emailAddress": BOB, "status": "5.1.1", "diagnosticCode": "smtp; 550 unknown"}
                ],
            },
            ("bounced", "bounced"),
        ),
        (
            "Bounce",
            {
                "bounceType": "Permanent",
                "bounceSubType": "NoEmail",
                "bouncedRecipients": [{"emailAddress": BOB}],
            },
            ("bounced", "bounced"),
        ),
        (
            "Bounce",
            {
                "bounceType": "Transient",
                "bounceSubType": "MailboxFull",
                "bouncedRecipients": [{"emailAddress": BOB, "status": "5.1.1"}],
            },
            ("bounced", "ok"),
        ),
        (
            "Complaint",
            {"complaintFeedbackType": "abuse", "complainedRecipients": [{"emailAddress": BOB}]},
            ("complained", "complained"),
        ),
        (
            "Complaint",
            {"complaintFeedbackType": "not-spam", "complainedRecipients": [{"emailAddress": BOB}]},
            ("sent", "ok"),
        ),
        ("Delivery", {"recipients": [BOB], "smtpResponse": "250 ok"}, ("delivered", "ok")),
        ("DeliveryDelay", {"delayedRecipients": [{"emailAddress": BOB}]}, ("sent", "ok")),
        ("Reject", {"reason": "Bad content"}, ("bounced", "ok")),
        ("Open", {}, ("sent", "ok")),
    ],
    ids=lambda value: str(value)[:30],
)
def test_ses_says_what_became_of_a_message(
    door: Door,
    campaign: Campaign,
    bob: Sent,
    kind: str,
    detail: dict[str, Any],
    expected: tuple[str, str],
) -> None:
    assert door.ses(ses_event(bob, kind, **detail)).status_code == 200
    assert state(campaign) == expected


def test_both_signature_versions_of_sns_are_verified(door: Door, bob: Sent) -> None:
    event = ses_event(bob, "Delivery", recipients=[BOB])

    assert [door.ses(event, version=version).status_code for version in ("1", "2")] == [200, 200]


def test_what_is_sent_again_changes_nothing(door: Door, bob: Sent) -> None:
    event = sendgrid_event(bob, event="bounce", reason="No such user")
    first = door.sendgrid(event | {"sg_event_id": "a"})
    again = door.sendgrid(event | {"sg_event_id": "b"})  # a retry may have another id

    assert first.json() == {"events": 1, "repeated": 0, "unmatched": 0}
    assert again.json() == {"events": 1, "repeated": 1, "unmatched": 0}


def test_what_is_about_none_of_ours_is_kept(door: Door, campaign: Campaign, bob: Sent) -> None:
    stranger = replace(bob, message_id="<x@elsewhere.example>")
    done = door.sendgrid(sendgrid_event(stranger, event="bounce"))

    assert done.json() == {"events": 1, "repeated": 0, "unmatched": 1}
    assert state(campaign) == ("sent", "ok")


def test_what_sendgrid_has_not_signed_is_refused(door: Door, campaign: Campaign, bob: Sent) -> None:
    event = sendgrid_event(bob, event="bounce", reason="No such user")
    forged = door.sendgrid(event, key=ec.generate_private_key(ec.SECP256R1()))
    unsigned = door.post("sendgrid", json.dumps([event]).encode())

    assert (forged.status_code, unsigned.status_code) == (403, 403)
    assert "SendGrid has not signed this" in forged.json()["detail"]
    assert state(campaign) == ("sent", "ok")


@pytest.mark.parametrize(
    "changed",
    [
        {"Message": "{}"},
        {"Signature": "AAAA"},
        {"SignatureVersion": "3"},
        {"Type": "UnsubscribeConfirmation"},
        {"TopicArn": "arn:aws:sns:eu-central-1:123456789012:another"},
        {"SigningCertURL": "https://sns.eu-central-1.amazonaws.com.evil.example/x.pem"},
        {"SigningCertURL": "http://sns.eu-central-1.amazonaws.com/SimpleNotificationService-1.pem"},
    ],
    ids=lambda value: str(next(iter(value.items())))[:60],
)
def test_what_amazon_has_not_signed_is_refused_and_nothing_else_is_asked(
    door: Door, amazon: Amazon, campaign: Campaign, bob: Sent, changed: dict[str, str]
) -> None:
    done = door.ses(ses_event(bob, "Delivery", recipients=[BOB]), **changed)

    assert done.status_code == 403
    assert set(amazon.asked) <= {CERTIFICATE}
    assert state(campaign) == ("sent", "ok")


def test_the_subscription_of_our_topic_is_confirmed(door: Door, amazon: Amazon) -> None:
    body = json.dumps(published({}, "2", "SubscriptionConfirmation")).encode()
    done = door.post("ses", body)

    assert (done.status_code, done.json()["events"]) == (200, 0)
    assert amazon.asked == [CERTIFICATE, CONFIRM]


def test_a_confirmation_that_would_go_elsewhere_is_not_given(door: Door, amazon: Amazon) -> None:
    envelope = published({}, "2", "SubscriptionConfirmation")
    envelope["SubscribeURL"] = "https://evil.example/?Action=ConfirmSubscription&Token=y"
    done = door.post("ses", json.dumps(envelope).encode())

    assert done.status_code == 403
    assert CONFIRM not in amazon.asked


def test_a_provider_without_its_setting_and_one_unknown_are_not_there(
    settings: Settings, amazon: Amazon
) -> None:
    with bootstrap(replace(settings, ses_topic=None)) as rollout:
        door = Door(rollout, amazon)
        closed, unknown = door.post("ses", b"{}"), door.post("pigeon", b"{}")

    assert (closed.status_code, unknown.status_code) == (404, 404)
    assert "set ROLLOUT_SES_TOPIC" in closed.json()["detail"]
    assert "known: ses, sendgrid, postmark" in unknown.json()["detail"]


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"[" * 100_000, 400), (b"[]", 400), (b"x" * (MOST_SENT + 1), 413)],
    ids=["empty", "nested", "no message", "too large"],
)
def test_a_body_that_makes_no_sense_is_refused(door: Door, body: bytes, status: int) -> None:
    assert door.post("ses", body).status_code == status


def test_while_the_database_is_down_the_provider_is_to_come_again(
    settings: Settings, amazon: Amazon, bob: Sent
) -> None:
    nowhere = f"postgresql://rollout@127.0.0.1:{free_port()}/rollout"
    away = replace(settings, database_url=nowhere)
    with bootstrap(away, database_may_be_down=True) as rollout:
        done = Door(rollout, amazon).sendgrid(sendgrid_event(bob, event="bounce"))

    assert (done.status_code, done.headers["retry-after"]) == (503, "1")


@pytest.mark.parametrize("key", ["", "x", public_key(AMAZON)], ids=["empty", "odd", "another"])
def test_a_key_that_is_not_sendgrids_is_refused_with_a_way_out(key: str) -> None:
    with pytest.raises(BadInput, match="ROLLOUT_SENDGRID_KEY is not a verification key") as refused:
        SendGrid(key)
    assert "Signed Event Webhook" in str(refused.value.fix)


def test_the_description_of_the_door_is_valid() -> None:
    validate(DOCUMENT)
    assert "/api/v1/mail/{provider}" in DOCUMENT["paths"]
