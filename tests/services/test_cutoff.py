"""The cutoff: who is cut, who is held, and what is never done."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from rollout.domain.audit import FactFilter
from rollout.domain.errors import BadInput, BadRows, Conflict, Refused
from rollout.services.audit import Audit
from rollout.testing import REFUSED, FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
MOMENT = timedelta(seconds=1)


def tell_everybody(campaign: Campaign, plan: str = PLAN) -> None:
    """Begin, send the first reminder, and let the grace time pass."""
    campaign.begin(plan)
    campaign.remind()
    campaign.work(NOW + timedelta(hours=1))


def statuses(campaign: Campaign) -> dict[str, str]:
    return dict(campaign.rows("SELECT key_id, status FROM keys"))


def open_holds(campaign: Campaign) -> dict[str, str]:
    return dict(
        campaign.rows(
            "SELECT account_id, code FROM holds JOIN enrollments USING (enrollment_id)"
            " WHERE closed_at IS NULL"
        )
    )


def test_a_campaign_reminds_cuts_and_holds_whom_nobody_could_reach(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    tell_everybody(campaign)
    campaign.live(DEADLINE)

    assert statuses(campaign) == {
        "k-acme-1": "disabled",
        "k-acme-2": "disabled",
        "k-acme-ios": "active",
        "k-beta-1": "disabled",
        "k-hermit-1": "active",
        "k-mobile-1": "active",
    }
    assert open_holds(campaign) == {"hermit": "not-told"}
    assert {sent.to for sent in mailer.sent} == {
        "ann@acme.example",
        "art@acme.example",
        "bob@beta.example",
    }
    assert campaign.broken() == []


def test_nothing_is_cut_a_moment_before_the_deadline(campaign: Campaign) -> None:
    tell_everybody(campaign)

    assert campaign.live(DEADLINE - MOMENT).cut == 0
    assert "disabled" not in statuses(campaign).values()


def test_an_extension_moves_the_cut(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.dates.extend("acme", to=timedelta(days=7), reason="asked nicely", operator="olga")

    campaign.live(DEADLINE)
    assert statuses(campaign)["k-acme-1"] == "active"
    campaign.live(DEADLINE + timedelta(days=7))
    assert statuses(campaign)["k-acme-1"] == "disabled"
    assert campaign.broken() == []


def test_an_extension_after_the_cut_is_a_conflict(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.live(DEADLINE)

    with pytest.raises(Conflict, match="off already"):
        campaign.dates.extend("acme", to=timedelta(days=7), reason="late", operator="olga")


def test_an_extension_to_an_earlier_date_is_refused(campaign: Campaign) -> None:
    tell_everybody(campaign)

    with pytest.raises(Refused, match="not later"):
        campaign.dates.extend("acme", to=NOW, reason="hurry", operator="olga")


def test_a_held_account_is_not_cut_until_it_is_released(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.guards.hold("acme", reason="ticket 4711", operator="olga", ends_at=None)

    campaign.live(DEADLINE)
    assert statuses(campaign)["k-acme-1"] == "active"
    assert open_holds(campaign)["acme"] == "operator"

    campaign.at(DEADLINE + MOMENT)
    campaign.guards.release("acme", reason="closed", operator="olga")
    campaign.live(DEADLINE + 2 * MOMENT)
    assert statuses(campaign)["k-acme-1"] == "disabled"
    assert campaign.broken() == []


def test_a_hold_ends_by_itself(campaign: Campaign) -> None:
    tell_everybody(campaign)
    ends = DEADLINE + timedelta(hours=1)
    campaign.guards.hold("acme", reason="their audit", operator="olga", ends_at=ends)

    campaign.live(DEADLINE)
    assert statuses(campaign)["k-acme-1"] == "active"
    campaign.live(ends)
    assert statuses(campaign)["k-acme-1"] == "disabled"
    assert campaign.broken() == []


def test_an_exempt_account_is_never_cut(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.guards.exempt("acme", reason="contract", operator="olga")

    campaign.live(DEADLINE)
    assert statuses(campaign)["k-acme-1"] == "active"
    assert statuses(campaign)["k-beta-1"] == "disabled"


def test_a_paused_cohort_is_not_cut_until_it_is_resumed(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.live(DEADLINE - timedelta(days=1))
    campaign.guards.pause("api-keys", "everyone", reason="incident", operator="olga")

    assert campaign.live(DEADLINE).cut == 0
    campaign.at(DEADLINE + MOMENT)
    campaign.guards.resume("api-keys", "everyone", reason="over", operator="olga")
    assert campaign.work(DEADLINE + 2 * MOMENT).cut == 3
    assert campaign.broken() == []


def test_an_unapproved_cohort_is_held_until_enough_people_approve(campaign: Campaign) -> None:
    tell_everybody(campaign, PLAN.replace("approvals: 0", "approvals: 2"))
    campaign.guards.approve("api-keys", "everyone", operator="olga")

    assert campaign.live(DEADLINE).cut == 0
    assert open_holds(campaign)["acme"] == "unapproved"
    campaign.guards.approve("api-keys", "everyone", operator="peter")
    assert campaign.work(DEADLINE + timedelta(minutes=1)).cut == 3


def test_the_same_person_cannot_approve_twice(campaign: Campaign) -> None:
    campaign.begin(PLAN.replace("approvals: 0", "approvals: 2"))
    campaign.guards.approve("api-keys", "everyone", operator="olga")

    with pytest.raises(Refused, match="olga has approved"):
        campaign.guards.approve("api-keys", "everyone", operator="olga")


def test_an_edit_of_the_plan_takes_approvals_back(campaign: Campaign) -> None:
    plan = PLAN.replace("approvals: 0", "approvals: 1")
    tell_everybody(campaign, plan)
    campaign.guards.approve("api-keys", "everyone", operator="olga")
    campaign.plan.apply(plan.replace("min_notice: 14d", "min_notice: 13d"), "plan.yaml", "olga")

    assert campaign.live(DEADLINE).cut == 0
    assert open_holds(campaign)["acme"] == "unapproved"


def test_nobody_is_cut_whose_mail_bounces(campaign: Campaign, mailer: FakeMailer) -> None:
    mailer.plan("bob@beta.example", REFUSED, REFUSED, REFUSED)
    tell_everybody(campaign)

    campaign.live(DEADLINE)
    assert statuses(campaign)["k-beta-1"] == "active"
    assert open_holds(campaign)["beta"] == "not-told"
    assert campaign.broken() == []


def test_a_warning_that_arrived_too_late_holds(campaign: Campaign) -> None:
    campaign.begin()
    campaign.at(DEADLINE - timedelta(days=13))
    campaign.remind()
    campaign.live(DEADLINE - timedelta(days=12))

    campaign.live(DEADLINE)
    assert open_holds(campaign)["acme"] == "told-too-late"
    assert campaign.broken() == []


def test_unknown_usage_holds(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.live(DEADLINE - timedelta(days=1))
    campaign.at(DEADLINE)
    campaign.run("UPDATE feeds SET newest_event = :then", then=DEADLINE - timedelta(days=3))
    campaign.delivery.confirm()
    campaign.sweep.sweep()

    assert open_holds(campaign)["beta"] == "unknown-usage"
    assert campaign.broken() == []


def test_unknown_usage_is_cut_where_the_plan_says_to_take_it_for_use(campaign: Campaign) -> None:
    guards = "approvals: 0, unknown_usage: as_in_use"
    tell_everybody(campaign, PLAN.replace("approvals: 0", guards))
    campaign.run("DELETE FROM feeds")

    assert campaign.live(DEADLINE).cut == 3
    assert campaign.broken() == []


def test_nothing_is_cut_in_a_freeze_that_was_added_later(campaign: Campaign) -> None:
    tell_everybody(campaign)
    freeze = "calendar: {freezes: [{from: 2027-02-15, to: 2027-02-17, reason: incident}]}\nguards:"
    campaign.plan.apply(PLAN.replace("guards:", freeze), "plan.yaml", "olga")

    assert campaign.live(DEADLINE).cut == 0
    assert open_holds(campaign)["acme"] == "frozen"
    assert campaign.live(DEADLINE + timedelta(days=2)).cut == 3
    assert campaign.broken() == []


def test_a_run_over_its_cap_is_refused_as_a_whole_and_says_so(campaign: Campaign) -> None:
    tell_everybody(campaign)
    small = PLAN.replace("approvals: 0", "approvals: 0, max_keys_per_run: 4")
    campaign.plan.apply(small, "plan.yaml", "olga")
    campaign.run(
        "INSERT INTO keys (key_id, account_id, kind, label, hint)"
        " VALUES ('k-new', 'beta', 'rest', '', '…-new')"
    )

    done = campaign.live(DEADLINE)
    assert done.cut == 0
    assert "max_keys_per_run is 4" in done.refused["api-keys"]
    assert "disabled" not in statuses(campaign).values()
    paused = campaign.guards.cohorts("api-keys")[0].paused
    assert paused is not None
    assert "run refused" in paused
    assert campaign.broken() == []


def test_all_cutting_can_be_stopped(campaign: Campaign) -> None:
    tell_everybody(campaign)
    with campaign.start() as uow:
        uow.clock.stop("the clock jumped", "rollout")
        uow.commit()

    assert campaign.live(DEADLINE).cut == 0
    assert campaign.broken() == []


def test_a_second_sweep_cuts_nothing_again(campaign: Campaign) -> None:
    tell_everybody(campaign)
    assert campaign.live(DEADLINE).cut == 3
    assert campaign.live(DEADLINE + MOMENT).cut == 0
    assert campaign.rows("SELECT count(*) FROM cutoffs") == [(3,)]


def test_a_restored_account_is_cut_again_by_itself(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.live(DEADLINE)
    campaign.at(DEADLINE + MOMENT)
    until = DEADLINE + timedelta(days=1)
    campaign.restore.restore("acme", until=until, reason="outage", operator="olga")
    assert statuses(campaign)["k-acme-1"] == "active"

    campaign.live(DEADLINE + 2 * MOMENT)
    campaign.work(until - MOMENT)
    assert statuses(campaign)["k-acme-1"] == "active"
    campaign.work(until)
    assert statuses(campaign)["k-acme-1"] == "disabled"
    told = campaign.rows("SELECT count(*) FROM notices WHERE step = 'restored'")
    assert told == [(2,)]
    assert campaign.broken() == []


def test_restoring_what_was_not_cut_is_a_conflict(campaign: Campaign) -> None:
    tell_everybody(campaign)
    with pytest.raises(Conflict, match="no key of it has been cut"):
        campaign.restore.restore("acme", until=DEADLINE, reason="why not", operator="olga")


def test_the_preview_says_who_would_be_cut_and_who_is_held(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.guards.hold("beta", reason="ticket", operator="olga", ends_at=None)

    seen = {f.key_id: (f.verdict, f.reason) for f in campaign.preview.at(DEADLINE)}
    assert seen["k-acme-1"] == ("cut", None)
    assert seen["k-beta-1"] == ("hold", "ticket")
    assert seen["k-hermit-1"][0] == "hold"
    assert "k-acme-ios" not in seen
    assert list(campaign.preview.at(DEADLINE - MOMENT)) == []


def test_a_date_that_moved_away_and_back_has_to_be_told_again(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    tell_everybody(campaign)
    campaign.at(NOW + timedelta(days=2))
    later = PLAN.replace("2027-02-16T16:00:00Z", "2027-03-16T16:00:00Z")
    campaign.plan.apply(later, "plan.yaml", "olga")
    campaign.run(
        "UPDATE enrollments SET deadline = :back, next_check_at = :back, schedule_version = 3",
        back=DEADLINE,
    )  # behind the services' back: no command moves a promised date forward
    campaign.run(
        "INSERT INTO schedules SELECT enrollment_id, 3, :back, 'plan' FROM enrollments",
        back=DEADLINE,
    )

    campaign.at(DEADLINE)
    assert campaign.sweep.sweep().cut == 0
    assert open_holds(campaign)["acme"] == "not-told"


def test_a_key_that_comes_after_the_cutoff_is_cut_as_well(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.live(DEADLINE)
    campaign.at(DEADLINE + timedelta(days=1))
    campaign.run(
        "INSERT INTO keys (key_id, account_id, kind, label, hint)"
        " VALUES ('k-late', 'beta', 'rest', '', '…late')"
    )
    assert [line[:2] for line in campaign.broken()] == ["L0"]
    campaign.plan.apply(PLAN, "plan.yaml", "olga")

    campaign.live(DEADLINE + timedelta(days=1, seconds=1))
    assert statuses(campaign)["k-late"] == "disabled"
    assert campaign.broken() == []


def test_a_held_account_without_keys_stays_held(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.guards.hold("beta", reason="rotating keys", operator="olga", ends_at=None)
    campaign.run("UPDATE keys SET status = 'revoked' WHERE account_id = 'beta'")

    campaign.live(DEADLINE)
    assert open_holds(campaign)["beta"] == "operator"


def test_what_becomes_due_after_a_run_was_counted_waits_for_the_next(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.at(DEADLINE)
    with campaign.start() as uow:
        document = uow.plan.deprecation("api-keys")
        counted = uow.cutoff.count(document, ["everyone"], max_keys=9, max_accounts=9)
        assert (counted.accounts, counted.at) == (3, DEADLINE)
        early = uow.cutoff.claim(document, ["everyone"], DEADLINE - MOMENT, 9)
        assert list(early) == []
        assert len(uow.cutoff.claim(document, ["everyone"], counted.at, 9)) == 3


def test_one_deprecation_that_cannot_be_read_does_not_stop_the_others(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.live(DEADLINE - timedelta(days=1))
    campaign.run(
        "INSERT INTO deprecations (deprecation, document, applied_by)"
        " VALUES ('aaa', 'nonsense', 'olga')"
    )
    campaign.run("INSERT INTO cohorts VALUES ('aaa', 'everyone', 1, 'x')")
    campaign.run(
        "INSERT INTO enrollments (deprecation, account_id, cohort, deadline, wall, zone,"
        " planned_usage, next_check_at) VALUES ('aaa', 'mobile', 'everyone', :at, :wall, 'UTC',"
        " 'unused', :at)",
        at=NOW,
        wall=NOW.replace(tzinfo=None),
    )

    campaign.at(DEADLINE)
    with pytest.raises(BadInput):
        campaign.sweep.sweep()
    assert statuses(campaign)["k-acme-1"] == "disabled"


def test_a_cohort_cannot_leave_the_plan_while_somebody_still_has_its_date(
    campaign: Campaign,
) -> None:
    tell_everybody(campaign)
    only_free = PLAN.replace("cohort: everyone, select: {}", "cohort: free, select: {tier: free}")

    with pytest.raises(BadRows, match="cannot be applied") as refused:
        campaign.plan.apply(only_free, "plan.yaml", "olga")
    assert "everyone has left the file" in str(refused.value.rows)


def test_the_history_of_an_account_tells_of_its_keys_too(campaign: Campaign) -> None:
    tell_everybody(campaign)
    campaign.live(DEADLINE)

    facts = list(Audit(campaign.start).facts(FactFilter(account="acme")))
    assert [
        (f.action, f.subject) for f in facts if f.action in {"key.cut", "account.enrolled"}
    ] == [
        ("key.cut", "key:k-acme-2"),
        ("key.cut", "key:k-acme-1"),
        ("account.enrolled", "account:acme"),
    ]
