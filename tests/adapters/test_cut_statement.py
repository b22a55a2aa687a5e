"""The statement that switches keys off refuses by itself, whatever the rules before it let pass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from rollout.domain.cutoff import Case, DueKey
from rollout.domain.usage import Usage
from rollout.services.ports.cutoff import DueCount
from tests.support.campaign import Campaign

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
MOMENT = timedelta(microseconds=1)


def case_of(campaign: Campaign, account_id: str, *more: str) -> Case:
    """An account's keys in scope, and whatever other keys are named."""
    with campaign.start() as uow:
        cases = uow.cutoff.cases(uow.plan.deprecation("api-keys"), DEADLINE, 10)
    (case,) = (each for each in cases if each.account_id == account_id)
    others = tuple(DueKey(key_id, None, Usage.UNUSED) for key_id in more)
    return replace(case, keys=case.keys + others)


def cut(campaign: Campaign, case: Case) -> Mapping[int, Sequence[str]]:
    """Have the keys of a case switched off, without asking any rule."""
    with campaign.start() as uow:
        deprecation = uow.plan.deprecation("api-keys")
        run = uow.cutoff.open_run(deprecation, DueCount(1, 1, 0, DEADLINE))
        done = uow.cutoff.record_cuts(run, {case.enrollment_id: {}}, [case])
        uow.commit()
    return done


def off(campaign: Campaign) -> list[str]:
    rows = campaign.rows("SELECT key_id FROM keys WHERE status <> 'active' ORDER BY key_id")
    return [key_id for (key_id,) in rows]


def test_a_key_of_a_mobile_app_is_passed_over_though_it_is_handed_in(campaign: Campaign) -> None:
    campaign.begin()
    campaign.at(DEADLINE)

    (keys,) = cut(campaign, case_of(campaign, "acme", "k-acme-ios", "k-mobile-1")).values()
    assert sorted(keys) == off(campaign) == ["k-acme-1", "k-acme-2"]
    assert campaign.rows("SELECT count(*) FROM cutoffs") == [(2,)]


def test_nothing_is_cut_before_the_deadline_though_it_is_handed_in(campaign: Campaign) -> None:
    campaign.begin()
    campaign.at(DEADLINE - MOMENT)
    assert cut(campaign, case_of(campaign, "acme")) == {}
    assert off(campaign) == []

    campaign.at(DEADLINE)
    assert len(cut(campaign, case_of(campaign, "acme"))) == 1


def test_nothing_of_an_exempt_account_is_cut_though_it_is_handed_in(campaign: Campaign) -> None:
    campaign.begin()
    campaign.at(DEADLINE)
    case = case_of(campaign, "beta")
    campaign.guards.exempt("beta", reason="contract", operator="olga")

    assert cut(campaign, case) == {}
    assert off(campaign) == []
