"""The circuit breaker: sending that does harm pauses by itself, and a person lets it go on."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.domain.errors import NotFound, Refused
from rollout.services.notices.breaker import NoticeBreaker
from rollout.services.notices.overview import NoticeOverview
from rollout.testing import ACCEPTED, REFUSED, TEMPORARY, FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN
from tests.support.database import rows
from tests.support.returned_mail import complaint, dsn

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OF_THE_CROWD = PLAN.replace("select: {}", "select: {tier: crowd}")
OF_ACME = PLAN.replace("deprecation: api-keys", "deprecation: web-keys").replace(
    "select: {}", "select: {tier: gold}"
)
ANN, ART = "ann@acme.example", "art@acme.example"
CROWD = (
    """
    INSERT INTO accounts (account_id, name, timezone, locale, tier)
    SELECT 'c' || i, 'C' || i, 'UTC', 'en', 'crowd' FROM generate_series(1, :people) i
    """,
    """
    INSERT INTO contacts (account_id, email, name, role)
    SELECT 'c' || i, 'c' || i || '@crowd.example', 'C', 'admin' FROM generate_series(1, :people) i
    """,
    """
    INSERT INTO keys (key_id, account_id, kind, label, hint)
    SELECT 'k' || i, 'c' || i, 'rest', '', '' FROM generate_series(1, :people) i
    """,
)


def gather(campaign: Campaign, people: int) -> None:
    """Begin one deprecation with so many people, and another of Acme alone."""
    campaign.begin(OF_ACME)
    for statement in CROWD:
        campaign.run(statement, people=people)
    campaign.plan.apply(OF_THE_CROWD, "plan.yaml", "olga")


def states(campaign: Campaign, deprecation: str = "api-keys") -> dict[str, int]:
    return dict(
        campaign.rows(
            "SELECT state, count(*) FROM notices WHERE deprecation = :of GROUP BY 1", of=deprecation
        )
    )


def refuse(mailer: FakeMailer, people: int) -> None:
    for number in range(1, people + 1):
        mailer.plan(f"c{number}@crowd.example", REFUSED)


@pytest.fixture
def breaker(campaign: Campaign) -> NoticeBreaker:
    return campaign.breaker


def test_where_more_than_a_tenth_is_refused_sending_pauses_and_says_so(
    campaign: Campaign, mailer: FakeMailer, breaker: NoticeBreaker
) -> None:
    gather(campaign, 60)
    refuse(mailer, 10)
    campaign.remind()
    assert breaker.trip() == 1

    [pause] = breaker.pauses()
    assert (pause.deprecation, pause.owner, pause.opened_at) == ("api-keys", "rollout", NOW)
    assert pause.reason == (
        "of 60 messages tried within 1 h, 10 were not delivered (10 failed, 0 bounced):"
        " more than 10%"
    )
    assert campaign.rows(
        "SELECT actor, subject, reason FROM facts WHERE action = 'sending.paused'"
    ) == [("rollout", "deprecation:api-keys", pause.reason)]
    assert breaker.trip() == 0


def test_a_paused_deprecation_waits_and_the_others_go_on(
    campaign: Campaign, mailer: FakeMailer, breaker: NoticeBreaker
) -> None:
    gather(campaign, 60)
    breaker.pause("api-keys", reason="a wrong link", operator="olga")
    campaign.remind()

    assert states(campaign) == {"pending": 60}
    campaign.at(NOW + 40 * DAY)
    near, _ = next(NoticeOverview(campaign.start).untold("api-keys", None, 1))
    assert near.telling.sending_paused == "a wrong link"
    campaign.at(NOW)
    assert {sent.to for sent in mailer.sent} == {ANN, ART}

    breaker.resume("api-keys", reason="mended", operator="olga")
    campaign.remind()
    assert states(campaign) == {"sent": 60}
    assert campaign.rows(
        "SELECT actor, action, subject, reason FROM facts"
        " WHERE action LIKE 'sending.%' ORDER BY seq"
    ) == [
        ("olga", "sending.paused", "deprecation:api-keys", "a wrong link"),
        ("olga", "sending.resumed", "deprecation:api-keys", "mended"),
    ]


def test_a_letter_of_several_leaves_out_what_is_paused(
    campaign: Campaign, mailer: FakeMailer, breaker: NoticeBreaker
) -> None:
    gather(campaign, 1)
    campaign.run("UPDATE contacts SET email = :ann WHERE account_id = 'c1'", ann=ANN)
    breaker.pause("api-keys", reason="a wrong link", operator="olga")
    campaign.remind()

    assert states(campaign) == {"pending": 1}
    assert states(campaign, "web-keys") == {"sent": 2}


def test_what_a_sender_has_already_still_goes_out(
    campaign: Campaign, breaker: NoticeBreaker
) -> None:
    gather(campaign, 3)
    campaign.scheduling.sweep()
    with campaign.start() as uow:
        leased = uow.ledger.lease(50, 2 * MINUTE)
        uow.commit()
    breaker.pause("api-keys", reason="a wrong link", operator="olga")
    with campaign.start() as uow:
        assert len(uow.ledger.begin(leased, 12 * MINUTE)) == 5
        assert uow.ledger.lease(50, 2 * MINUTE) == []


def test_a_letter_of_several_counts_once_however_it_fares(
    campaign: Campaign, mailer: FakeMailer, breaker: NoticeBreaker
) -> None:
    gather(campaign, 60)
    campaign.run(
        "UPDATE contacts SET email = CASE WHEN contact_id % 2 = 0 THEN 'even' ELSE 'odd' END"
        " || '@agency.example' WHERE account_id IN ('c1', 'c2', 'c3', 'c4', 'c5', 'c6', 'c7', 'c8',"
        " 'c9', 'c10', 'c11', 'c12', 'c13', 'c14', 'c15', 'c16', 'c17', 'c18', 'c19', 'c20')"
    )
    mailer.plan("even@agency.example", REFUSED)
    campaign.remind()
    [odd] = [sent for sent in mailer.sent if sent.to == "odd@agency.example"]
    campaign.reports.take_in(complaint(odd))

    assert states(campaign) == {"bounced": 10, "complained": 10, "sent": 40}
    assert campaign.rows(
        "SELECT sum(accepted), sum(failed), sum(complained) FROM sending_minutes"
        " WHERE deprecation = 'api-keys'"
    ) == [(41, 1, 1)]
    assert breaker.trip() == 0


def test_a_sender_that_dies_counts_for_what_it_leaves_uncertain(
    campaign: Campaign, breaker: NoticeBreaker
) -> None:
    gather(campaign, 60)
    campaign.scheduling.sweep()
    with campaign.start() as uow:
        uow.ledger.begin(uow.ledger.lease(50, 2 * MINUTE), 12 * MINUTE)
        uow.commit()
    campaign.at(NOW + 13 * MINUTE)
    campaign.delivery.reap()

    assert breaker.trip() == 1


def test_what_comes_back_later_counts_for_the_minute_in_which_it_was_sent(
    campaign: Campaign, mailer: FakeMailer, breaker: NoticeBreaker
) -> None:
    gather(campaign, 60)
    campaign.remind()
    crowd = [sent for sent in mailer.sent if "crowd" in sent.to]
    campaign.at(NOW + 30 * MINUTE)
    for sent in crowd[:9]:
        campaign.reports.take_in(dsn(sent))
    assert breaker.trip() == 0

    raw = dsn(crowd[9])
    campaign.reports.take_in(raw)
    campaign.reports.take_in(raw)  # once more
    campaign.reports.take_in(dsn(crowd[9]))  # and by another server
    assert campaign.rows("SELECT sum(bounced), count(DISTINCT minute) FROM sending_minutes") == [
        (10, 1)
    ]
    assert breaker.trip() == 1


@pytest.mark.parametrize(("after", "tripped"), [(6 * HOUR, 1), (DAY + MINUTE, 0)])
def test_slow_bounces_are_seen_over_the_day_and_forgotten_after_it(
    campaign: Campaign,
    mailer: FakeMailer,
    breaker: NoticeBreaker,
    *,
    after: timedelta,
    tripped: int,
) -> None:
    gather(campaign, 60)
    campaign.remind()
    campaign.at(NOW + 5 * HOUR)
    for sent in [sent for sent in mailer.sent if "crowd" in sent.to][:10]:
        campaign.reports.take_in(dsn(sent))
    campaign.at(NOW + after)

    assert breaker.trip() == tripped
    assert bool(campaign.rows("SELECT 1 FROM sending_minutes")) == bool(tripped)


def test_readers_who_call_it_spam_stop_it_too(
    campaign: Campaign, mailer: FakeMailer, breaker: NoticeBreaker
) -> None:
    gather(campaign, 60)
    campaign.remind()
    campaign.at(NOW + 5 * HOUR)
    for sent in [sent for sent in mailer.sent if "crowd" in sent.to][:3]:
        campaign.reports.take_in(complaint(sent))
    assert breaker.trip() == 1

    [pause] = breaker.pauses()
    assert "within 24 h, 3 were called spam" in pause.reason


def test_a_template_that_cannot_be_written_stops_it_before_everything_is_given_up(
    campaign: Campaign, breaker: NoticeBreaker
) -> None:
    gather(campaign, 120)
    campaign.scheduling.sweep()
    campaign.run("UPDATE notices SET template = 'nonsense' WHERE deprecation = 'api-keys'")
    campaign.delivery.sweep()
    campaign.delivery.sweep()
    assert breaker.trip() == 1
    campaign.remind()

    assert states(campaign)["dead"] <= 100
    assert states(campaign)["pending"] >= 20


def test_a_server_that_puts_everything_off_is_no_reason_to_pause(
    campaign: Campaign, mailer: FakeMailer, breaker: NoticeBreaker
) -> None:
    gather(campaign, 60)
    for number in range(1, 61):
        mailer.plan(f"c{number}@crowd.example", TEMPORARY)
    campaign.remind()

    assert campaign.rows(
        "SELECT sum(put_off), sum(accepted) FROM sending_minutes WHERE deprecation = 'api-keys'"
    ) == [(60, 0)]
    assert breaker.trip() == 0


def test_after_it_is_resumed_it_is_judged_by_what_is_sent_from_then_on(
    campaign: Campaign, mailer: FakeMailer, breaker: NoticeBreaker
) -> None:
    gather(campaign, 60)
    refuse(mailer, 10)
    campaign.remind()
    breaker.trip()
    of_before = [sent for sent in mailer.sent if "crowd" in sent.to]
    campaign.at(NOW + 5 * MINUTE)
    breaker.resume("api-keys", reason="stale addresses are out", operator="olga")

    for sent in of_before[:10]:
        campaign.reports.take_in(dsn(sent))
    assert breaker.trip() == 0
    with campaign.start() as uow:
        assert uow.sending.tallies(DAY)[0].deprecation == "web-keys"


def test_whoever_pauses_or_resumes_twice_or_by_a_wrong_name_is_told(
    campaign: Campaign, breaker: NoticeBreaker
) -> None:
    gather(campaign, 1)
    with pytest.raises(NotFound, match="known: api-keys, web-keys"):
        breaker.pause("api-kees", reason="why", operator="olga")
    with pytest.raises(Refused, match="api-keys is not paused"):
        breaker.resume("api-keys", reason="why", operator="olga")
    breaker.pause("api-keys", reason="why", operator="olga")
    with pytest.raises(Refused, match="api-keys is paused already"):
        breaker.pause("api-keys", reason="why", operator="olga")

    assert len(campaign.rows("SELECT 1 FROM facts WHERE action LIKE 'sending.%'")) == 1


def test_two_workers_pause_it_once(
    campaign: Campaign, mailer: FakeMailer, breaker: NoticeBreaker
) -> None:
    gather(campaign, 60)
    refuse(mailer, 10)
    campaign.remind()
    with ThreadPoolExecutor() as workers:
        tripped = [workers.submit(breaker.trip) for _ in range(4)]

    assert sorted(each.result() for each in tripped) == [0, 0, 0, 1]
    assert len(campaign.rows("SELECT 1 FROM facts WHERE action = 'sending.paused'")) == 1


def test_senders_count_side_by_side(campaign: Campaign, mailer: FakeMailer) -> None:
    mailer.plan("c1@crowd.example", ACCEPTED)
    gather(campaign, 200)
    campaign.scheduling.sweep()
    with ThreadPoolExecutor() as senders:
        done = [senders.submit(campaign.delivery.sweep) for _ in range(8)]
    assert sum(each.result() for each in done) == 202

    assert campaign.rows(
        "SELECT deprecation, sum(accepted) FROM sending_minutes GROUP BY 1 ORDER BY 1"
    ) == [("api-keys", 200), ("web-keys", 2)]


def test_what_is_due_in_a_paused_deprecation_is_not_even_read(
    campaign: Campaign, breaker: NoticeBreaker, start: Callable[[], SqlUnitOfWork]
) -> None:
    gather(campaign, 1_500)
    campaign.run("UPDATE enrollments SET next_notice_at = :now", now=NOW)
    while campaign.scheduling.sweep():
        pass
    campaign.run("ANALYZE")
    breaker.pause("api-keys", reason="a wrong link", operator="olga")
    with start() as uow:
        query = (
            "SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables"
            " WHERE relname = 'notices'"
        )
        before = uow._connection.exec_driver_sql(query).scalar_one()
        assert len(uow.ledger.lease(50, 2 * MINUTE)) == 2
        assert uow._connection.exec_driver_sql(query).scalar_one() - before <= 50
    assert rows(campaign.engine, "SELECT count(*) FROM notices") == [(1_502,)]
