"""What was sent is kept before it leaves, byte for byte, and shown again exactly."""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Iterator
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from sqlalchemy import Engine

from rollout.adapters.mail.dkim import DkimSigner
from rollout.domain.notices.proof import Proof
from rollout.services.notices.keeping import KeptLetters, ShownNotice
from rollout.testing import NO_LINE, REFUSED, TEMPORARY, UNCERTAIN, FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN
from tests.support.dkim import verify
from tests.support.mailing import mailer as smtp_mailer
from tests.support.smtp_server import ACCEPT_THEN_DIE, Act, Phase, SmtpServer

ANN, ART, BOB = "ann@acme.example", "art@acme.example", "bob@beta.example"
AN_HOUR = timedelta(hours=1)
RESENT = PLAN.replace("before: 60d}", "before: 60d, if_uncertain: resend}")
KEY = ed25519.Ed25519PrivateKey.generate()
DNS = {"rollout2027": f"p={b64encode(KEY.public_key().public_bytes_raw()).decode()}"}
# Of another account: so one letter tells Ann two things.
ANN_AT_BETA = (
    "INSERT INTO contacts (account_id, email, name, role)"
    " VALUES ('beta', 'Ann@Acme.example', 'Ann', 'consultant')"
)
BEING_SENT = (
    "SELECT state, count(letter_id) FROM notices LEFT JOIN letters ON letter_id = ANY(letter_ids)"
    " WHERE state = 'sending' GROUP BY 1"
)
FORGERIES = {
    "digest": "UPDATE letters SET digest = sha256('x')",
    "bytes": "UPDATE letters SET packed = set_byte(packed, length(packed) - 5, 0)",
    "rubbish": "UPDATE letters SET packed = 'not packed'",
    "another letter": "UPDATE letters l SET packed = o.packed, packed_with = o.packed_with,"
    " digest = o.digest FROM letters o WHERE o.letter_id <> l.letter_id",
    "specimen": "UPDATE template_versions SET specimen = ''",
}
SOMEBODY_NEW = """
INSERT INTO contacts (account_id, email, name, role) VALUES ('beta', 'x@y.example', '', '')
"""
DOTTED = "{# every third line begins with a dot #}\n.\n\n.a\n\n..b\n\n{{ account_name }}\n"


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as running:
        yield running


@pytest.fixture
def real(engine: Engine, server: SmtpServer, tmp_path: Path) -> Campaign:
    """A campaign that is sent over SMTP, signed, by texts that must be stuffed."""
    own = tmp_path / "own" / "announcement"
    own.mkdir(parents=True)
    (own / "body.txt").write_text(DOTTED, encoding="utf-8")
    signer = DkimSigner("platform.example", "rollout2027", KEY)
    return Campaign(engine, smtp_mailer(server.url, signer=signer), own.parent)


def ids(campaign: Campaign, to: str, step: str = "announcement") -> list[int]:
    query = (
        "SELECT notice_id FROM notices JOIN contacts USING (contact_id)"
        " WHERE lower(email) = :to AND step = :step ORDER BY notice_id"
    )
    return [notice_id for (notice_id,) in campaign.rows(query, to=to, step=step)]


def shown(campaign: Campaign, to: str) -> ShownNotice:
    return campaign.kept.show(ids(campaign, to)[0])


def data(notice: ShownNotice) -> list[bytes | None]:
    return [each.letter.data for each in notice.letters]


def named(notice: ShownNotice, action: str) -> list[str]:
    """Return the digests that facts of an action name."""
    facts = (json.loads(fact.data) for fact in notice.facts if fact.action == action)
    return [fact["sha256"] for fact in facts]


def test_each_letter_is_kept_as_the_server_got_it_signature_and_lone_dots_included(
    real: Campaign, server: SmtpServer
) -> None:
    real.begin()
    real.run(ANN_AT_BETA)
    real.remind()
    received = {each.recipient.lower(): each.raw for each in server.wait_for(3)}

    assert all(b"\r\n.a\r\n" in raw and b"\r\n..b\r\n" in raw for raw in received.values())
    for raw in received.values():
        assert verify(raw, DNS) == [""]
    for to in (ANN, ART, BOB):
        for notice_id in ids(real, to):
            notice = real.kept.show(notice_id)
            (only,) = notice.letters
            assert (only.letter.data, only.proof) == (received[to], Proof.PROVEN)
            assert only.letter.tells == tuple(ids(real, to))
            assert named(notice, "notice.sent") == [sha256(received[to]).hexdigest()]
    assert len(ids(real, ANN)) == 2
    assert real.rows("SELECT count(*) FROM letters") == [(3,)]


def test_what_differs_from_letter_to_letter_is_all_that_takes_room(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.remind()
    sizes = campaign.rows("SELECT size, length(packed) FROM letters")

    assert all(size > 5_000 and packed < size / 8 for size, packed in sizes)


def test_a_template_that_changes_afterwards_changes_nothing_of_what_is_shown(
    real: Campaign, server: SmtpServer, tmp_path: Path
) -> None:
    real.begin()
    real.remind()
    before = shown(real, BOB)
    (tmp_path / "own" / "announcement" / "body.txt").write_text("Something else.\n", "utf-8")
    real.run(SOMEBODY_NEW)
    real.run("UPDATE enrollments SET next_notice_at = :now WHERE account_id = 'beta'", now=NOW)
    real.run("UPDATE enrollments SET told_until = NULL")
    real.remind()

    after = shown(real, "x@y.example")
    assert shown(real, BOB) == before
    assert b"Something else." in (data(after)[0] or b"")
    versions = (before.about["template_version"], after.about["template_version"])
    assert len({*versions}) == 2
    assert real.rows(
        "SELECT sources -> 'announcement/body.txt' -> 0 ->> 'text' FROM template_versions"
        " WHERE template = 'announcement' ORDER BY version_id"
    ) == [(DOTTED,), ("Something else.\n",)]
    sent = [json.loads(fact.data) for fact in after.facts if fact.action == "notice.sent"]
    assert [fact["template_version"] for fact in sent] == [versions[1]]


def test_of_a_letter_that_may_have_arrived_and_was_sent_again_both_are_kept(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, UNCERTAIN)
    campaign.begin(RESENT)
    campaign.work(NOW)
    notice = shown(campaign, BOB)
    assert [each.proof for each in notice.letters] == [Proof.PROVEN]

    campaign.work(NOW + AN_HOUR)
    notice = shown(campaign, BOB)
    first, second = (mail for mail in mailer.mails if BOB.encode() in mail)
    assert first != second
    assert data(notice) == [first, second]
    assert [each.proof for each in notice.letters] == [Proof.PROVEN] * 2
    assert named(notice, "notice.resent") == [sha256(first).hexdigest()]
    assert named(notice, "notice.sent") == [sha256(second).hexdigest()]


@pytest.mark.parametrize("failure", [TEMPORARY, NO_LINE], ids=str)
def test_a_letter_that_was_known_not_to_be_taken_is_forgotten(
    campaign: Campaign, mailer: FakeMailer, failure: Any
) -> None:
    for to in (ANN, ART, BOB):
        mailer.plan(to, failure)
    campaign.begin()
    campaign.work(NOW)
    assert campaign.rows("SELECT count(*) FROM letters") == [(0,)]
    assert shown(campaign, BOB).letters == []

    mailer.recover()
    campaign.work(NOW + AN_HOUR)
    assert data(shown(campaign, BOB)) == [mail for mail in mailer.mails if BOB.encode() in mail]


def test_a_letter_of_which_nobody_knows_and_one_that_was_refused_are_kept(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, UNCERTAIN)
    mailer.plan(ART, REFUSED)
    campaign.begin()
    campaign.work(NOW)

    for to, action in ((BOB, "notice.uncertain"), (ART, "notice.bounced")):
        (only,) = shown(campaign, to).letters
        assert only.proof is Proof.PROVEN
        assert named(shown(campaign, to), action) == [only.letter.digest.hex()]


def test_a_letter_is_kept_before_the_server_has_it_and_proven_if_its_sender_dies(
    real: Campaign, server: SmtpServer
) -> None:
    kept: list[tuple[Any, ...]] = []
    look = Act("354 Go ahead", first=lambda _: kept.extend(real.rows(BEING_SENT)))
    server.plan(Phase.DATA, *[look] * 3)
    real.begin()
    real.remind()
    assert kept == [("sending", 1)] * 3

    digest = shown(real, BOB).letters[0].letter.digest
    real.run("UPDATE notices SET state = 'sending', leased_until = :now", now=NOW)
    real.delivery.reap()
    notice = shown(real, BOB)
    assert notice.about["state"] == "uncertain"
    assert named(notice, "notice.uncertain") == [digest.hex()]


def test_the_bytes_are_dropped_after_so_many_days_and_the_digests_stay(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.remind()
    keeping = KeptLetters(campaign.start, timedelta(days=400))
    campaign.at(NOW + timedelta(days=399))
    assert keeping.drop_old() == 0
    campaign.at(NOW + timedelta(days=401))
    assert KeptLetters(campaign.start, None).drop_old() == 0
    assert keeping.drop_old() == 3
    assert keeping.drop_old() == 0

    (only,) = shown(campaign, BOB).letters
    (sent,) = (mail for mail in mailer.mails if BOB.encode() in mail)
    assert (only.letter.data, only.proof) == (None, Proof.GONE)
    assert (only.letter.digest, only.letter.size) == (sha256(sent).digest(), len(sent))
    assert campaign.rows(
        "SELECT data -> 'letters' FROM facts WHERE action = 'letters.dropped'"
    ) == [(3,)]


@pytest.mark.parametrize("forgery", FORGERIES)
def test_what_was_altered_since_is_said(campaign: Campaign, forgery: str) -> None:
    campaign.begin()
    campaign.remind()
    campaign.run(FORGERIES[forgery])

    for to in (ANN, BOB):
        (only,) = shown(campaign, to).letters
        assert only.proof is Proof.ALTERED


def test_an_uncertain_letter_of_a_server_that_died_is_what_that_server_had(
    real: Campaign, server: SmtpServer
) -> None:
    server.plan(Phase.DOT, ACCEPT_THEN_DIE)
    real.begin()
    real.remind()
    real.work(NOW + AN_HOUR)
    received = {each.recipient: each.raw for each in server.wait_for(3)}

    states = {shown(real, to).about["state"] for to in received}
    assert states == {"uncertain", "sent"}
    assert all(data(shown(real, to)) == [raw] for to, raw in received.items())


def test_of_a_notice_that_was_sent_before_letters_were_kept_nothing_is_claimed(
    campaign: Campaign,
) -> None:
    campaign.begin()
    campaign.remind()
    campaign.run("UPDATE notices SET letter_ids = NULL, template_version = NULL")
    campaign.run("DELETE FROM letters")
    notice = shown(campaign, BOB)
    assert (notice.letters, notice.about["template_version"]) == ([], None)
    assert notice.about["sent_at"] == NOW
