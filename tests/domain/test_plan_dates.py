from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta

from rollout.domain.inventory import KeyKind
from rollout.domain.plan import (
    CalendarRules,
    Cohort,
    Deprecation,
    Freeze,
    Guards,
    Replacement,
    Selector,
    UnknownUsage,
)
from rollout.domain.plan_dates import check_dates

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
YEAR_END = Freeze(date(2026, 12, 18), date(2027, 1, 4), "year-end freeze")
GUARDS = Guards(
    min_notice=timedelta(days=14),
    min_delivered=1,
    unknown_usage=UnknownUsage.HOLD,
    max_keys_per_run=5000,
    max_accounts_per_hour=2000,
    approvals=1,
    usage_window=timedelta(days=30),
    usage_fresh=timedelta(days=2),
)


def cohort(name: str, when: date | datetime, bake_days: float = 0) -> Cohort:
    return Cohort(name, Selector(), when, timedelta(days=bake_days))


def deprecation(
    *cohorts: Cohort,
    announced: date = date(2026, 12, 1),
    freezes: tuple[Freeze, ...] = (),
    zone: str = "account",
) -> Deprecation:
    return Deprecation(
        name="api-keys",
        title="API keys",
        replacement=Replacement("access tokens", "https://example.com/tokens"),
        guide_url="https://example.com/guide",
        kinds=frozenset({KeyKind.REST}),
        announced=announced,
        calendar=CalendarRules(zone, time(16), frozenset(range(4)), (), freezes),
        reminders=(),
        guards=GUARDS,
        cohorts=cohorts,
    )


def problems(plan: Deprecation, now: datetime = NOW) -> list[str]:
    return [problem.message for problem in check_dates(plan, now, lambda _day: None)]


def test_dates_in_order_and_well_ahead_are_fine() -> None:
    plan = deprecation(
        cohort("canary", date(2027, 2, 2), bake_days=7),
        cohort("quiet", date(2027, 2, 9)),
        cohort("loud", datetime(2027, 3, 16, 16, tzinfo=UTC)),
        cohort("everyone", date(2027, 3, 16)),
        freezes=(YEAR_END,),
    )
    assert problems(plan) == []


def test_a_date_in_the_past_is_named() -> None:
    plan = deprecation(cohort("canary", date(2027, 2, 2)), announced=date(2026, 11, 1))
    assert problems(plan, datetime(2027, 2, 2, 16, tzinfo=UTC)) == [
        "canary: its date 2027-02-02 16:00 is in the past"
    ]
    assert "in the past" not in str(problems(plan, datetime(2027, 2, 2, 15, 59, tzinfo=UTC)))


def test_an_instant_in_the_past_is_named() -> None:
    plan = deprecation(cohort("canary", NOW - timedelta(seconds=30)))
    assert problems(plan) == ["canary: its date 2026-12-01 08:59:30 is in the past"]


def test_an_announcement_after_a_deadline_is_named() -> None:
    plan = deprecation(cohort("canary", date(2027, 2, 2)), announced=date(2027, 2, 3))
    assert problems(plan) == [
        "canary: its date 2027-02-02 16:00 is before the announcement on 2027-02-03"
    ]


def test_a_date_too_soon_after_now_or_the_announcement_is_named() -> None:
    plan = deprecation(cohort("canary", date(2026, 12, 15)))  # 14 days and 7 hours from now
    assert problems(plan) == []
    soon = deprecation(cohort("canary", date(2026, 12, 14)))
    assert problems(soon) == [
        (
            "canary: its date 2026-12-14 16:00 leaves less than the 14d of guards.min_notice "
            "after 2026-12-01 09:00"
        )
    ]
    late = deprecation(cohort("canary", date(2027, 2, 2)), announced=date(2027, 1, 20))
    assert problems(late) == [
        (
            "canary: its date 2027-02-02 16:00 leaves less than the 14d of guards.min_notice "
            "after 2027-01-20 00:00"
        )
    ]


def test_dates_out_of_order_are_named_also_between_days_and_instants() -> None:
    plan = deprecation(
        cohort("canary", datetime(2027, 2, 9, 16, 0, 1, tzinfo=UTC)),
        cohort("quiet", date(2027, 2, 9)),
    )
    found = check_dates(plan, NOW, lambda _day: None)
    assert [problem.message for problem in found] == [
        (
            "quiet: its date 2027-02-09 16:00 is before that of canary, 2027-02-09 16:00:01; "
            "cohorts stand in the order of their dates"
        )
    ]
    assert found[0].cohorts == ("canary", "quiet")


def test_a_cohort_within_the_bake_of_the_one_before_is_named() -> None:
    plan = deprecation(
        cohort("canary", date(2027, 2, 2), bake_days=7.5), cohort("quiet", date(2027, 2, 9))
    )
    assert problems(plan) == [
        (
            "quiet: its date 2027-02-09 16:00 is less than the bake of canary (7d12h) "
            "after 2027-02-02 16:00"
        )
    ]


def test_a_bake_counts_days_on_the_wall_also_when_the_clocks_go_forward() -> None:
    plan = deprecation(
        cohort("canary", date(2027, 3, 11), bake_days=7),
        cohort("quiet", date(2027, 3, 18)),
        zone="America/New_York",
    )
    assert problems(plan) == []


def test_a_bake_counts_from_where_the_calendar_puts_the_earlier_cohort() -> None:
    plan = deprecation(
        cohort("canary", date(2027, 2, 5), bake_days=7),  # a Friday: it moves to Monday
        cohort("quiet", datetime(2027, 2, 12, 16, tzinfo=UTC)),
    )
    assert problems(plan) == [
        (
            "quiet: its date 2027-02-12 16:00 is less than the bake of canary (7d) "
            "after 2027-02-08 16:00"
        )
    ]


def test_a_freeze_that_swallows_a_cohort_is_named_with_the_move() -> None:
    plan = deprecation(
        cohort("canary", date(2026, 12, 21)),
        cohort("quiet", date(2027, 1, 5)),
        freezes=(YEAR_END,),
    )
    assert problems(plan) == [
        (
            "canary: the calendar moves it to 2027-01-05 16:00, not before the date of quiet, "
            "2027-01-05 16:00: 2026-12-21 lies in the freeze 'year-end freeze'; the next day "
            "allowed is Tuesday 2027-01-05"
        )
    ]


def test_two_cohorts_in_one_freeze_are_named() -> None:
    plan = deprecation(
        cohort("canary", date(2026, 12, 21)),
        cohort("quiet", date(2026, 12, 29)),
        freezes=(YEAR_END,),
    )
    assert "not before the date of quiet" in problems(plan)[0]


def test_a_freeze_that_leaves_no_day_is_named() -> None:
    endless = Freeze(date(2027, 1, 1), date(2999, 12, 31), "merger")
    plan = deprecation(
        cohort("canary", date(2026, 12, 16)), cohort("quiet", date(2027, 2, 2)), freezes=(endless,)
    )
    assert problems(plan) == [
        (
            "quiet: the calendar allows no day from 2027-02-02 to 2028-02-03: "
            "the freeze 'merger' rules out 367 of them"
        )
    ]


def test_a_problem_keeps_its_way_out_and_the_line_of_the_cohort_that_it_names_first() -> None:
    endless = Freeze(date(2027, 1, 15), date(2999, 12, 31), "merger")
    dated = enumerate((date(2026, 11, 3), date(2026, 12, 21), date(2027, 1, 4), date(2027, 2, 2)))
    plan = deprecation(
        *(Cohort(f"c{n}", Selector(), when, timedelta(0), line=20 + n) for n, when in dated),
        freezes=(Freeze(date(2026, 12, 18), date(2027, 1, 4), "year-end"), endless),
    )
    found = check_dates(plan, NOW, lambda _day: None)
    assert [(p.message.split()[0], p.line, p.fix) for p in found] == [
        ("c3:", 23, "choose another date, or change the calendar"),
        ("c0:", 20, None),
        ("c1:", 21, "choose another date, or change the calendar"),
    ]


def test_all_problems_are_reported_together() -> None:
    plan = deprecation(
        cohort("canary", date(2026, 11, 3)),
        cohort("quiet", date(2026, 12, 2), bake_days=3),
        cohort("loud", date(2026, 12, 3)),
        cohort("everyone", date(2026, 12, 1)),
    )
    text = "\n".join(problems(plan))
    for part in (
        "canary: its date 2026-11-03 16:00 is in the past",
        "quiet: its date 2026-12-02 16:00 leaves less than the 14d",
        "loud: its date 2026-12-03 16:00 is less than the bake of quiet (3d)",
        "everyone: its date 2026-12-01 16:00 is before that of loud",
    ):
        assert part in text
