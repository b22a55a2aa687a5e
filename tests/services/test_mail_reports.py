"""What comes back changes what was proven: once, with its facts, and never the wrong way."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from rollout.domain.notices import NoticeState
from rollout.domain.notices.delivery import ReportKind
from rollout.services.ports.notice_ledger import Ended
from rollout.testing import UNCERTAIN, FakeMailer, Sent
from tests.support.campaign import ENVELOPES, Campaign
from tests.support.cast import NOW
from tests.support.database import digests
from tests.support.returned_mail import answer, complaint, dsn

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
ANN, ART, BOB = "ann@acme.example", "art@acme.example", "bob@beta.example"


@pytest.fixture
def told(campaign: Campaign) -> Campaign:
    """Everybody was sent the announcement; the grace time is not over."""
    campaign.begin()
    campaign.work(NOW)
    return campaign


@pytest.fixture
def sent(told: Campaign, mailer: FakeMailer) -> dict[str, Sent]:
    return {sent.to: sent for sent in mailer.sent}


def state(campaign: Campaign, to: str, step: str = "announcement") -> str:
    return str(campaign.notice(to, step)[0])


def deliverability(campaign: Campaign, to: str) -> str:
    ((found,),) = campaign.rows("SELECT deliverability FROM contacts WHERE email = :to", to=to)
    return str(found)


def tell_everything(campaign: Campaign) -> None:
    """Let each warning be sent, and its grace time pass."""
    for before in (timedelta(days=30), timedelta(days=3), timedelta(days=2)):
        campaign.work(DEADLINE - before)


def facts(campaign: Campaign, action: str) -> int:
    ((count,),) = campaign.rows("SELECT count(*) FROM facts WHERE action = :action", action=action)
    return int(count)


def test_a_dead_address_bounces_its_notice_and_is_not_written_to_again(
    told: Campaign, sent: dict[str, Sent]
) -> None:
    taken = told.reports.take_in(dsn(sent[BOB]))

    assert taken.new
    assert told.notice(BOB) == (
        "bounced",
        f"{BOB}: 550 5.1.1 User unknown (came back by mail)",
    )
    assert deliverability(told, BOB) == "bounced"
    assert facts(told, "notice.bounced") == 1
    told.work(DEADLINE - timedelta(days=30))
    assert told.notice(BOB, "reminder") == ("skipped", "the address was refused for good")
    assert told.broken() == []


@pytest.mark.parametrize(
    ("status", "words"),
    [("5.2.2", "552 5.2.2 Mailbox full"), ("4.4.7", "Delivery time expired")],
    ids=["for good, but the address lives", "for now"],
)
def test_a_bounce_of_a_living_address_voids_the_notice_and_keeps_the_address(
    told: Campaign, sent: dict[str, Sent], status: str, words: str
) -> None:
    told.reports.take_in(dsn(sent[BOB], status=status, words=words))
    told.work(NOW + timedelta(days=1))

    assert state(told, BOB) == "bounced"
    assert deliverability(told, BOB) == "ok"
    told.work(DEADLINE - timedelta(days=30))
    assert state(told, BOB, "reminder") == "sent"


def test_the_address_that_ours_forwards_to_may_die_without_ours(
    told: Campaign, sent: dict[str, Sent]
) -> None:
    told.reports.take_in(dsn(sent[BOB], recipient="old-bob@elsewhere.example"))

    assert state(told, BOB) == "bounced"
    assert deliverability(told, BOB) == "ok"


def test_a_delay_is_only_noted(told: Campaign, sent: dict[str, Sent]) -> None:
    told.reports.take_in(dsn(sent[BOB], action="delayed", status="4.4.1", words="still trying"))

    assert state(told, BOB) == "sent"
    assert facts(told, "notice.delayed") == 1
    told.work(NOW + timedelta(hours=1))
    assert state(told, BOB) == "delivered"


@pytest.mark.parametrize("action", ["delivered", "relayed", "expanded"])
def test_a_positive_notification_delivers_at_once_at_the_time_it_names(
    told: Campaign, sent: dict[str, Sent], action: str
) -> None:
    told.at(NOW + timedelta(minutes=5))
    at = NOW + timedelta(minutes=2)
    told.reports.take_in(dsn(sent[BOB], action=action, status="2.0.0", words="250 ok", date=at))

    assert state(told, BOB) == "delivered"
    assert told.rows("SELECT delivered_at FROM notices WHERE state = 'delivered'") == [(at,)]


@pytest.mark.parametrize("off", [timedelta(days=-400), timedelta(days=400)])
def test_a_clock_that_is_wrong_makes_no_promise_older_than_its_sending_or_of_the_future(
    told: Campaign, sent: dict[str, Sent], off: timedelta
) -> None:
    told.at(NOW + timedelta(minutes=5))
    told.reports.take_in(
        dsn(sent[BOB], action="delivered", status="2.0.0", words="250 ok", date=NOW + off)
    )

    ((at,),) = told.rows("SELECT delivered_at FROM notices WHERE state = 'delivered'")
    assert NOW <= at <= NOW + timedelta(minutes=6)


def test_a_complaint_proves_arrival_kills_nothing_and_stops_what_is_optional(
    told: Campaign, sent: dict[str, Sent]
) -> None:
    told.reports.take_in(complaint(sent[BOB]))

    assert state(told, BOB) == "complained"
    assert deliverability(told, BOB) == "complained"
    told.work(DEADLINE - timedelta(days=30))
    assert told.notice(BOB, "reminder") == (
        "skipped",
        "its reader called our mail spam: only required notices are sent there",
    )
    told.work(DEADLINE - timedelta(days=3))
    assert state(told, BOB, "final-warning") == "sent"
    assert told.work(DEADLINE).cut == 3  # of acme and beta; nobody reads hermit's mail
    assert told.broken() == []


def test_an_automatic_reply_is_only_noted(told: Campaign, sent: dict[str, Sent]) -> None:
    told.reports.take_in(answer(sent[BOB], automatic=True))

    assert state(told, BOB) == "sent"
    assert facts(told, "notice.auto-replied") == 1
    assert told.rows("SELECT 1 FROM notices WHERE acknowledged_at IS NOT NULL") == []


def test_a_persons_answer_acknowledges(told: Campaign, sent: dict[str, Sent]) -> None:
    told.reports.take_in(answer(sent[BOB]))
    told.at(NOW + timedelta(days=1))
    told.reports.take_in(answer(sent[BOB]))

    query = "SELECT acknowledged_at FROM notices WHERE acknowledged_at IS NOT NULL"
    ((first,),) = told.rows(query)
    assert first - NOW < timedelta(minutes=1)
    assert facts(told, "notice.acknowledged") == 2
    assert state(told, BOB) == "sent"


def test_what_comes_twice_changes_nothing_the_second_time(
    told: Campaign, sent: dict[str, Sent]
) -> None:
    raw = dsn(sent[BOB])
    told.reports.take_in(raw)
    before = digests(told.engine)
    again = told.reports.take_in(raw)
    by_another_way = told.reports.take_in(b"Received: from elsewhere\n" + raw)

    assert (again.new, by_another_way.new) == (False, False)
    assert digests(told.engine) == before


def test_the_same_mail_by_eight_ways_at_once_counts_once(
    told: Campaign, sent: dict[str, Sent]
) -> None:
    raw, strange = dsn(sent[BOB]), b"From: a@b.example\nSubject: Hi\n\n"
    with ThreadPoolExecutor(8) as pool:
        taken = list(pool.map(told.reports.take_in, [raw, strange] * 8))

    assert sum(done.new for done in taken) == 2
    assert facts(told, "notice.bounced") == 1


def test_the_return_path_finds_the_notice_where_nothing_is_quoted(
    told: Campaign, sent: dict[str, Sent]
) -> None:
    path = sent[BOB].return_path
    assert path is not None
    taken = told.reports.take_in(dsn(sent[BOB], to=path, quoted=False))

    assert taken.notice is not None
    assert state(told, BOB) == "bounced"


def test_so_does_the_envelope(told: Campaign, sent: dict[str, Sent]) -> None:
    path = sent[BOB].return_path
    assert path is not None
    told.reports.take_in(dsn(sent[BOB], quoted=False), envelope_to=[path])

    assert state(told, BOB) == "bounced"


def test_so_does_the_name_that_a_report_repeats(told: Campaign, sent: dict[str, Sent]) -> None:
    envelope = sent[BOB].envelope
    assert envelope is not None
    mail = dsn(sent[BOB], quoted=False, action="delivered", envelope_name=envelope.name)
    taken = told.reports.take_in(mail)

    assert taken.notice is not None
    assert state(told, BOB) == "delivered"


def test_a_name_is_surer_than_what_is_quoted(told: Campaign, sent: dict[str, Sent]) -> None:
    envelope = sent[BOB].envelope
    assert envelope is not None
    told.reports.take_in(dsn(sent[ANN], envelope_name=envelope.name))

    assert (state(told, ANN), state(told, BOB)) == ("sent", "bounced")


def test_a_return_path_is_surer_than_what_is_quoted(told: Campaign, sent: dict[str, Sent]) -> None:
    path = sent[BOB].return_path
    assert path is not None
    told.reports.take_in(dsn(sent[ANN], to=path))

    assert (state(told, ANN), state(told, BOB)) == ("sent", "bounced")


def test_what_is_about_none_of_ours_is_kept_and_changes_nothing(
    told: Campaign, sent: dict[str, Sent]
) -> None:
    before = told.rows("SELECT * FROM notices ORDER BY notice_id")
    stranger = Sent("x@y.example", "<theirs@elsewhere.example>", sent[BOB].letter)
    forged = str(ENVELOPES.of(1).return_path).replace("bounces+1.", "bounces+2.")
    for mail in (dsn(stranger), dsn(stranger, to=forged), b"From: a@b.example\nSubject: Hi\n\n"):
        assert told.reports.take_in(mail).notice is None

    assert told.rows("SELECT * FROM notices ORDER BY notice_id") == before
    kept = told.rows(
        "SELECT kind, notice_id, excerpt IS NOT NULL FROM mail_reports JOIN mails"
        " USING (mail_id) ORDER BY report_id"
    )
    assert kept == [("bounced", None, True)] * 2 + [("unknown", None, True)]


def test_mail_of_an_unknown_shape_never_changes_a_notice(
    told: Campaign, sent: dict[str, Sent]
) -> None:
    raw = dsn(sent[BOB], action="exploded")
    assert told.reports.take_in(raw).mail.reports[0].kind is ReportKind.UNKNOWN

    assert (state(told, BOB), deliverability(told, BOB)) == ("sent", "ok")


def test_a_bounce_that_is_faster_than_the_record_of_its_sending_wins(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.scheduling.sweep()
    with campaign.start() as uow:
        leased = next(n for n in uow.ledger.lease(9, timedelta(minutes=2)) if n.email == BOB)
        uow.ledger.begin([leased], timedelta(minutes=12))
        uow.commit()
    campaign.reports.take_in(dsn(Sent(BOB, leased.message_id, None)))  # type: ignore[arg-type]
    with campaign.start() as uow:  # the sender comes to record that the server took it
        assert not uow.ledger.finish([Ended(leased, NoticeState.SENT)])

    assert state(campaign, BOB) == "bounced"


def test_a_notice_that_may_have_arrived_has_arrived_if_its_delivery_is_notified(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, UNCERTAIN)
    campaign.begin()
    campaign.work(NOW)
    ((message_id,),) = campaign.rows("SELECT message_id FROM notices WHERE state = 'uncertain'")
    bob = Sent(BOB, message_id, mailer.sent[0].letter)
    campaign.reports.take_in(dsn(bob, action="delivered", status="2.0.0", words="250 ok"))

    assert state(campaign, BOB) == "delivered"


def test_a_proof_that_comes_after_the_deadline_is_judged_at_once(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, *[UNCERTAIN] * 9)
    campaign.begin()
    campaign.work(NOW)
    tell_everything(campaign)
    assert campaign.work(DEADLINE).held == 2  # beta and hermit
    assert campaign.sweep.sweep().held == 0
    ((message_id,),) = campaign.rows(
        "SELECT message_id FROM notices JOIN contacts USING (contact_id)"
        " WHERE email = :bob AND step = 'announcement'",
        bob=BOB,
    )
    bob = Sent(BOB, message_id, mailer.sent[0].letter)
    campaign.reports.take_in(dsn(bob, action="delivered", status="2.0.0", words="250 ok"))

    assert campaign.sweep.sweep().held == 1
    (code,) = campaign.rows(
        "SELECT code FROM holds JOIN enrollments USING (enrollment_id)"
        " WHERE account_id = 'beta' AND closed_at IS NULL"
    )
    assert code == ("told-too-late",)  # it counts from now, not from when it may have arrived


def test_a_bounce_after_the_grace_time_voids_the_promise_and_the_cutoff_holds(
    told: Campaign, mailer: FakeMailer
) -> None:
    tell_everything(told)
    assert state(told, BOB, "final-warning") == "delivered"

    for sent in mailer.sent:
        if sent.to == BOB:
            told.reports.take_in(dsn(sent, status="4.4.7", words="expired"))
    done = told.work(DEADLINE)

    assert (done.cut, done.held) == (2, 2)  # acme is cut; beta and hermit are held
    assert told.rows("SELECT status FROM keys WHERE key_id = 'k-beta-1'") == [("active",)]
    ((code, why),) = told.rows(
        "SELECT code, h.reason FROM holds h JOIN enrollments USING (enrollment_id)"
        " WHERE account_id = 'beta'"
    )
    assert code == "not-told"
    assert why.startswith("0 of 1 people have a delivered message")
    assert "after it had counted as delivered" in str(told.notice(BOB, "final-warning")[1])
    assert told.broken() == []


def test_a_bounce_after_the_cutoff_does_not_rewrite_what_the_cutoff_relied_on(
    told: Campaign, mailer: FakeMailer
) -> None:
    tell_everything(told)
    assert told.work(DEADLINE).cut == 3
    told.at(DEADLINE + timedelta(hours=1))
    for sent in [s for s in mailer.sent if s.to == BOB]:
        told.reports.take_in(dsn(sent))

    assert state(told, BOB, "final-warning") == "bounced"
    assert told.broken() == []
