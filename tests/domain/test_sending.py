"""When the circuit breaker of sending trips: shares, and how many it takes to conclude anything."""

from __future__ import annotations

from datetime import timedelta

import pytest

from rollout.domain.notices import NoticeState
from rollout.domain.notices.sending import LEAST, Tally, count_letters, outcome, why_stop

HOUR = timedelta(hours=1)


def tally(accepted: int, **others: int) -> Tally:
    return Tally(deprecation="api-keys", accepted=accepted, **others)


@pytest.mark.parametrize(
    ("fared", "stops"),
    [
        (tally(60, bounced=10), True),
        (tally(60, bounced=9), False),  # may be chance
        (tally(100, bounced=10), False),  # just 10 %
        (tally(100, bounced=11), True),
        (tally(90, failed=10), False),
        (tally(89, failed=11), True),
        (tally(39, failed=10), False),  # of 49 nothing is concluded
        (tally(40, failed=10), True),
        (tally(54, failed=6, bounced=4), True),
        (tally(0, failed=LEAST), True),
        (tally(0, put_off=10_000), False),  # a server that throttles has taken no harm
        (tally(100, complained=2), False),
        (tally(100, complained=3), True),
        (tally(1_000, complained=5), False),  # just 0.5 %
        (tally(1_000, complained=6), True),
    ],
)
def test_it_trips_above_ten_percent_lost_or_half_a_percent_of_complaints(
    fared: Tally, *, stops: bool
) -> None:
    assert (why_stop(HOUR, fared) is not None) is stops


def test_it_says_what_it_concludes_from() -> None:
    assert why_stop(HOUR, tally(1_200, failed=300, bounced=90)) == (
        "of 1,500 messages tried within 1 h, 390 were not delivered (300 failed, 90 bounced):"
        " more than 10%"
    )
    assert why_stop(timedelta(days=1), tally(500, complained=4)) == (
        "of 500 messages tried within 24 h, 4 were called spam by their readers: more than 0.5%"
    )


@pytest.mark.parametrize("state", NoticeState)
def test_a_notice_counts_once_by_how_its_try_ended(state: NoticeState) -> None:
    counted = outcome("api-keys", state)

    assert (counted.accepted, counted.failed, counted.put_off) == {
        NoticeState.SENT: (1, 0, 0),
        NoticeState.BOUNCED: (0, 1, 0),
        NoticeState.DEAD: (0, 1, 0),
        NoticeState.UNCERTAIN: (0, 1, 0),
        NoticeState.RETRY: (0, 0, 1),
    }.get(state, (0, 0, 0))


def test_a_letter_counts_once_for_a_deprecation_and_as_lost_where_anything_of_it_is() -> None:
    sent, retry, lost = NoticeState.SENT, NoticeState.RETRY, NoticeState.UNCERTAIN
    ended = [("a", 1, sent), ("a", 1, sent), ("b", 1, sent), ("a", 2, lost), ("a", 2, retry)]

    tallies = count_letters([*ended, ("b", 3, retry), ("b", 3, lost)])
    assert [(t.deprecation, t.accepted, t.failed, t.put_off) for t in tallies] == [
        ("a", 1, 0, 0),
        ("b", 1, 0, 0),
        ("a", 0, 1, 0),
        ("b", 0, 1, 0),
    ]
