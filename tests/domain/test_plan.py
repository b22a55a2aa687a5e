from __future__ import annotations

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.plan import (
    ANY_INTEGRATION,
    Candidate,
    Cohort,
    Selector,
    assign,
    bucket,
    covers,
    selects,
)
from rollout.domain.usage import Usage

ACCOUNTS = [f"acct_{number:05d}" for number in range(20_000)]

selectors = st.builds(
    Selector,
    usage=st.none() | st.sampled_from(Usage),
    tier=st.none() | st.sampled_from(["free", "paid"]),
    accounts=st.none() | st.frozensets(st.sampled_from(ACCOUNTS[:6]), min_size=1),
    percent=st.none() | st.sampled_from([0.5, 5.0, 50.0, 100.0]),
)
candidates = st.builds(
    Candidate,
    account_id=st.sampled_from(ACCOUNTS[:6]) | st.text(min_size=1),
    timezone=st.just("UTC"),
    tier=st.sampled_from(["free", "paid", "trial"]),
    usage=st.sampled_from(Usage),
)


def candidate(account_id: str, usage: Usage = Usage.UNUSED, tier: str = "free") -> Candidate:
    return Candidate(account_id, "UTC", tier, usage)


def cohort(name: str, select: Selector) -> Cohort:
    return Cohort(name, select, date(2027, 2, 2), timedelta(0))


def taken(percent: float, deprecation: str = "api-keys") -> set[str]:
    select = Selector(percent=percent)
    return {a for a in ACCOUNTS if selects(select, deprecation, candidate(a))}


def test_the_first_cohort_that_matches_takes_the_account() -> None:
    cohorts = [
        cohort("paid", Selector(tier="paid")),
        cohort("quiet", Selector(usage=Usage.UNUSED)),
        cohort("everyone", Selector()),
    ]
    by_hand = {
        ("free", Usage.UNUSED): "quiet",
        ("free", Usage.IN_USE): "everyone",
        ("free", Usage.UNKNOWN): "everyone",
        ("paid", Usage.UNUSED): "paid",
        ("paid", Usage.UNKNOWN): "paid",
    }
    for (tier, usage), name in by_hand.items():
        match = assign("api-keys", cohorts, candidate("a", usage, tier))
        assert match is not None
        assert match.name == name


@pytest.mark.parametrize(
    ("wanted", "found", "taken"),
    [
        (None, {"Zapier"}, True),
        (ANY_INTEGRATION, {"Zapier"}, True),
        (ANY_INTEGRATION, set(), False),
        ("Zapier", {"Segment", "Zapier"}, True),
        ("Zapier", {"Segment"}, False),
    ],
)
def test_a_cohort_takes_accounts_whose_keys_integrations_use(
    *, wanted: str | None, found: set[str], taken: bool
) -> None:
    account = Candidate("a", "UTC", "free", Usage.IN_USE, frozenset(found))

    assert selects(Selector(integration=wanted), "api-keys", account) is taken


def test_any_integration_covers_each_and_one_covers_only_itself() -> None:
    everybody, each, zapier, segment = (
        Selector(integration=name) for name in (None, ANY_INTEGRATION, "Zapier", "Segment")
    )

    assert covers(everybody, zapier)
    assert covers(each, zapier)
    assert covers(zapier, zapier)
    assert not covers(zapier, segment)
    assert not covers(zapier, each)
    assert not covers(each, everybody)


def test_an_account_that_no_cohort_takes_is_in_none() -> None:
    cohorts = [cohort("quiet", Selector(usage=Usage.UNUSED))]
    assert assign("api-keys", cohorts, candidate("a", Usage.UNKNOWN)) is None


def test_every_condition_of_a_selector_must_hold() -> None:
    select = Selector(usage=Usage.UNUSED, tier="paid", accounts=frozenset({"a", "b"}))
    assert selects(select, "api-keys", candidate("a", tier="paid"))
    assert not selects(select, "api-keys", candidate("a", Usage.UNKNOWN, "paid"))
    assert not selects(select, "api-keys", candidate("a", tier="free"))
    assert not selects(select, "api-keys", candidate("c", tier="paid"))


def test_a_percentage_picks_the_same_accounts_in_every_process_and_version() -> None:
    assert bucket("api-keys", "acct_00000") == pytest.approx(31.96527, abs=1e-5)
    assert bucket("api-keys", "acct_00001") == pytest.approx(37.68884, abs=1e-5)
    assert taken(5) == taken(5)


def test_a_larger_percentage_only_adds_accounts() -> None:
    picked = [taken(percent) for percent in (0.1, 1, 5, 20, 50, 99, 100)]
    for smaller, larger in itertools.pairwise(picked):
        assert smaller < larger
    assert picked[-1] == set(ACCOUNTS)


@pytest.mark.parametrize("percent", [1, 5, 20, 50, 90])
def test_a_percentage_picks_about_that_share(percent: float) -> None:
    share = len(taken(percent)) / len(ACCOUNTS) * 100
    assert share == pytest.approx(percent, abs=1)


def test_two_deprecations_do_not_pick_the_same_accounts() -> None:
    both = taken(20) & taken(20, "webhooks-v1")
    assert len(both) / len(ACCOUNTS) == pytest.approx(0.04, abs=0.01)


@given(earlier=selectors, later=selectors, account=candidates)
def test_a_cohort_behind_one_that_covers_it_gets_nobody(
    earlier: Selector, later: Selector, account: Candidate
) -> None:
    if covers(earlier, later) and selects(later, "api-keys", account):
        assert selects(earlier, "api-keys", account)


@pytest.mark.parametrize(
    ("earlier", "later", "expected"),
    [
        (Selector(), Selector(usage=Usage.UNUSED), True),
        (Selector(percent=100), Selector(), True),
        (Selector(), Selector(), True),
        (Selector(usage=Usage.UNUSED), Selector(usage=Usage.UNUSED, percent=5), True),
        (Selector(percent=10), Selector(percent=5), True),
        (Selector(accounts=frozenset("ab")), Selector(accounts=frozenset("a")), True),
        (Selector(usage=Usage.UNUSED), Selector(), False),
        (Selector(usage=Usage.UNUSED), Selector(usage=Usage.IN_USE), False),
        (Selector(tier="free"), Selector(tier="paid"), False),
        (Selector(percent=5), Selector(percent=10), False),
        (Selector(percent=5), Selector(), False),
        (Selector(accounts=frozenset("a")), Selector(), False),
        (Selector(accounts=frozenset("a")), Selector(accounts=frozenset("ab")), False),
    ],
)
def test_one_selector_covers_another_only_where_it_takes_all_of_it(
    earlier: Selector, later: Selector, *, expected: bool
) -> None:
    assert covers(earlier, later) is expected
