"""``POST /api/v1/mail/postmark``: events of messages that Postmark sent, told with the password."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.bootstrap import Rollout, bootstrap
from rollout.domain.errors import BadInput
from rollout.settings import Settings
from rollout.web.app import make_app
from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.smtp_server import Received, SmtpServer

TOKEN = "an-unguessable-word"
BOB = "bob@beta.example"
UNKNOWN_USER = "smtp;550 5.1.1 The email account that you tried to reach does not exist"


@dataclass
class Postmark:
    """What Postmark is to us: a mail server, and a caller of our webhook."""

    rollout: Rollout
    server: SmtpServer

    def post(self, event: Any, password: str | None = TOKEN) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=make_app(self.rollout))
            auth = ("postmark", password) if password is not None else None
            async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
                body = event if isinstance(event, bytes) else json.dumps(event).encode()
                return await client.post("/api/v1/mail/postmark", content=body, auth=auth)

        return asyncio.run(send())

    def event(self, kind: str, **fields: Any) -> dict[str, Any]:
        """Return an event about Bob's message, as Postmark makes it."""
        names = {"Email": BOB, "BouncedAt": "2027-01-01T12:05:00Z"}
        if kind in {"Delivery", "SubscriptionChange"}:
            names = {"Recipient": BOB, "DeliveredAt": "2027-01-01T07:05:00.1234567-05:00"}
        shown = self.bobs.message["X-PM-Metadata-notice"]
        metadata = {"Metadata": {"notice": shown}, "MessageID": "00000000-0000"}
        return {"RecordType": kind} | names | metadata | fields

    @property
    def bobs(self) -> Received:
        return next(letter for letter in self.server.received if letter.recipient == BOB)


@pytest.fixture
def settings(database_url: str, servers: EmbeddedServers, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=servers.redis_url,
        data_dir=tmp_path,
        postmark_token=TOKEN,
    )


@pytest.fixture
def postmark(campaign: Campaign, settings: Settings) -> Iterator[Postmark]:
    """The cast has been told by Postmark."""
    campaign.begin()
    campaign.at(NOW)
    with (
        SmtpServer() as server,
        bootstrap(replace(settings, smtp_url=server.url)) as rollout,
    ):
        rollout.notices.scheduling.sweep()
        rollout.notices.delivery.sweep()
        yield Postmark(rollout, server)


def state(campaign: Campaign) -> tuple[str, str]:
    ((found, how),) = campaign.rows(
        "SELECT state, deliverability FROM notices JOIN contacts USING (contact_id)"
        " WHERE email = :bob",
        bob=BOB,
    )
    return str(found), str(how)


def kinds(campaign: Campaign) -> list[str]:
    return [str(kind) for (kind,) in campaign.rows("SELECT kind FROM mail_reports")]


def bounce(what: str, **fields: Any) -> tuple[str, dict[str, Any]]:
    return "Bounce", {"Type": what, **fields}


DEAD, KEPT = ("bounced", "bounced"), ("bounced", "ok")
NOTED = ("sent", "ok")


@pytest.mark.parametrize(
    ("event", "kind", "expected"),
    [
        (("Delivery", {"Details": "smtp;250 ok"}), "delivered", ("delivered", "ok")),
        (bounce("HardBounce", Details=UNKNOWN_USER), "bounced", DEAD),
        (bounce("HardBounce", Details="550 5.7.1 Rejected by policy"), "bounced", KEPT),
        (
            bounce("HardBounce", Description="(ex: unknown user)"),
            "bounced",
            KEPT,
        ),
        (bounce("BadEmailAddress"), "bounced", DEAD),
        (bounce("ManuallyDeactivated"), "bounced", KEPT),
        (bounce("SoftBounce", Details=UNKNOWN_USER), "bounced", KEPT),
        (bounce("Blocked", Details=UNKNOWN_USER), "bounced", KEPT),
        (bounce("SpamNotification"), "bounced", KEPT),
        (bounce("VirusNotification"), "bounced", KEPT),
        (bounce("DMARCPolicy"), "bounced", KEPT),
        (bounce("SMTPApiError", Description="an inactive recipient"), "bounced", KEPT),
        (bounce("Unconfirmed"), "bounced", KEPT),
        (bounce("TemplateRenderingFailed"), "bounced", KEPT),
        (bounce("Transient"), "delayed", NOTED),
        (bounce("DnsError"), "delayed", NOTED),
        (bounce("AutoResponder"), "auto_reply", NOTED),
        (bounce("SpamComplaint"), "complained", ("complained", "complained")),
        (("SpamComplaint", {"Type": "SpamComplaint"}), "complained", ("complained", "complained")),
        (bounce("Unsubscribe"), "unknown", NOTED),
        (bounce("AddressChange"), "unknown", NOTED),
        (bounce("ChallengeVerification"), "unknown", NOTED),
        (bounce("Unknown", Details=UNKNOWN_USER), "unknown", NOTED),
        (bounce("A type of next year", Details=UNKNOWN_USER), "unknown", NOTED),
        (("A record of next year", {}), "unknown", NOTED),
        (
            (
                "SubscriptionChange",
                {"SuppressSending": True, "SuppressionReason": "ManualSuppression"},
            ),
            "unknown",
            NOTED,
        ),
    ],
    ids=str,
)
def test_postmark_says_what_became_of_a_message(
    postmark: Postmark,
    campaign: Campaign,
    event: tuple[str, dict[str, Any]],
    kind: str,
    expected: tuple[str, str],
) -> None:
    done = postmark.post(postmark.event(event[0], **event[1]))

    assert (done.status_code, done.json()) == (200, {"events": 1, "repeated": 0, "unmatched": 0})
    assert kinds(campaign) == [kind]
    assert state(campaign) == expected


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("Open", {}),
        ("Click", {}),
        ("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "HardBounce"}),
        ("SubscriptionChange", {"SuppressSending": True, "SuppressionReason": "SpamComplaint"}),
        ("SubscriptionChange", {"SuppressSending": False, "SuppressionReason": None}),
    ],
    ids=str,
)
def test_what_scanners_do_and_what_is_told_elsewhere_is_not_kept(
    postmark: Postmark, campaign: Campaign, kind: str, fields: dict[str, Any]
) -> None:
    assert postmark.post(postmark.event(kind, **fields)).json()["events"] == 0
    assert (kinds(campaign), state(campaign)) == ([], NOTED)


def test_it_arrives_when_postmark_says(postmark: Postmark, campaign: Campaign) -> None:
    campaign.at(NOW.replace(hour=14))
    postmark.post(postmark.event("Delivery"))

    ((at,),) = campaign.rows("SELECT delivered_at FROM notices WHERE state = 'delivered'")
    assert at.isoformat().startswith("2027-01-01T12:05:00")


def test_what_is_sent_again_changes_nothing(postmark: Postmark) -> None:
    event = postmark.event("Bounce", Type="SoftBounce")
    first, again = postmark.post(event), postmark.post(event)
    other = postmark.post(event | {"Type": "Blocked"})

    assert [done.json()["repeated"] for done in (first, again, other)] == [0, 1, 0]


@pytest.mark.parametrize("forged", ["", "1.aaaaaaaaaaaaaaaa", 7, None])
def test_a_name_that_is_not_ours_names_nothing(
    postmark: Postmark, campaign: Campaign, forged: Any
) -> None:
    done = postmark.post(postmark.event("Bounce", Type="HardBounce", Metadata={"notice": forged}))

    assert done.json() == {"events": 1, "repeated": 0, "unmatched": 1}
    assert state(campaign) == NOTED


def test_a_message_keeps_its_message_id_at_postmark(postmark: Postmark, campaign: Campaign) -> None:
    ((ours,),) = campaign.rows(
        "SELECT message_id FROM notices JOIN contacts USING (contact_id) WHERE email = :bob",
        bob=BOB,
    )
    assert postmark.bobs.message["X-PM-KeepID"] == "true"
    assert postmark.bobs.message["Message-ID"] == ours


def test_nothing_for_postmark_is_written_to_other_servers(
    campaign: Campaign, settings: Settings
) -> None:
    campaign.begin()
    campaign.at(NOW)
    with SmtpServer() as server:
        other = replace(settings, smtp_url=server.url, postmark_token=None)
        with bootstrap(other) as rollout:
            rollout.notices.scheduling.sweep()
            rollout.notices.delivery.sweep()
            closed = Postmark(rollout, server).post({})
        assert server.received
        assert not [r for r in server.received if b"X-PM-" in r.raw]

    assert closed.status_code == 404
    assert "set ROLLOUT_POSTMARK_TOKEN" in closed.json()["detail"]


@pytest.mark.parametrize("password", [None, "", "another-unguessable-word", TOKEN + " ", "é"])
def test_nobody_comes_in_without_the_password(
    postmark: Postmark, campaign: Campaign, password: str | None
) -> None:
    done = postmark.post(postmark.event("Bounce", Type="HardBounce"), password)

    assert done.status_code == 401  # after a 403 Postmark would never try again
    assert done.headers["www-authenticate"].startswith("Basic ")
    assert "ROLLOUT_POSTMARK_TOKEN" in done.json()["detail"]
    assert TOKEN not in done.text
    assert state(campaign) == NOTED


@pytest.mark.parametrize("body", [b"", b"[]", b'"Bounce"'])
def test_a_body_that_makes_no_sense_is_refused(postmark: Postmark, body: bytes) -> None:
    assert postmark.post(body).status_code == 400


def test_a_password_that_can_be_guessed_is_refused() -> None:
    with pytest.raises(BadInput, match="ROLLOUT_POSTMARK_TOKEN has less than 16") as refused:
        Settings.from_environment({"ROLLOUT_POSTMARK_TOKEN": "hunter2"})
    assert "hunter2" not in str(refused.value)
    assert "openssl rand" in str(refused.value.fix)
