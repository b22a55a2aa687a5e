"""The verdict, rule by rule: what must hold before a key may be cut."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest

from rollout.domain.cutoff import Case, Cut, DueKey, Hold, Promise, Wait, judge, over_cap, spoken
from rollout.domain.plan import Freeze, Guards, UnknownUsage
from rollout.domain.usage import Usage

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
DAY = timedelta(days=1)
MOMENT = timedelta(microseconds=1)

GUARDS = Guards(
    min_notice=14 * DAY,
    min_delivered=1,
    unknown_usage=UnknownUsage.HOLD,
    max_keys_per_run=5,
    max_accounts_per_hour=3,
    approvals=1,
    usage_window=30 * DAY,
    usage_fresh=2 * DAY,
)
TOLD = Promise(DEADLINE, DEADLINE - 14 * DAY, contacts=1)
READY = Case(
    enrollment_id=1,
    deprecation="api-keys",
    account_id="acme",
    cohort="everyone",
    deadline=DEADLINE,
    zone="UTC",
    schedule_version=1,
    keys=(DueKey("k1", None, Usage.UNUSED),),
    operator_hold=None,
    approvals=1,
    promises=(TOLD,),
)


def never(_instant: datetime, _zone: str) -> Freeze | None:
    return None


def verdict(case: Case, now: datetime = DEADLINE) -> Cut | Wait | Hold:
    return judge(case, GUARDS, never, now)


def test_a_case_in_which_everything_holds_is_cut() -> None:
    assert verdict(READY) == Cut()


def test_a_moment_before_the_deadline_it_waits_whatever_else_is_true() -> None:
    assert verdict(READY, DEADLINE - MOMENT) == Wait(DEADLINE)
    assert verdict(replace(READY, keys=()), DEADLINE - MOMENT) == Wait(DEADLINE)


@pytest.mark.parametrize(
    ("missing", "code"),
    [
        ({"operator_hold": "ticket"}, "operator"),
        ({"operator_hold": "ticket", "keys": ()}, "operator"),
        ({"approvals": 0}, "unapproved"),
        ({"promises": ()}, "not-told"),
        ({"promises": (replace(TOLD, deadline=DEADLINE - DAY),)}, "not-told"),
        ({"promises": (replace(TOLD, contacts=0),)}, "not-told"),
        (
            {"promises": (replace(TOLD, first_delivered_at=DEADLINE - 14 * DAY + MOMENT),)},
            "told-too-late",
        ),
        ({"keys": (DueKey("k1", None, Usage.UNKNOWN),)}, "unknown-usage"),
        (
            {"keys": (DueKey("k1", None, Usage.IN_USE), DueKey("k2", None, Usage.UNKNOWN))},
            "unknown-usage",
        ),
    ],
)
def test_each_missing_piece_of_evidence_holds(missing: dict[str, object], code: str) -> None:
    held = verdict(replace(READY, **missing))  # type: ignore[arg-type]  # a table of fields

    assert isinstance(held, Hold)
    assert held.code == code
    assert held.reason


def test_an_earlier_date_that_was_told_in_time_counts_for_a_later_one() -> None:
    promises = (
        replace(TOLD, deadline=DEADLINE - DAY, contacts=0),
        replace(TOLD, first_delivered_at=DEADLINE - DAY),
    )
    assert verdict(replace(READY, promises=promises)) == Cut()


def test_nothing_is_cut_in_a_freeze() -> None:
    freeze = Freeze(date(2027, 2, 15), date(2027, 2, 17), "year-end")
    held = judge(READY, GUARDS, lambda _instant, _zone: freeze, DEADLINE)

    assert held == Hold(held.code, "nothing is cut from 2027-02-15 to 2027-02-17: year-end")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("keys", "accounts", "last_hour", "refused"),
    [
        (5, 3, 0, None),
        (6, 3, 0, "max_keys_per_run"),
        (1, 4, 0, "max_accounts_per_hour"),
        (1, 1, 3, "max_accounts_per_hour"),
        (1, 1, 2, None),
    ],
)
def test_a_run_fits_its_caps_or_is_refused(
    keys: int, accounts: int, last_hour: int, refused: str | None
) -> None:
    why = over_cap(GUARDS, keys_due=keys, accounts_due=accounts, cut_last_hour=last_hour)

    assert why is None if refused is None else why is not None and refused in why


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (45, "45 s"), (1200, "20 min"), (90_061, "1 d 1 h"), (-1, "0 s")],
)
def test_a_length_of_time_is_spoken_as_people_do(seconds: int, words: str) -> None:
    assert spoken(timedelta(seconds=seconds)) == words
