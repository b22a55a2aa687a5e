"""Questions about usage: as of any instant, by the day, and while a feed has stopped."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta

import pytest
from sqlalchemy import Engine

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.reading import Piece
from rollout.adapters.signatures import load_signatures
from rollout.domain.errors import BadInput
from rollout.domain.usage import Usage
from rollout.services.ports.usage_questions import GroupBy, Interval, KeyFilter
from rollout.services.usage import CallerNaming, UsageImport, UsageRetention
from rollout.services.usage.feeds import UsageFeeds
from rollout.services.usage.questions import UsageQuestions
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN
from tests.support.database import rows, run, set_clock

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
ONE_SECOND = timedelta(seconds=1)
MANY = 20


@pytest.fixture
def questions(start: Callable[[], SqlUnitOfWork], engine: Engine) -> UsageQuestions:
    set_clock(engine, NOW)
    return UsageQuestions(start)


@pytest.fixture
def call(start: Callable[[], SqlUnitOfWork], questions: UsageQuestions) -> Callable[..., None]:
    """Let keys be used: each (key, user agent, instant); then name the callers."""

    def log(*calls: tuple[str, str, datetime]) -> None:
        lines = [
            f"10.0.0.1 - {key} [{at:%d/%b/%Y:%H:%M:%S} +0000]"
            f' "GET / HTTP/1.1" 200 5 "-" "{agent}"\n'
            for key, agent, at in calls
        ]
        reader = FEEDS[LogFormat.COMBINED]
        piece = Piece("log", "".join(lines).encode())
        UsageImport(start).import_log(piece, reader, feed="web", operator="olga")
        CallerNaming(start, load_signatures).name_all()

    return log


def register(engine: Engine, *keys: str, kind: str = "rest") -> None:
    for key in keys:
        run(engine, "INSERT INTO accounts VALUES (:a, :a, 'UTC', 'en', 'free')", a=f"of-{key}")
        run(
            engine,
            "INSERT INTO keys (key_id, account_id, kind, label, hint)"
            " VALUES (:key, :a, :kind, '', '')",
            key=key,
            a=f"of-{key}",
            kind=kind,
        )


def listen(engine: Engine, since: datetime, until: datetime, feed: str = "web") -> None:
    """Let a feed report from then until then."""
    run(engine, "INSERT INTO feeds (feed) VALUES (:feed) ON CONFLICT DO NOTHING", feed=feed)
    run(
        engine,
        "UPDATE feeds SET first_event = :since, newest_event = :until,"
        " reported = tstzmultirange(tstzrange(:since, :until)) WHERE feed = :feed",
        since=since,
        until=until,
        feed=feed,
    )


# As of an instant


@pytest.mark.parametrize(
    ("at", "last"),
    [
        (NOW - 9 * DAY, None),
        (NOW - 5 * DAY - ONE_SECOND, NOW - 8 * DAY),
        (NOW - 5 * DAY, NOW - 5 * DAY),
        (NOW - 5 * DAY + 5 * ONE_SECOND, NOW - 5 * DAY),  # its hour is not over: the first use
        (NOW - 5 * DAY + 600 * ONE_SECOND, NOW - 5 * DAY + 600 * ONE_SECOND),
        (NOW - 4 * DAY, NOW - 5 * DAY + 600 * ONE_SECOND),
        (NOW, NOW - DAY),
    ],
)
def test_the_last_use_before_any_instant_is_known(
    engine: Engine,
    questions: UsageQuestions,
    call: Callable[..., None],
    at: datetime,
    last: datetime | None,
) -> None:
    register(engine, "k1")
    call(
        ("k1", "curl/8", NOW - 8 * DAY),
        ("k1", "curl/8", NOW - 5 * DAY),
        ("k1", "curl/8", NOW - 5 * DAY + 600 * ONE_SECOND),
        ("k1", "curl/8", NOW - DAY),
    )

    (key,) = questions.keys(at=at)
    total = questions.summary(at=at).total

    assert key.row.history.last_seen == last
    assert (total.used, total.older, total.never) == ((0, 0, 1) if last is None else (1, 0, 0))


def test_of_months_that_were_dropped_the_days_of_use_are_left(
    engine: Engine,
    start: Callable[[], SqlUnitOfWork],
    questions: UsageQuestions,
    call: Callable[..., None],
) -> None:
    register(engine, "k1")
    early, late = datetime(2026, 9, 10, 8, tzinfo=UTC), datetime(2026, 12, 20, tzinfo=UTC)
    call(("k1", "curl/8", early), ("k1", "curl/8", early + 3 * DAY), ("k1", "curl/8", late))
    UsageRetention(start, 60 * DAY).drop_old()

    def last(at: datetime) -> datetime | None:
        (key,) = questions.keys(at=at)
        return key.row.history.last_seen

    end_of_day = datetime(2026, 9, 14, tzinfo=UTC) - timedelta(microseconds=1)
    assert last(datetime(2026, 12, 1, tzinfo=UTC)) == end_of_day
    assert last(datetime(2026, 10, 1, tzinfo=UTC)) == end_of_day
    assert last(early + HOUR) == early + HOUR  # rather too late than too early
    assert last(early - HOUR) is None
    assert last(late + HOUR) == late


def test_what_an_authority_said_of_a_later_use_says_nothing_of_earlier_ones(
    engine: Engine, questions: UsageQuestions
) -> None:
    register(engine, "before", "after", "never")
    for key, last in (("before", NOW - 50 * DAY), ("after", NOW - 2 * DAY), ("never", None)):
        run(
            engine,
            "INSERT INTO key_usage (key_id, count, refused, last_seen, attested_at)"
            " VALUES (:key, 0, 0, :last, :at)",
            key=key,
            last=last,
            at=NOW,
        )

    as_of = {k.row.key_id: k.judged.usage for k in questions.keys(at=NOW - 10 * DAY)}

    assert as_of == {
        "before": Usage.UNUSED,
        "after": Usage.UNKNOWN,
        "never": Usage.UNUSED,
    }


def test_a_rhythm_is_learnt_from_the_days_up_to_the_instant(
    engine: Engine, questions: UsageQuestions, call: Callable[..., None]
) -> None:
    register(engine, "k1")
    tenths = [datetime(2026, month, 10, 9, tzinfo=UTC) for month in range(6, 10)]
    every_day = [datetime(2026, 10, 13, 9, tzinfo=UTC) + n * DAY for n in range(75)]
    call(*(("k1", "curl/8", at) for at in (*tenths, *every_day)))
    listen(engine, NOW - 300 * DAY, NOW)

    (key,) = questions.keys(at=datetime(2026, 10, 12, 8, tzinfo=UTC))

    assert key.judged.usage is Usage.UNKNOWN
    assert "normally every month" in key.judged.why


def test_a_feed_covers_nothing_after_the_instant_and_nothing_before_it_began(
    engine: Engine, questions: UsageQuestions
) -> None:
    register(engine, "k1")
    listen(engine, NOW - 80 * DAY, NOW - 20 * DAY)

    judged = {
        days: next(questions.keys(at=NOW - days * DAY)).judged.usage
        for days in (0, 15, 20, 21, 50, 51, 90)
    }

    assert judged == {
        0: Usage.UNKNOWN,
        15: Usage.UNKNOWN,
        20: Usage.UNUSED,
        21: Usage.UNUSED,
        50: Usage.UNUSED,
        51: Usage.UNKNOWN,
        90: Usage.UNKNOWN,
    }


def test_what_was_covered_is_told_as_it_was_then(engine: Engine, questions: UsageQuestions) -> None:
    listen(engine, NOW - 80 * DAY, NOW)

    assert questions.summary(at=NOW - 10 * DAY).coverage == (
        "feed web, complete from 2026-10-13 to 2026-12-22 12:00 UTC, newest event 0 s old",
    )


# Counts


def test_a_daily_caller_that_has_stopped_is_found_before_its_window_is_over(
    engine: Engine, questions: UsageQuestions, call: Callable[..., None]
) -> None:
    register(engine, "daily", "new")
    call(*(("daily", "curl/8", NOW - (20 + n) * DAY) for n in range(40)))
    call(("new", "curl/8", NOW - 20 * DAY))
    listen(engine, NOW - 80 * DAY, NOW)

    assert [k.row.key_id for k in questions.keys(usage=Usage.UNUSED)] == ["daily"]
    assert [k.row.key_id for k in questions.keys(usage=Usage.IN_USE)] == ["new"]
    total = questions.summary().total
    assert (total.used, total.in_use, total.unused) == (2, 1, 1)


def test_the_window_includes_its_first_instant(
    engine: Engine, questions: UsageQuestions, call: Callable[..., None]
) -> None:
    register(engine, "k1", "k2")
    call(("k1", "curl/8", NOW - 3 * DAY), ("k2", "curl/8", NOW - 20 * DAY))

    def counted(window: timedelta, at: datetime) -> tuple[int, int, int]:
        total = questions.summary(window=window, at=at).total
        return total.used, total.older, total.in_use

    assert counted(3 * DAY, NOW) == (1, 1, 1)
    assert counted(3 * DAY, NOW + ONE_SECOND) == (0, 2, 0)
    assert counted(20 * DAY, NOW) == (2, 0, 2)
    assert counted(20 * DAY, NOW + ONE_SECOND) == (1, 1, 1)


def test_a_key_counts_under_each_of_its_integrations_and_once_in_all(
    engine: Engine, questions: UsageQuestions, call: Callable[..., None]
) -> None:
    register(engine, "both", "none", "off")
    run(engine, "UPDATE keys SET status = 'disabled' WHERE key_id = 'off'")
    call(
        ("both", "Zapier", NOW - DAY),
        ("both", "Segment.io/1.0", NOW - DAY),
        ("off", "Zapier", NOW - DAY),
    )

    found = questions.summary(by=GroupBy.INTEGRATION)

    assert {name: c.active for name, c in found.groups.items()} == {
        "Segment": 1,
        "Zapier": 1,
        None: 1,
    }
    assert (found.total.active, found.total.in_use) == (2, 1)
    with pytest.raises(BadInput, match="which one is not said"):
        questions.summary(by=GroupBy.COHORT)


def test_the_deprecation_says_what_its_keys_are_judged_by(campaign: Campaign) -> None:
    guards = "guards: {usage_window: 60d, min_notice: 14d,"
    campaign.begin(PLAN.replace("guards: {min_notice: 14d,", guards))
    questions = UsageQuestions(campaign.start)
    campaign.run("UPDATE key_usage SET last_seen = :at", at=NOW - 50 * DAY)

    of = KeyFilter(deprecation="api-keys")
    assert [k.row.key_id for k in questions.keys(of, usage=Usage.IN_USE)] == ["k-acme-1"]
    assert list(questions.keys(usage=Usage.IN_USE)) == []
    assert questions.summary(of).total.used == 1
    assert questions.summary().total.used == 0


def test_keys_come_each_once_first_a_few_and_then_the_rest(
    engine: Engine,
    questions: UsageQuestions,
    call: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rollout.services.usage.questions.keys.FEW", 3)
    register(engine, *(f"k{n}" for n in range(8)))
    for key in ("k1", "k6", "x1", "x6"):  # one of the few, and one of the rest
        call((key, "Zapier", NOW - 60 * DAY), (key, "Segment.io/1.0", NOW - 50 * DAY))
        call((key, "curl/8", NOW - 50 * DAY))
    for key in ("x0", "x2", "x3"):
        call((key, "curl/8", NOW - 50 * DAY))
    listen(engine, NOW - 80 * DAY, NOW)

    assert [k.row.key_id for k in questions.keys(KeyFilter())] == [f"k{n}" for n in range(8)]
    assert len(list(questions.keys(usage=Usage.UNUSED))) == 8
    assert list(questions.keys(usage=Usage.UNKNOWN)) == []
    for which, first in ((KeyFilter(), "k"), (KeyFilter(registered=False), "x")):
        for at, named in ((None, ("Segment", "Zapier")), (NOW - 55 * DAY, ("Zapier",))):
            served = {k.row.key_id: k.row.integrations for k in questions.keys(which, at=at)}
            assert {key: names for key, names in served.items() if names} == {
                f"{first}1": named,
                f"{first}6": named,
            }


# Who has moved


def test_who_calls_every_month_has_not_moved_after_three_weeks(
    engine: Engine, questions: UsageQuestions, call: Callable[..., None]
) -> None:
    register(engine, "monthly", "daily", "still")
    firsts = [datetime(2026, month, 10, 9, tzinfo=UTC) for month in range(7, 13)]
    call(
        *(("monthly", "Zapier", at) for at in firsts),
        *(("daily", "Zapier", firsts[-1] - n * DAY) for n in range(60)),
        ("daily", "billing-cron/1", NOW - HOUR),  # uses the key still, but by itself
        ("still", "Zapier", NOW - HOUR),
    )
    listen(engine, NOW - 200 * DAY, NOW)

    found = {c.row.account_id: c for c in questions.integration("Zapier").customers}

    assert {account: c.judged.usage for account, c in found.items()} == {
        "of-still": Usage.IN_USE,
        "of-daily": Usage.UNUSED,
        "of-monthly": Usage.UNKNOWN,
    }
    assert [account for account, c in found.items() if c.moved] == ["of-daily"]
    assert "normally every month" in found["of-monthly"].judged.why


def test_nobody_has_moved_while_no_feed_has_listened(
    engine: Engine, questions: UsageQuestions, call: Callable[..., None]
) -> None:
    register(engine, "k1")
    call(("k1", "Zapier", NOW - 40 * DAY))

    (customer,) = questions.integration("Zapier").customers

    assert not customer.moved
    assert "has been silent" in customer.judged.why


def test_the_trend_compares_a_week_with_the_week_before(
    engine: Engine, questions: UsageQuestions, call: Callable[..., None]
) -> None:
    register(engine, "k1")
    call(*(("k1", "Zapier", NOW - days * DAY) for days in (1, 2, 6, 8, 13, 15, 30)))

    listen(engine, NOW - 60 * DAY, NOW)

    (customer,) = questions.integration("Zapier").customers
    (caller,) = questions.account("of-k1").callers

    assert (customer.calls.recent, customer.calls.before, customer.row.count) == (3, 2, 7)
    assert customer.calls.change == 0.5
    assert (caller.calls.recent, caller.calls.before, caller.calls.change) == (6, 1, 5.0)
    assert caller.calls.per_day == 0.2


@pytest.mark.parametrize(
    ("since", "until", "per_day"),
    [
        (60, 0, 0.2),
        (59, 0, 0.2),  # a day less than the time before
        (10, 0, 0.6),  # calls of ten days
        (60, 10, 0.3),  # it has stopped; of twenty days
        (60, 31, None),
        (0.5, 0, None),
    ],
)
def test_a_trend_is_blank_where_no_feed_has_listened(
    engine: Engine,
    questions: UsageQuestions,
    call: Callable[..., None],
    since: float,
    until: float,
    per_day: float | None,
) -> None:
    register(engine, "k1")
    call(*(("k1", "Zapier", NOW - days * DAY) for days in (1, 2, 6, 8, 13, 15, 50)))
    listen(engine, NOW - since * DAY, NOW - until * DAY)

    (caller,) = questions.account("of-k1").callers

    assert (caller.calls.recent, caller.calls.before) == (6, 1)  # what was seen, was seen
    assert caller.calls.per_day == (None if per_day is None else pytest.approx(per_day))
    assert caller.calls.change == (5.0 if (since, until) == (60, 0) else None)


def test_no_calls_are_none_only_where_a_feed_would_have_seen_them(
    engine: Engine, questions: UsageQuestions, call: Callable[..., None]
) -> None:
    register(engine, "k1")
    call(("k1", "Zapier", NOW - 70 * DAY))

    def calls() -> tuple[int | None, int | None, float | None]:
        (caller,) = questions.account("of-k1").callers
        return caller.calls.recent, caller.calls.before, caller.calls.per_day

    assert calls() == (None, None, None)
    listen(engine, NOW - 70 * DAY, NOW - 40 * DAY)
    assert calls() == (None, 0, None)
    listen(engine, NOW - 70 * DAY, NOW)
    assert calls() == (0, 0, 0)


# What is left


def test_keys_in_use_by_day_are_those_used_in_the_seven_days_up_to_it(
    campaign: Campaign,
) -> None:
    campaign.begin()
    campaign.run("DELETE FROM key_usage")
    rng, last = random.Random(7), date(2026, 12, 31)
    used: dict[str, set[date]] = {}
    for number in range(200):
        days = {last - timedelta(days=rng.randrange(80)) for _ in range(rng.randrange(1, 9))}
        used[f"g{number}"] = days
        campaign.run(
            "INSERT INTO keys (key_id, account_id, kind, label, hint)"
            " VALUES (:key, 'acme', :kind, '', '')",
            key=f"g{number}",
            kind="rest" if number % 4 else "ios",
        )
        campaign.run(
            "INSERT INTO key_usage (key_id, count, refused, first_seen, last_seen, days)"
            " SELECT :key, 1, 0, :first, :last, range_agg(daterange(d, d + 1))"
            " FROM unnest(CAST(:days AS date[])) AS d",
            key=f"g{number}",
            days=sorted(days),
            first=datetime(*min(days).timetuple()[:3], 9, tzinfo=UTC),
            last=datetime(*max(days).timetuple()[:3], 9, tzinfo=UTC),
        )

    series = UsageQuestions(campaign.start).burn_down("api-keys").series

    week = [timedelta(days=n) for n in range(7)]
    assert series == [
        (
            day,
            sum(
                any(day - before in days for before in week)
                for key, days in used.items()
                if int(key[1:]) % 4
            ),
        )
        for day in (last - timedelta(days=n) for n in reversed(range(56)))
    ]


def test_a_key_that_was_switched_off_is_not_left(campaign: Campaign) -> None:
    campaign.begin()
    campaign.run("UPDATE key_usage SET days = '{[2026-11-01,2027-01-01)}'")
    campaign.run(
        "UPDATE keys SET status = 'disabled', disabled_at = '2026-12-20 12:00Z'"
        " WHERE key_id = 'k-acme-1'"
    )

    counts = dict(UsageQuestions(campaign.start).burn_down("api-keys").series)

    assert (counts[date(2026, 12, 19)], counts[date(2026, 12, 20)]) == (1, 0)


def test_days_on_which_no_feed_listened_are_no_fall(campaign: Campaign) -> None:
    campaign.begin()
    campaign.run("UPDATE key_usage SET days = '{[2026-10-01,2026-12-27)}'")
    listen(campaign.engine, NOW - 30 * DAY, NOW - 6 * DAY, feed="gateway")

    found = UsageQuestions(campaign.start).burn_down("api-keys")

    assert found.series[0][0] == date(2026, 12, 9)  # a week after the first whole day
    assert found.series[-1] == (date(2026, 12, 25), 1)
    assert {count for _, count in found.series} == {1}
    campaign.run("DELETE FROM feeds")
    assert UsageQuestions(campaign.start).burn_down("api-keys").forecast is None


def test_the_few_integrations_that_explain_most_are_named_with_what_they_really_cover(
    campaign: Campaign, call: Callable[..., None]
) -> None:
    campaign.begin()
    campaign.run("DELETE FROM key_usage")
    names = [f"x{number:02}" for number in range(MANY)]
    register(campaign.engine, *names)
    call(
        *((name, "Zapier", NOW - DAY) for name in names[:12]),
        *((name, "Segment.io/1.0", NOW - DAY) for name in names[10:13]),
        *((name, "curl/8", NOW - DAY) for name in names[13:]),
    )

    explained = UsageQuestions(campaign.start).burn_down("api-keys").explained

    assert explained is not None
    assert explained.integrations == ("Zapier",)
    assert (explained.accounts, explained.of_accounts) == (12, MANY)
    assert explained.covered == 0.6


# A feed that stops


def test_a_stopped_feed_makes_usage_unknown_within_its_interval_and_the_cutoff_holds(
    campaign: Campaign,
) -> None:
    campaign.begin()
    campaign.remind()
    campaign.work(NOW + HOUR)
    UsageFeeds(campaign.start).declare(
        "gateway", every=Interval(HOUR), complete=None, new=False, operator="olga"
    )
    campaign.live(DEADLINE - 2 * HOUR)  # the feed reports for the last time

    def unused(at: datetime) -> int:
        set_clock(campaign.engine, at)
        return (
            UsageQuestions(campaign.start).summary(KeyFilter(deprecation="api-keys")).total.unused
        )

    assert unused(DEADLINE - HOUR) == 4
    assert unused(DEADLINE - HOUR + ONE_SECOND) == 0

    set_clock(campaign.engine, DEADLINE)
    campaign.delivery.confirm()
    assert campaign.sweep.sweep().cut == 0
    held = dict(
        rows(
            campaign.engine,
            "SELECT account_id, reason FROM holds JOIN enrollments USING (enrollment_id)"
            " WHERE closed_at IS NULL AND code = 'unknown-usage'",
        )
    )
    assert set(held) == {"acme", "beta"}  # nobody could tell the hermit, who is held for that
    for reason in held.values():
        assert "feed gateway has been silent since 2027-02-16 14:00 UTC" in reason

    campaign.at(DEADLINE + 10 * ONE_SECOND)  # it reports again
    set_clock(campaign.engine, DEADLINE + HOUR)
    campaign.sweep.sweep()
    assert campaign.rows("SELECT DISTINCT status FROM keys WHERE key_id = 'k-beta-1'") == [
        ("disabled",)
    ]
    assert campaign.broken() == []
