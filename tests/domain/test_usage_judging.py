"""In use, unused or unknown: what uses, rhythm and feeds say together."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.usage.coverage import Coverage, Feed
from rollout.domain.usage.judging import History, Judgement, judge_usage
from rollout.domain.usage.rhythm import Days
from rollout.domain.usage.verdicts import USAGE_FRESH, USAGE_WINDOW, Usage

NOW = datetime(2026, 9, 19, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
FORTNIGHT = 14 * DAY
LONG_AGO = NOW - 400 * DAY
AT_MONTH_END = datetime(2026, 8, 31, 12, tzinfo=UTC)
LISTENING = Coverage((Feed("A", None, complete=True, reported=((LONG_AGO, NOW),)),))

MONTHLY: Days = tuple((date(2026, month + 1, 1) - DAY,) * 2 for month in range(1, 9))
DAILY: Days = ((date(2026, 3, 1), date(2026, 8, 31)),)
QUARTERLY: Days = tuple(
    (day, day) for day in (date(2025, 12, 31), date(2026, 3, 31), date(2026, 6, 30))
)
RANK = [Usage.UNUSED, Usage.UNKNOWN, Usage.IN_USE]


def feeds(*reported: tuple[datetime, datetime], every: timedelta | None = None) -> Coverage:
    names = "ABC"
    return Coverage(
        tuple(
            Feed(names[n], every, complete=True, reported=(span,))
            for n, span in enumerate(reported)
        )
    )


def judge(
    history: History, coverage: Coverage = LISTENING, window: timedelta = USAGE_WINDOW
) -> Judgement:
    return judge_usage(history, coverage, now=NOW, window=window, fresh=USAGE_FRESH)


def test_silent_for_19_days_is_unused_for_a_daily_caller_and_unknown_for_a_monthly_one() -> None:
    daily = judge(History(AT_MONTH_END, DAILY), window=FORTNIGHT)
    monthly = judge(History(AT_MONTH_END, MONTHLY), window=FORTNIGHT)

    assert daily == Judgement(
        Usage.UNUSED,
        "last used 2026-08-31 12:00 UTC, normally every day, silent for 19 d;"
        " every use since 2025-08-15 12:00 UTC would have been seen",
    )
    assert monthly == Judgement(
        Usage.UNKNOWN,
        "last used 2026-08-31 12:00 UTC, normally every month-end:"
        " its silence says nothing until 2026-10-03 00:00 UTC",
        until=datetime(2026, 10, 3, tzinfo=UTC),
    )


def test_a_daily_caller_that_has_stopped_is_unused_even_within_the_window() -> None:
    assert judge(History(AT_MONTH_END, DAILY)).usage is Usage.UNUSED
    assert judge(History(AT_MONTH_END, MONTHLY)).usage is Usage.IN_USE
    assert judge(History(AT_MONTH_END)).usage is Usage.IN_USE


def test_within_the_window_a_rhythm_counts_only_where_a_feed_listened_to_all_of_it() -> None:
    daily = History(AT_MONTH_END, DAILY)

    assert judge(daily, feeds((NOW - 30 * DAY, NOW))).usage is Usage.UNUSED
    assert judge(daily, feeds((NOW - 30 * DAY + SECOND, NOW))).usage is Usage.IN_USE
    assert judge(daily, feeds((LONG_AGO, NOW - 3 * DAY))).usage is Usage.IN_USE


def test_a_quarterly_key_is_awaited_over_two_windows() -> None:
    used = datetime(2026, 6, 30, 12, tzinfo=UTC)

    quarterly = judge(History(used, QUARTERLY))

    assert quarterly.usage is Usage.UNKNOWN
    assert quarterly.until == datetime(2026, 10, 7, tzinfo=UTC)


def test_a_run_that_no_feed_could_have_seen_may_have_been_made() -> None:
    """Feeds began on 5 September: the month-end of August may have gone unseen."""
    july = History(datetime(2026, 7, 31, 12, tzinfo=UTC), MONTHLY[:-1])
    began = datetime(2026, 9, 5, tzinfo=UTC)

    assert judge(july, window=FORTNIGHT).usage is Usage.UNUSED
    blind = judge(july, feeds((began, NOW)), window=FORTNIGHT)
    assert (blind.usage, blind.until) == (Usage.UNKNOWN, began + 32 * DAY)  # days apart as before


@pytest.mark.parametrize(
    ("last_seen", "spans", "usage"),
    [
        (NOW - 30 * DAY, (), Usage.IN_USE),  # a use is evidence by itself
        (NOW + DAY, (), Usage.IN_USE),  # the log's clock is ahead
        (NOW - 30 * DAY - SECOND, ((LONG_AGO, NOW - DAY),), Usage.UNUSED),
        (None, ((NOW - 30 * DAY, NOW - 2 * DAY),), Usage.UNUSED),
        (None, ((LONG_AGO, NOW - 2 * DAY - SECOND),), Usage.UNKNOWN),  # the feed is stale
        (None, ((NOW - 30 * DAY + SECOND, NOW),), Usage.UNKNOWN),  # it has only just begun
        (None, ((LONG_AGO, NOW - 9 * DAY), (NOW - DAY, NOW)), Usage.UNKNOWN),  # neither of two
        (None, (), Usage.UNKNOWN),  # no feed at all
    ],
)
def test_silence_is_evidence_only_if_a_feed_was_listening_throughout(
    last_seen: datetime | None, spans: tuple[tuple[datetime, datetime], ...], usage: Usage
) -> None:
    assert judge(History(last_seen), feeds(*spans)).usage is usage


def test_a_feed_that_stops_makes_its_keys_unknown_within_its_interval_and_is_named() -> None:
    minute = timedelta(minutes=1)
    key = History(NOW - 60 * DAY)

    running = judge(key, feeds((LONG_AGO, NOW - 60 * minute), every=60 * minute))
    stopped = judge(key, feeds((LONG_AGO, NOW - 61 * minute), every=60 * minute))

    assert running.usage is Usage.UNUSED
    assert stopped == Judgement(
        Usage.UNKNOWN,
        "last used 2026-07-21 12:00 UTC, but feed A has been silent since 2026-09-19 10:59 UTC,"
        " and 1 h is the longest that it may be",
    )


def test_an_unknown_for_want_of_listening_says_when_the_window_will_be_full() -> None:
    judged = judge(History(None), feeds((NOW - 9 * DAY, NOW)))

    assert judged == Judgement(
        Usage.UNKNOWN,
        "never seen, but feed A listened without a break only since 2026-09-10 12:00 UTC,"
        " and not yet for 30 d",
        until=NOW + 21 * DAY,
    )


def test_the_word_of_an_authority_is_evidence_while_it_is_fresh() -> None:
    old = NOW - 60 * DAY
    none = Coverage()

    assert judge(History(old, attested_at=NOW - 2 * DAY), none).usage is Usage.UNUSED
    assert judge(History(None, attested_at=NOW), none) == Judgement(
        Usage.UNUSED, "never seen; every use would have been seen"
    )
    assert judge(History(NOW - DAY, attested_at=NOW), none).usage is Usage.IN_USE
    stale = judge(History(old, attested_at=NOW - 3 * DAY), none)
    assert stale.usage is Usage.UNKNOWN
    assert "feed last-use report has been silent since 2026-09-16" in stale.why


def test_a_feed_takes_over_from_the_word_of_an_authority() -> None:
    old, said = NOW - 60 * DAY, NOW - 5 * DAY

    assert judge(History(old, attested_at=said), feeds((said, NOW))).usage is Usage.UNUSED
    assert judge(History(old, attested_at=said), feeds((said + SECOND, NOW))).usage is Usage.UNKNOWN


def test_waiting_until_the_instant_named_makes_a_silent_key_unused() -> None:
    key = History(AT_MONTH_END, MONTHLY)
    until = datetime(2026, 10, 3, tzinfo=UTC)

    def later(now: datetime) -> Usage:
        coverage = feeds((LONG_AGO, now))
        return judge_usage(key, coverage, now=now, window=FORTNIGHT, fresh=USAGE_FRESH).usage

    assert later(until - SECOND) is Usage.UNKNOWN
    assert later(until) is Usage.UNUSED


instants = st.integers(0, 400 * 24).map(lambda n: NOW - timedelta(hours=n))
histories = st.builds(
    History,
    st.none() | instants,
    st.sampled_from([(), MONTHLY, DAILY, QUARTERLY])
    | st.sets(st.integers(0, 400), max_size=40).map(
        lambda days: tuple(((LONG_AGO + n * DAY).date(),) * 2 for n in sorted(days))
    ),
    st.none() | instants,
)
spans = st.tuples(instants, instants).map(lambda ends: (min(ends), max(ends)))
coverages = st.lists(
    st.builds(
        Feed,
        st.sampled_from("ABC"),
        st.none() | st.integers(1, 100).map(lambda n: timedelta(hours=n)),
        st.booleans(),
        st.lists(spans | st.tuples(instants, st.just(NOW)), max_size=3).map(tuple),
    ),
    max_size=3,
).map(lambda found: Coverage(tuple(found)))
windows = st.integers(1, 90).map(timedelta)


@given(histories, coverages, windows, st.data())
def test_less_coverage_never_makes_a_key_unused(
    history: History, coverage: Coverage, window: timedelta, data: st.DataObject
) -> None:
    left = (
        data.draw(st.lists(st.sampled_from(coverage.feeds), unique=True)) if coverage.feeds else []
    )
    fewer = judge(history, Coverage(tuple(left)), window)

    if fewer.usage is Usage.UNUSED:
        assert judge(history, coverage, window).usage is Usage.UNUSED


@given(histories, coverages, windows, instants)
def test_a_newer_use_never_makes_a_key_less_used(
    history: History, coverage: Coverage, window: timedelta, newer: datetime
) -> None:
    if history.last_seen is None or newer > history.last_seen:
        later = History(newer, history.days, history.attested_at)
        before, after = judge(history, coverage, window), judge(later, coverage, window)

        assert RANK.index(after.usage) >= RANK.index(before.usage)


@given(histories, coverages, windows)
def test_nothing_is_unused_that_may_have_been_used_unseen(
    history: History, coverage: Coverage, window: timedelta
) -> None:
    judged = judge(History(history.last_seen, history.days), coverage, window)

    if judged.usage is Usage.UNUSED:
        assert coverage.spans(NOW - window, NOW, USAGE_FRESH)
    if judged.until is not None:
        assert judged.usage is Usage.UNKNOWN
        assert judged.until > NOW
