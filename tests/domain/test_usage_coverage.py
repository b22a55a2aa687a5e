"""When the silence of feeds is evidence."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.usage.coverage import Coverage, Feed, spoken

NOW = datetime(2026, 11, 24, 10, 8, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
FRESH = 2 * DAY
LONG_AGO = NOW - 90 * DAY
START = NOW - 30 * DAY

Span = tuple[datetime, datetime]


def feed(
    *reported: Span, name: str = "A", every: timedelta | None = None, complete: bool = True
) -> Feed:
    return Feed(name, every, complete, reported)


def test_what_was_heard_of_a_time_counts_once_whichever_feeds_took_turns_and_without_gaps() -> None:
    week = NOW - 7 * DAY
    turns = Coverage(
        (
            feed((LONG_AGO, NOW - 6 * DAY), name="A"),
            feed((NOW - 6 * DAY - HOUR, NOW - 5 * DAY), (NOW - DAY, NOW), name="B"),
            feed((LONG_AGO, NOW), name="C", complete=False),
        )
    )

    assert turns.heard(week, NOW, FRESH) == 3 * DAY
    assert turns.heard(week, NOW, FRESH) + turns.heard(LONG_AGO, week, FRESH) == 86 * DAY
    assert turns.heard(NOW - 4 * DAY, NOW - 3 * DAY, FRESH) == timedelta(0)
    assert Coverage().heard(week, NOW, FRESH) == timedelta(0)


@pytest.mark.parametrize(
    ("feeds", "covered"),
    [
        ([feed((START, NOW - FRESH))], True),
        ([feed((START + SECOND, NOW))], False),  # it has only just begun
        ([feed((LONG_AGO, NOW - FRESH - SECOND))], False),  # it is stale
        ([feed((LONG_AGO, NOW - HOUR), every=HOUR)], True),
        ([feed((LONG_AGO, NOW - HOUR - SECOND), every=HOUR)], False),  # stale by its own word
        ([feed((LONG_AGO, NOW - 3 * DAY), every=7 * DAY)], False),  # `fresh` bounds any feed
        ([feed((LONG_AGO, NOW), complete=False)], False),
        # one feed, with a gap
        ([feed((LONG_AGO, NOW - 9 * DAY), (NOW - 7 * DAY, NOW))], True),
        ([feed((NOW - 7 * DAY, NOW), (LONG_AGO, NOW - 9 * DAY))], True),
        ([feed((LONG_AGO, NOW - 9 * DAY - SECOND), (NOW - 7 * DAY, NOW))], False),
        ([feed((LONG_AGO, NOW - 9 * DAY), (NOW - 7 * DAY, NOW), every=HOUR)], False),
        ([feed((LONG_AGO, NOW - 9 * DAY), (NOW - 2 * DAY, NOW), every=7 * DAY)], True),
        ([feed((LONG_AGO, LONG_AGO + DAY), (START, NOW))], True),  # before the start it may
        # two, taking turns
        ([feed((LONG_AGO, NOW - 9 * DAY)), feed((NOW - 9 * DAY, NOW), name="B")], True),
        ([feed((LONG_AGO, NOW - 9 * DAY)), feed((NOW - 9 * DAY + SECOND, NOW), name="B")], False),
        (
            [
                feed((NOW - 20 * DAY, NOW)),
                feed((LONG_AGO, NOW - 25 * DAY), name="B"),
                feed((NOW - 26 * DAY, NOW - 19 * DAY), name="C"),
            ],
            True,
        ),
        (
            [
                feed((LONG_AGO, NOW - 9 * DAY)),
                feed((NOW - 10 * DAY, NOW), name="B", complete=False),
            ],
            False,
        ),
        ([feed()], False),
        ([], False),
    ],
)
def test_a_time_is_covered_if_a_use_in_it_would_have_been_seen(
    feeds: list[Feed],
    covered: bool,  # noqa: FBT001
) -> None:
    coverage = Coverage(tuple(feeds))

    assert coverage.spans(START, NOW, FRESH) is covered
    assert (coverage.gap(START, NOW, FRESH) is None) is covered


def test_a_feed_that_stops_covers_nothing_more_within_its_interval() -> None:
    coverage = Coverage((feed((LONG_AGO, NOW), every=HOUR),))

    assert coverage.spans(START, NOW + HOUR, FRESH)
    assert not coverage.spans(START, NOW + HOUR + SECOND, FRESH)
    assert [str(stale) for stale in coverage.stale(NOW + HOUR + SECOND, FRESH)] == [
        "feed A has been silent since 2026-11-24 10:08 UTC, and 1 h is the longest that it may be"
    ]
    assert not coverage.stale(NOW + HOUR, FRESH)


def test_coverage_says_what_it_is_made_of() -> None:
    coverage = Coverage(
        (
            feed((NOW - 10 * DAY, NOW - timedelta(minutes=4)), name="B"),
            feed((datetime(2026, 8, 1, 5, tzinfo=UTC), NOW - 2 * DAY)),
            feed((LONG_AGO, NOW), name="gateway", complete=False),
            feed(name="IAM"),
        )
    )

    assert coverage.describe(NOW, FRESH) == (
        "feeds A and B, complete from 2026-08-01 to 2026-11-24 10:04 UTC, newest event 4 min old",
        "feed IAM has never reported",
        "feed gateway sees only a part of the traffic",
    )


@pytest.mark.parametrize(
    ("feeds", "sentence"),
    [
        ([], "no feed reports uses"),
        ([feed((LONG_AGO, NOW), complete=False)], "feed A sees only a part of the traffic"),
        (
            [feed((LONG_AGO, NOW), complete=False), feed(name="B", complete=False)],
            "feeds A and B see only a part of the traffic",
        ),
        ([feed()], "feed A has never reported"),
        (
            [feed((LONG_AGO, NOW - 3 * DAY)), feed(name="B")],
            (
                "feed A has been silent since 2026-11-21 10:08 UTC, and 2 d is the longest"
                " that it may be; feed B has never reported"
            ),
        ),
        (
            [feed((LONG_AGO, NOW - 3 * DAY), every=7 * DAY)],
            (
                "the newest event of feed A is of 2026-11-21 10:08 UTC,"
                " and silence is evidence for 2 d after the newest at most"
            ),
        ),
        (
            [feed((LONG_AGO, NOW - 20 * DAY), (NOW - 9 * DAY, NOW))],
            "feed A listened without a break only since 2026-11-15 10:08 UTC",
        ),
    ],
)
def test_a_gap_is_told_with_the_feed_that_left_it(feeds: list[Feed], sentence: str) -> None:
    assert Coverage(tuple(feeds)).gap(START, NOW, FRESH) == sentence


def test_without_a_feed_that_sees_all_there_is_nothing_complete_to_describe() -> None:
    assert Coverage().describe(NOW, FRESH) == ("no feed that sees all traffic has reported",)


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (19.9 * DAY, "19 d"),
        (DAY - SECOND, "23 h"),
        (timedelta(minutes=4), "4 min"),
        (SECOND, "1 s"),
        (-DAY, "0 s"),
    ],
)
def test_a_length_of_time_is_told_in_its_largest_unit(length: timedelta, words: str) -> None:
    assert spoken(length) == words


hours = st.integers(0, 60 * 24).map(lambda n: NOW - n * HOUR)
spans = st.tuples(hours, hours).map(lambda ends: (min(ends), max(ends)))
feeds_of_any_kind = st.builds(
    Feed,
    st.sampled_from("ABC"),
    st.none() | st.integers(1, 200).map(lambda n: n * HOUR),
    st.booleans(),
    st.lists(spans, max_size=4).map(tuple),
)


@given(st.lists(feeds_of_any_kind, max_size=4), hours)
def test_coverage_is_what_a_walk_hour_by_hour_finds(feeds: list[Feed], start: datetime) -> None:
    """The same question put naively: go on from feed to feed while any of them goes on."""
    joined = [
        (first, last, min(one.every or FRESH, FRESH))
        for one in feeds
        if one.complete
        for first, last in _joined(one)
    ]
    reached = {(first, last) for first, last, _ in joined if first <= start}
    for _ in joined:
        reached |= {
            (first, last) for first, last, _ in joined if any(first <= r[1] for r in reached)
        }
    at_end = {(first, last) for first, last, slack in joined if last >= NOW - slack}

    assert Coverage(tuple(feeds)).spans(start, NOW, FRESH) is bool(reached & at_end)


def _joined(one: Feed) -> list[Span]:
    found = sorted(one.reported)
    while True:
        for n, (before, after) in enumerate(itertools.pairwise(found)):
            if after[0] - before[1] <= (one.every or FRESH):
                found[n : n + 2] = [(before[0], max(before[1], after[1]))]
                break
        else:
            return found


@given(st.lists(feeds_of_any_kind, min_size=1, max_size=4), hours)
def test_a_feed_more_never_covers_less(feeds: list[Feed], start: datetime) -> None:
    if Coverage(tuple(feeds[1:])).spans(start, NOW, FRESH):
        assert Coverage(tuple(feeds)).spans(start, NOW, FRESH)
