"""Who is not told in time: why, and who must act."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollout.domain.cutoff import HoldCode
from rollout.domain.notices.delivery import Reach
from rollout.domain.notices.untold import Act, Telling, Untold, untold
from rollout.domain.plan import Guards, UnknownUsage

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
GUARDS = Guards(
    min_notice=timedelta(days=14),
    min_delivered=2,
    unknown_usage=UnknownUsage.HOLD,
    max_keys_per_run=1,
    max_accounts_per_hour=1,
    approvals=0,
    usage_window=timedelta(days=30),
    usage_fresh=timedelta(days=2),
)


def judged(*, days_before: float | None = None, **given: Any) -> Untold | None:
    """Judge an account with three contacts; its first warning arrived so many days before."""
    reach = {"contacts": 3, "dead": 0, "told": 0, "failed": 0, "open": 0, "last_failure": None}
    telling = {"sent": 0, "uncertain": 0, "last_try": None, "skipped": None}
    telling |= {"paused": None, "sending_paused": None}
    reach |= {name: value for name, value in given.items() if name in reach}
    telling |= {name: value for name, value in given.items() if name in telling}
    warned = None if days_before is None else DEADLINE - timedelta(days=days_before)
    return untold(
        Telling(deadline=DEADLINE, reach=Reach(**reach), warned_at=warned, **telling), GUARDS
    )


def test_whoever_was_told_in_time_is_on_no_list() -> None:
    assert judged(told=2, days_before=14) is None


def test_whoever_was_told_too_late_needs_more_time_in_the_words_of_the_guard() -> None:
    late = judged(told=2, days_before=13)

    assert late is not None
    assert (late.code, late.act) == (HoldCode.TOLD_TOO_LATE, Act.MORE_TIME)
    assert late.why.startswith("the first warning arrived 13 d before the deadline")


@pytest.mark.parametrize(
    ("given", "why", "act"),
    [
        ({"contacts": 0}, "nobody can be told: no contact is known", Act.NEW_ADDRESS),
        (
            {"contacts": 1, "dead": 1, "failed": 1, "last_failure": "550"},
            "nobody can be told: every address was refused for good (1 of 1); the newest failed",
            Act.NEW_ADDRESS,
        ),
        (
            {"failed": 4},
            "nobody can be told: all messages about this date bounced (4)",
            Act.NEW_ADDRESS,
        ),
        ({}, "nothing was sent about this date yet", Act.MORE_TIME),
        (
            {"paused": "incident"},
            "nothing was sent about this date yet; the cohort is paused: incident",
            Act.MORE_TIME,
        ),
        (
            {"open": 1, "sending_paused": "a wrong link"},
            "waiting to be sent (1); sending is paused: a wrong link",
            Act.MORE_TIME,
        ),
        ({"skipped": "only: in_use, which is not so"}, "skipped: only: in_use", Act.MORE_TIME),
        ({"open": 3}, "waiting to be sent (3)", Act.MORE_TIME),
        ({"open": 3, "sent": 3}, "sent, may still bounce (3)", Act.MORE_TIME),
        ({"uncertain": 1}, "uncertain: nobody knows whether it arrived (1)", Act.MORE_TIME),
        (
            {"told": 1, "open": 2, "sent": 1, "failed": 1, "skipped": "superseded"},
            "told, and more must be (1); sent, may still bounce (1); waiting to be sent (1); bounc",
            Act.MORE_TIME,
        ),
    ],
)
def test_it_is_said_why_nobody_is_told_and_what_must_be_done(
    given: dict[str, Any], why: str, act: Act
) -> None:
    found = judged(**given)

    assert found is not None
    assert found.why.startswith(why)
    assert (found.code, found.act) == (HoldCode.NOT_TOLD, act)


@pytest.mark.parametrize(
    ("days_before", "given", "act"),
    [
        (14, {"open": 1}, Act.WAIT),  # it was warned of an earlier date, in time
        (13, {"open": 1}, Act.MORE_TIME),  # what is under way will come too late
        (14, {"uncertain": 1}, Act.MORE_TIME),  # nothing is under way
        (14, {"contacts": 0}, Act.NEW_ADDRESS),
    ],
)
def test_a_person_need_not_act_only_where_a_message_under_way_makes_the_date_a_promise(
    days_before: float, given: dict[str, Any], act: Act
) -> None:
    found = judged(days_before=days_before, **given)

    assert found is not None
    assert found.act is act
    assert act.who == ("rollout" if act is Act.WAIT else "operator")
    assert act.sentence
