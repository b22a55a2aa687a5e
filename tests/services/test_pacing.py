"""What is too much for a domain waits, which costs nobody an attempt."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from rollout.domain.notices.rates import FIRST_PAUSE, MailRates, Rate
from rollout.services.notices.delivery import BATCH, NoticeDelivery
from rollout.services.notices.pacing import Pacing
from rollout.services.ports import Receipt, StartUnitOfWork
from rollout.services.ports.send_rates import Wanted
from rollout.testing import (
    NO_LINE,
    REFUSED,
    TEMPORARY,
    THROTTLED,
    FakeMailer,
    FakeRenderer,
    FakeSendRates,
)
from tests.support.campaign import ENVELOPES, GRACE, Campaign
from tests.support.cast import NOW, PLAN
from tests.support.crowd import gather
from tests.support.database import rows, run

ANN, ART, BOB = EVERYBODY = ("ann@acme.example", "art@acme.example", "bob@beta.example")
MINUTE = timedelta(minutes=1)
ONE_A_MINUTE = Rate(1, "min")
OTHER = PLAN.replace("deprecation: api-keys", "deprecation: old-keys").replace(
    "title: API keys", "title: Old keys"
)


@pytest.fixture
def rates() -> FakeSendRates:
    return FakeSendRates()


@pytest.fixture
def limits() -> MailRates:
    return MailRates({"acme.example": ONE_A_MINUTE})


@pytest.fixture
def campaign(
    engine: Engine, mailer: FakeMailer, rates: FakeSendRates, limits: MailRates
) -> Campaign:
    return Campaign(engine, mailer, rates=rates, limits=limits)


def ledger(campaign: Campaign) -> dict[str, tuple[Any, ...]]:
    """Return of each: its state, its attempts, in how many seconds it is due, and why it waits."""
    rows = campaign.rows(
        "SELECT email, state, attempts,"
        " round(extract(epoch FROM attempt_at - rollout_now()))::int, reason"
        " FROM notices JOIN contacts USING (contact_id) ORDER BY notice_id"
    )
    return {email: tuple(row) for email, *row in rows}


def send_elsewhere(rates: FakeSendRates, *domains: str) -> None:
    """Let another worker send a letter to each domain, so that one more may go at once."""
    rates.ask({domain: Wanted(1, ONE_A_MINUTE) for domain in domains})


def pass_time(campaign: Campaign, rates: FakeSendRates, since: timedelta, until: timedelta) -> None:
    rates.sleep((until - since).total_seconds())
    campaign.work(NOW + until)


def test_what_is_over_the_limit_of_a_domain_waits_until_there_is_room(
    campaign: Campaign, mailer: FakeMailer, rates: FakeSendRates
) -> None:
    send_elsewhere(rates, "acme.example")
    campaign.begin()
    campaign.work(NOW)

    assert [sent.to for sent in mailer.sent] == [ANN, BOB]
    assert ledger(campaign)[ART] == ("retry", 0, 60, "acme.example gets at most 1/min")

    pass_time(campaign, rates, timedelta(0), MINUTE)
    assert ledger(campaign)[ART][:2] == ("sent", 1)
    assert mailer.attempts == [ANN, BOB, ART]


@pytest.mark.parametrize("limits", [MailRates(otherwise=ONE_A_MINUTE)])
def test_the_limit_of_all_others_holds_for_each_domain_by_itself(
    campaign: Campaign, mailer: FakeMailer, rates: FakeSendRates
) -> None:
    send_elsewhere(rates, "acme.example", "beta.example")
    campaign.begin()
    campaign.work(NOW)

    assert [sent.to for sent in mailer.sent] == [ANN, BOB]


def test_a_letter_that_tells_several_notices_is_one(
    campaign: Campaign, mailer: FakeMailer, rates: FakeSendRates
) -> None:
    send_elsewhere(rates, "acme.example")
    campaign.begin()
    campaign.plan.apply(OTHER, "plan.yaml", "olga")
    campaign.work(NOW)
    assert [sent.to for sent in mailer.sent] == [ANN, BOB]
    assert campaign.rows("SELECT count(*) FROM notices WHERE state = 'retry'") == [(2,)]

    pass_time(campaign, rates, timedelta(0), MINUTE)
    assert [sent.to for sent in mailer.sent] == [ANN, BOB, ART]
    assert campaign.rows("SELECT DISTINCT state FROM notices") == [("sent",)]


def test_what_waits_for_the_hours_of_its_reader_takes_nobodys_place(
    campaign: Campaign, mailer: FakeMailer, rates: FakeSendRates
) -> None:
    send_elsewhere(rates, "acme.example")
    campaign.begin(PLAN + 'notices: {hours: "09:00-17:00"}\n')
    campaign.run("UPDATE contacts SET timezone = 'Asia/Tokyo' WHERE email = :ann", ann=ANN)
    campaign.scheduling.sweep()
    campaign.run("UPDATE notices SET attempt_at = rollout_now()")  # as after an outage
    campaign.delivery.sweep()

    assert ledger(campaign)[ANN][3] == "in the reader's own hours"
    assert [sent.to for sent in mailer.sent] == [ART]


@pytest.mark.parametrize("limits", [MailRates()])
def test_a_domain_that_asks_for_less_gets_nothing_more_and_others_go_on(
    campaign: Campaign, mailer: FakeMailer, rates: FakeSendRates
) -> None:
    mailer.plan(ANN, THROTTLED)
    campaign.begin()
    campaign.work(NOW)

    assert mailer.attempts == [ANN, BOB]
    assert ledger(campaign)[ART] == ("retry", 0, 60, "acme.example has asked for less mail for now")
    assert ledger(campaign)[ANN] == ("retry", 1, 30, THROTTLED.reply)

    pass_time(campaign, rates, timedelta(0), MINUTE / 2)  # its own wait is over, not the pause
    assert ledger(campaign)[ANN] == (
        *("retry", 1, 30),
        "acme.example has asked for less mail for now",
    )
    assert mailer.attempts == [ANN, BOB]

    pass_time(campaign, rates, MINUTE / 2, 2 * MINUTE)
    assert {state for state, *_ in ledger(campaign).values()} == {"sent"}


@pytest.mark.parametrize("limits", [MailRates()])
def test_a_letter_taken_after_the_pause_ends_the_matter(
    campaign: Campaign, mailer: FakeMailer, rates: FakeSendRates
) -> None:
    mailer.plan(ANN, THROTTLED)
    campaign.begin()
    campaign.work(NOW)
    pass_time(campaign, rates, timedelta(0), 2 * MINUTE)
    mailer.plan(ANN, THROTTLED)
    campaign.dates.extend("acme", to=timedelta(days=30), reason="asked", operator="olga")
    campaign.work(NOW + 2 * MINUTE)

    assert ledger(campaign)[ART][2] == FIRST_PAUSE.total_seconds()


@pytest.mark.parametrize("limits", [MailRates()])
@pytest.mark.parametrize("said", [TEMPORARY, REFUSED], ids=lambda r: str(r.outcome))
def test_what_is_said_of_one_letter_holds_no_other_back(
    campaign: Campaign, mailer: FakeMailer, said: Receipt
) -> None:
    mailer.plan(ANN, said)
    campaign.begin()
    campaign.work(NOW)

    assert [sent.to for sent in mailer.sent] == [ART, BOB]


@pytest.mark.parametrize("limits", [MailRates()])
def test_where_the_line_is_closed_with_it_the_rest_waits_for_the_server_alone(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(ANN, replace(THROTTLED, closing=True))
    campaign.begin()
    campaign.work(NOW)

    assert mailer.attempts == [ANN]
    assert ledger(campaign)[ART][:3] == ("retry", 0, 60)
    assert ledger(campaign)[BOB][:3] == ("retry", 0, 30)


@pytest.mark.parametrize("limits", [MailRates()])
def test_a_server_that_takes_nothing_is_no_word_of_a_domain(
    campaign: Campaign, mailer: FakeMailer, rates: FakeSendRates
) -> None:
    mailer.plan(ANN, NO_LINE)
    campaign.begin()
    campaign.work(NOW)
    campaign.work(NOW + MINUTE / 2)

    assert [sent.to for sent in mailer.sent] == list(EVERYBODY)


def test_a_crowd_that_has_to_wait_is_put_off_once_each_one_after_the_other_and_keeps_nobody_up(
    engine: Engine, mailer: FakeMailer, rates: FakeSendRates, start: StartUnitOfWork
) -> None:
    crowd, others = 3 * BATCH, 10
    gather(engine, crowd + others, first=timedelta(days=30))
    run(engine, "UPDATE notices SET state = 'pending', sent_at = NULL, delivered_at = NULL")
    to_one = "UPDATE contacts SET email = account_id || '@many.example' WHERE contact_id <= :n"
    run(engine, to_one, n=crowd)
    pacing = Pacing(start, rates, MailRates({"many.example": ONE_A_MINUTE}))
    renderer = FakeRenderer("announcement")
    delivery = NoticeDelivery(start, renderer, mailer, GRACE, ENVELOPES, pacing=pacing)
    while delivery.sweep():
        pass

    assert len(mailer.sent) == 2 + others
    assert rows(engine, "SELECT DISTINCT lease FROM notices") == [(1,)]
    turns = rows(
        engine,
        "SELECT round(extract(epoch FROM attempt_at - now()) / 60)::int FROM notices"
        " WHERE state = 'retry' ORDER BY 1",
    )
    assert [minutes for (minutes,) in turns] == list(range(1, crowd - 1))
