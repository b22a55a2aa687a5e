"""The plan: who has which date, what an edit of the file changes, and what it must not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from rollout.domain.errors import BadRows
from rollout.domain.plan import bucket
from rollout.domain.plan_moves import Move
from rollout.services.enforcement import Enforcement
from rollout.services.plan.drafting import Proposal
from rollout.testing import FakeMailer, FakeVerdictStore
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN, bring_on
from tests.support.database import digests

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
LATER = datetime(2027, 3, 16, 16, 0, tzinfo=UTC)
DAY = timedelta(days=1)
GOLD = "  - {cohort: gold, select: {tier: gold}, date: 2027-02-09}\n"
TWO = PLAN.replace("cohorts:\n", f"cohorts:\n{GOLD}")


def cohorts(*lines: str) -> str:
    """The cast's plan with other cohorts."""
    return PLAN[: PLAN.index("cohorts:")] + "cohorts:\n" + "".join(f"  - {{{x}}}\n" for x in lines)


def everyone(date: str) -> str:
    return cohorts(f"cohort: everyone, select: {{}}, date: {date}")


def apply(campaign: Campaign, plan: str = PLAN) -> Proposal:
    return campaign.plan.apply(plan, "plan.yaml", "olga")


def problems(campaign: Campaign, plan: str) -> list[str]:
    """What stands in the way: `plan` says it, `apply` refuses for it and changes nothing."""
    before = digests(campaign.engine)
    said = list(campaign.plan.plan(plan, "plan.yaml").problems)
    with pytest.raises(BadRows, match=r"plan\.yaml cannot be applied") as refused:
        apply(campaign, plan)
    assert list(refused.value.rows) == said
    assert digests(campaign.engine) == before
    return said


def dates(campaign: Campaign) -> dict[str, tuple[str, datetime, int]]:
    """Each account's cohort, deadline and schedule version."""
    rows = campaign.rows("SELECT account_id, cohort, deadline, schedule_version FROM enrollments")
    return {account: (cohort, deadline, version) for account, cohort, deadline, version in rows}


def moves(proposal: Proposal, *cohorts: str) -> list[Move]:
    return [m for cohort in cohorts for m in proposal.draft.cohorts[cohort].moves.values()]


def facts(campaign: Campaign, action: str) -> list[tuple[str, str, dict[str, object]]]:
    return [
        (actor, subject, data)
        for actor, subject, data in campaign.rows(
            "SELECT actor, subject, data FROM facts WHERE action = :action ORDER BY subject",
            action=action,
        )
    ]


def add_account(campaign: Campaign, account: str, tier: str = "free") -> None:
    campaign.run("INSERT INTO accounts VALUES (:id, '', 'UTC', 'en', :tier)", id=account, tier=tier)
    campaign.run(
        "INSERT INTO keys (key_id, account_id, kind, label, hint)"
        " VALUES ('k-' || :id, :id, 'rest', '', '')",
        id=account,
    )


# What a plan and its application do


def test_a_plan_shows_what_would_change_and_changes_nothing(campaign: Campaign) -> None:
    campaign.at(NOW)
    bring_on(campaign.engine)
    before = digests(campaign.engine)
    proposal = campaign.plan.plan(TWO, "plan.yaml")

    gold, everyone = proposal.draft.cohorts.values()
    assert (gold.accounts, gold.keys, gold.contacts, gold.new) == (1, 2, 2, 1)
    assert (everyone.accounts, everyone.keys, everyone.contacts, everyone.new) == (2, 2, 1, 2)
    assert everyone.unreachable == 1
    assert (proposal.problems, proposal.applied) == ((), False)
    assert digests(campaign.engine) == before


def test_everybody_with_a_key_in_scope_gets_a_date_and_a_fact(campaign: Campaign) -> None:
    campaign.begin(TWO)

    assert dates(campaign) == {
        "acme": ("gold", datetime(2027, 2, 9, 15, 0, tzinfo=UTC), 1),  # 16:00 in Berlin
        "beta": ("everyone", DEADLINE, 1),
        "hermit": ("everyone", DEADLINE, 1),
    }
    assert [subject for _, subject, _ in facts(campaign, "account.enrolled")] == [
        "account:acme",
        "account:beta",
        "account:hermit",
    ]
    assert facts(campaign, "account.enrolled")[0] == (
        "olga",
        "account:acme",
        {
            "deprecation": "api-keys",
            "cohort": "gold",
            "deadline": "2027-02-09T15:00:00+00:00",
            "wall": "2027-02-09T16:00:00",
            "zone": "Europe/Berlin",
            "moves": [],
            "usage": "in_use",
        },
    )
    assert facts(campaign, "deprecation.applied") == [
        (
            "olga",
            "deprecation:api-keys",
            {"gold": {"accounts": 1, "new": 1}, "everyone": {"accounts": 2, "new": 2}},
        )
    ]


def test_applying_again_changes_nothing(campaign: Campaign) -> None:
    campaign.begin()
    before = digests(campaign.engine)
    proposal = apply(campaign)

    assert proposal.applied
    assert digests(campaign.engine) == before


def test_applying_again_enrolls_accounts_that_came_since(campaign: Campaign) -> None:
    campaign.begin()
    add_account(campaign, "newcomer")
    proposal = apply(campaign)

    assert proposal.draft.cohorts["everyone"].new == 1
    assert dates(campaign)["newcomer"] == ("everyone", DEADLINE, 1)
    assert len(facts(campaign, "account.enrolled")) == 4
    assert len(facts(campaign, "deprecation.applied")) == 1


def test_a_newcomer_gets_no_date_that_could_not_be_told_in_time(campaign: Campaign) -> None:
    campaign.begin(TWO)
    campaign.at(datetime(2027, 1, 28, tzinfo=UTC))  # twelve days before that of gold
    add_account(campaign, "newcomer", tier="gold")
    apply(campaign, TWO)
    assert dates(campaign)["newcomer"] == ("everyone", DEADLINE, 1)

    campaign.at(DEADLINE + DAY)
    add_account(campaign, "late")
    proposal = apply(campaign, TWO)
    assert "late" not in dates(campaign)
    assert proposal.draft.unassigned == ["late"]


def test_accounts_that_no_cohort_takes_are_named_and_counted(campaign: Campaign) -> None:
    campaign.at(NOW)
    bring_on(campaign.engine)
    only_gold = PLAN.replace("select: {}", "select: {tier: gold}")
    for proposal in (campaign.plan.plan(only_gold, "plan.yaml"), apply(campaign, only_gold)):
        assert proposal.draft.unassigned == ["beta", "hermit"]
        assert proposal.draft.unassigned_count == 2
    assert set(dates(campaign)) == {"acme"}


def test_the_calendar_moves_a_date_and_says_why(campaign: Campaign) -> None:
    campaign.at(NOW)
    bring_on(campaign.engine)
    proposal = apply(campaign, everyone("2027-02-19"))

    assert dates(campaign)["acme"][1] == datetime(2027, 2, 22, 15, 0, tzinfo=UTC)
    assert dict(proposal.draft.cohorts["everyone"].shifts) == {
        "2027-02-19 is a Friday; the next day allowed is Monday 2027-02-22": 3
    }


# What an edit of the file changes


def test_a_changed_date_moves_everybody_and_retells_whoever_was_told(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.remind()
    told = {sent.to for sent in mailer.sent}
    campaign.work(NOW + timedelta(hours=1))
    mailer.sent.clear()
    proposal = apply(campaign, everyone("2027-03-16T16:00:00Z"))
    campaign.remind()

    assert proposal.draft.cohorts["everyone"].moved == 3
    assert {date for _, date, _ in dates(campaign).values()} == {LATER}
    assert {version for _, _, version in dates(campaign).values()} == {2}
    assert (
        {sent.to for sent in mailer.sent}
        == told
        == {
            "ann@acme.example",
            "art@acme.example",
            "bob@beta.example",
        }
    )
    assert all("16 March 2027" in sent.letter.subject for sent in mailer.sent)
    assert facts(campaign, "account.moved")[0] == (
        "olga",
        "account:acme",
        {
            "deprecation": "api-keys",
            "from": "2027-02-16T16:00:00+00:00",
            "to": "2027-03-16T16:00:00+00:00",
            "zone": "Europe/Berlin",
            "moves": [],
            "schedule_version": 2,
            "retold": True,
        },
    )


@pytest.mark.parametrize(
    ("applied", "edited", "because"),
    [
        (
            cohorts("cohort: all, select: {}, date: 2027-02-23"),
            everyone("2027-03-02"),
            "all has left the file, and the date of everyone is 2027-03-02",
        ),
        (
            everyone("2027-02-15"),
            everyone("2027-02-15").replace("guards:", "calendar: {holidays: [US]}\nguards:"),
            (
                "the calendar in the file has changed (2027-02-15 is a holiday (US: Washington's"
                " Birthday); the next day allowed is Tuesday 2027-02-16)"
            ),
        ),
    ],
)
def test_a_move_says_what_in_the_file_made_it(
    campaign: Campaign, applied: str, edited: str, because: str
) -> None:
    campaign.begin(applied)
    proposal = apply(campaign, edited)

    assert {move.because for move in moves(proposal, "everyone")} == {because}
    assert sum(move.accounts for move in moves(proposal, "everyone")) == 3


def test_a_move_says_that_the_account_itself_has_changed(campaign: Campaign) -> None:
    campaign.begin(everyone("2027-02-23"))
    campaign.run("UPDATE accounts SET timezone = 'America/New_York' WHERE account_id = 'acme'")
    (move,) = moves(apply(campaign, everyone("2027-02-23")), "everyone")

    assert (move.examples, move.after) == (["acme"], datetime(2027, 2, 23, 21, 0, tzinfo=UTC))
    assert move.because == "the account's time zone, or a holiday, has changed"


def test_an_edit_that_only_shifts_lines_takes_no_approval_back(campaign: Campaign) -> None:
    campaign.begin(PLAN.replace("approvals: 0", "approvals: 1"))
    campaign.guards.approve("api-keys", "everyone", operator="olga")
    apply(campaign, "# a comment\n" + PLAN.replace("approvals: 0", "approvals: 1"))

    (state,) = campaign.guards.cohorts("api-keys")
    assert state.approvals == ("olga",)


def test_a_moved_date_is_the_one_at_which_they_are_cut(campaign: Campaign) -> None:
    campaign.begin()
    campaign.remind()
    campaign.work(NOW + timedelta(hours=1))
    apply(campaign, everyone("2027-03-16T16:00:00Z"))
    campaign.remind()

    assert campaign.live(DEADLINE).cut == 0
    assert campaign.live(LATER).cut == 3
    assert campaign.broken() == []


def test_an_extended_account_keeps_its_date_whatever_the_file_says(campaign: Campaign) -> None:
    campaign.begin()
    campaign.dates.extend("acme", to=20 * DAY, reason="asked", operator="olga")
    extended = dates(campaign)["acme"]

    for plan in (everyone("2027-03-02"), everyone("2027-04-13"), PLAN):
        apply(campaign, plan)
        assert dates(campaign)["acme"] == extended
    assert dates(campaign)["beta"][2] == 4


def test_nobody_who_was_told_a_date_gets_an_earlier_one(campaign: Campaign) -> None:
    campaign.begin()
    campaign.remind()
    proposal = apply(campaign, everyone("2027-02-02T16:00:00Z"))

    moved = datetime(2027, 2, 2, 16, 0, tzinfo=UTC)
    assert {account: date for account, (_, date, _) in dates(campaign).items()} == {
        "acme": DEADLINE,
        "beta": DEADLINE,
        "hermit": moved,  # has nobody who could have been told
    }
    assert proposal.draft.cohorts["everyone"].shifts == {
        "people were told a later date, which stands": 2
    }


def test_accounts_stay_in_their_cohort_when_their_usage_changes(campaign: Campaign) -> None:
    plan = cohorts(
        "cohort: quiet, select: {usage: unused}, date: 2027-02-16T16:00:00Z",
        "cohort: loud, select: {}, date: 2027-03-16T16:00:00Z",
    )
    campaign.begin(plan)
    before = dates(campaign)
    campaign.run(
        "INSERT INTO key_usage (key_id, count, refused, first_seen, last_seen)"
        " VALUES ('k-beta-1', 1, 0, :now, :now)",
        now=NOW,
    )
    apply(campaign, plan)

    assert (before["beta"], before["acme"]) == (("quiet", DEADLINE, 1), ("loud", LATER, 1))
    assert dates(campaign) == before


def test_a_percentage_takes_the_same_accounts_and_more_of_them_when_raised(
    campaign: Campaign,
) -> None:
    def canary(percent: int) -> str:
        return cohorts(
            f"cohort: canary, select: {{percent: {percent}}}, date: 2027-02-02T16:00:00Z",
            "cohort: everyone, select: {}, date: 2027-02-16T16:00:00Z",
        )

    def members() -> set[str]:
        return {
            account for account, (cohort, _, _) in dates(campaign).items() if cohort == "canary"
        }

    first = [f"a{n:03}" for n in range(100)]
    then = [f"b{n:03}" for n in range(100)]
    campaign.begin(canary(20))
    for account in first:
        add_account(campaign, account)
    apply(campaign, canary(20))
    few = members()
    for account in then:
        add_account(campaign, account)
    apply(campaign, canary(60))

    assert few - {"acme", "beta", "hermit"} == {a for a in first if bucket("api-keys", a) < 20}
    assert members() == few | {a for a in then if bucket("api-keys", a) < 60}


def test_a_cohort_that_leaves_the_file_hands_its_accounts_on_with_their_date(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.remind()
    campaign.dates.extend("acme", to=20 * DAY, reason="asked", operator="olga")
    campaign.remind()
    extended = dates(campaign)["acme"][1]
    mailer.sent.clear()
    split = cohorts(
        "cohort: gold, select: {tier: gold}, date: 2027-02-16T16:00:00Z",
        "cohort: rest, select: {}, date: 2027-02-16T16:00:00Z",
    )
    proposal = apply(campaign, split)
    campaign.remind()

    assert dates(campaign) == {
        "acme": ("gold", extended, 2),
        "beta": ("rest", DEADLINE, 1),
        "hermit": ("rest", DEADLINE, 1),
    }
    assert mailer.sent == []  # no date has moved
    assert [(m.before, m.after, m.because) for m in moves(proposal, "gold", "rest")] == [
        (extended, extended, "everyone has left the file"),
        (DEADLINE, DEADLINE, "everyone has left the file"),
    ]
    assert facts(campaign, "account.reassigned")[0] == (
        "olga",
        "account:acme",
        {"deprecation": "api-keys", "from": "everyone", "to": "gold"},
    )
    assert apply(campaign, split).applied


def test_a_pause_goes_with_the_accounts_that_a_split_hands_on(campaign: Campaign) -> None:
    campaign.begin()
    campaign.remind()
    campaign.work(NOW + timedelta(hours=1))
    campaign.guards.pause("api-keys", "everyone", reason="over its cap", operator="olga")
    apply(
        campaign,
        cohorts(
            "cohort: gold, select: {tier: gold}, date: 2027-02-16T16:00:00Z",
            "cohort: rest, select: {}, date: 2027-02-16T16:00:00Z",
        ),
    )

    paused = {state.cohort: state.paused for state in campaign.guards.cohorts("api-keys")}
    assert paused["gold"] == "everyone, from where accounts come, is paused: over its cap"
    assert campaign.work(DEADLINE).cut == 0
    campaign.guards.resume("api-keys", "gold", reason="looked at", operator="olga")
    assert campaign.work(DEADLINE + DAY).cut == 0  # its last warning fell into the pause
    campaign.live(DEADLINE + 7 * DAY)
    assert campaign.rows("SELECT count(*) FROM keys WHERE status = 'disabled'") == [(2,)]
    assert campaign.broken() == []


def test_a_cohort_cannot_leave_the_file_while_nobody_takes_its_accounts(
    campaign: Campaign,
) -> None:
    campaign.begin(TWO)
    without = TWO.replace("  - {cohort: everyone, select: {}, date: 2027-02-16T16:00:00Z}\n", "")

    assert problems(campaign, without) == [
        (
            "everyone has left the file, and no other cohort takes 2 accounts that still have its"
            " date; keep the cohort, or exempt them"
        )
    ]


def test_a_reminder_that_is_added_is_sent_to_accounts_that_were_enrolled_before(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.remind()
    added = "  - {step: reminder-2, before: 40d, template: reminder}\n  - {step: reminder,"
    apply(campaign, PLAN.replace("  - {step: reminder,", added))
    campaign.work(DEADLINE - 40 * DAY - timedelta(seconds=1))
    assert [sent.to for sent in mailer.sent].count("bob@beta.example") == 1
    campaign.work(DEADLINE - 40 * DAY)

    steps = campaign.rows("SELECT DISTINCT step FROM notices WHERE state = 'sent'")
    assert ("reminder-2",) in steps
    assert [sent.to for sent in mailer.sent].count("bob@beta.example") == 2


def test_an_edit_of_the_reminders_tells_nobody_twice(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.remind()
    mailer.sent.clear()
    apply(campaign, PLAN.replace("before: 3d, required: true", "before: 4d, required: true"))
    campaign.remind()

    assert mailer.sent == []


def test_an_edit_of_the_words_reaches_the_gateways(campaign: Campaign) -> None:
    campaign.begin()
    store = FakeVerdictStore()
    enforcement = Enforcement(campaign.start, store)
    campaign.run("UPDATE keys SET secret_digest = sha256('s')")
    while enforcement.enforce():
        pass
    apply(campaign, PLAN.replace("keys-to-tokens", "new-guide"))
    while enforcement.enforce():
        pass

    record = store.read("k-acme-1")
    assert record is not None
    assert record.retirement is not None
    assert record.retirement.guide_url == "https://developers.example.com/new-guide"


# What stands in the way


def test_a_date_in_the_past_is_a_problem(campaign: Campaign) -> None:
    campaign.at(DEADLINE)
    bring_on(campaign.engine)

    assert problems(campaign, PLAN) == [
        "plan.yaml:16: everyone: its date 2027-02-16 16:00 is in the past"
    ]


def test_a_date_that_leaves_too_little_notice_is_a_problem(campaign: Campaign) -> None:
    campaign.at(DEADLINE - 13 * DAY)
    bring_on(campaign.engine)

    (problem,) = problems(campaign, PLAN)
    assert "leaves less than the 14d of guards.min_notice" in problem


def test_a_date_that_was_applied_may_pass(campaign: Campaign) -> None:
    campaign.begin(TWO)
    campaign.remind()
    campaign.at(datetime(2027, 2, 10, tzinfo=UTC))  # the date of gold has passed
    freeze = "calendar: {freezes: [{from: 2027-03-01, to: 2027-03-02, reason: incident}]}\nguards:"
    for edited in (
        TWO.replace("guards:", freeze),
        TWO.replace("approvals: 0", "approvals: 1"),
        TWO.replace("min_notice: 14d", "min_notice: 20d"),
        TWO.replace("2027-02-16T", "2027-03-16T"),
    ):
        apply(campaign, edited)
    assert dates(campaign)["acme"] == ("gold", datetime(2027, 2, 9, 15, 0, tzinfo=UTC), 1)
    assert dates(campaign)["beta"][1] == LATER


def test_a_date_cannot_be_moved_into_the_past_either(campaign: Campaign) -> None:
    campaign.begin(TWO)
    campaign.at(datetime(2027, 2, 10, tzinfo=UTC))

    (problem,) = problems(campaign, TWO.replace("2027-02-09", "2027-02-08"))
    assert problem == "plan.yaml:16: gold: its date 2027-02-08 16:00 is in the past"


def test_a_freeze_that_swallows_a_cohort_is_a_problem(campaign: Campaign) -> None:
    campaign.at(NOW)
    bring_on(campaign.engine)
    freeze = "calendar: {freezes: [{from: 2027-02-01, to: 2027-02-28, reason: sale}]}\nguards:"

    (problem,) = problems(campaign, TWO.replace("guards:", freeze))
    assert problem.startswith(
        "plan.yaml:17: gold: the calendar moves it to 2027-03-01 16:00, not before the date"
    )
    assert "'sale'" in problem


def test_a_freeze_that_leaves_no_day_is_a_problem(campaign: Campaign) -> None:
    campaign.at(NOW)
    bring_on(campaign.engine)
    freeze = "calendar: {freezes: [{from: 2027-01-20, to: 2030-12-31, reason: merger}]}\nguards:"
    endless = everyone("2027-02-16").replace("guards:", freeze)

    for refused in (campaign.plan.plan, lambda *given: campaign.plan.apply(*given, "olga")):
        with pytest.raises(BadRows) as error:
            refused(endless, "plan.yaml")
        assert error.value.rows[0].startswith(
            "plan.yaml:17: everyone: the calendar allows no day from 2027-02-16"
        )
        assert error.value.fix == "choose another date, or change the calendar"


def test_a_plan_by_which_nobody_could_ever_be_cut_is_a_problem(campaign: Campaign) -> None:
    campaign.at(NOW)
    bring_on(campaign.engine)
    late = (
        "no reminder without `only` is due earlier than 14d (guards.min_notice) before the"
        " deadline: everybody would be told too late, and nobody could ever be cut"
    )
    at_the_last_moment = PLAN.replace("before: 60d", "before: 14d").replace(
        "before: 30d", "before: 2d"
    )
    only_some = PLAN.replace("before: 60d}", "before: 60d, only: in_use}").replace(
        "before: 30d}", "before: 30d, only: unknown}"
    )

    assert problems(campaign, at_the_last_moment) == [late]
    assert problems(campaign, only_some) == [late]


def test_more_keys_at_one_instant_than_may_be_cut_are_a_problem(campaign: Campaign) -> None:
    campaign.at(NOW)
    bring_on(campaign.engine)
    together = cohorts(
        "cohort: gold, select: {tier: gold}, date: 2027-02-16T16:00:00Z",
        "cohort: everyone, select: {}, date: 2027-02-16T16:00:00Z",
    )

    def capped(most: int) -> str:
        return together.replace("approvals: 0", f"approvals: 0, max_keys_per_run: {most}")

    assert problems(campaign, capped(3)) == [
        (
            "everyone, gold: 4 keys fall due at 2027-02-16 16:00:00 UTC,"
            " guards.max_keys_per_run is 3; split the cohort or raise the cap"
        )
    ]
    assert apply(campaign, capped(4)).problems == ()


def test_more_accounts_within_an_hour_than_may_be_cut_are_a_problem(campaign: Campaign) -> None:
    campaign.at(NOW)
    bring_on(campaign.engine)

    def capped(second: str) -> str:
        return cohorts(
            "cohort: gold, select: {tier: gold}, date: 2027-02-16T16:00:00Z",
            f"cohort: everyone, select: {{}}, date: 2027-02-16T{second}Z",
        ).replace("approvals: 0", "approvals: 0, max_accounts_per_hour: 2")

    assert problems(campaign, capped("16:59:59")) == [
        (
            "everyone, gold: 3 accounts fall due in the hour that ends at 2027-02-16 16:59:59 UTC,"
            " guards.max_accounts_per_hour is 2; split the cohort or raise the cap"
        )
    ]
    assert apply(campaign, capped("17:00:00")).problems == ()


# What is kept


def test_every_date_that_an_account_ever_had_is_kept_and_cannot_be_rewritten(
    campaign: Campaign,
) -> None:
    campaign.begin()
    apply(campaign, everyone("2027-03-16T16:00:00Z"))
    campaign.dates.extend("acme", to=7 * DAY, reason="asked", operator="olga")

    history = campaign.rows(
        "SELECT s.schedule_version, s.deadline, s.cause, s.reason FROM schedules s"
        " JOIN enrollments USING (enrollment_id) WHERE account_id = 'acme' ORDER BY 1"
    )
    assert history == [
        (1, DEADLINE, "plan", None),
        (2, LATER, "plan", "the plan was changed"),
        (3, LATER + 7 * DAY, "extend", "asked"),
    ]
    for statement in (
        "UPDATE schedules SET deadline = deadline + interval '1 day'",
        "DELETE FROM schedules",
        "TRUNCATE schedules",
    ):
        with pytest.raises(DBAPIError, match="schedules is append-only"):
            campaign.run(statement)
