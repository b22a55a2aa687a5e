"""``rollout notice summary|untold`` as an operator or a script runs it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rollout.domain.notices import NoticeState
from rollout.testing import REFUSED, TEMPORARY, UNCERTAIN, FakeMailer
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN
from tests.support.command_line import CommandLine

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
DAY = timedelta(days=1)
NO_USER = "RCPT: 550 5.1.1 No such user"
LATE = "the first warning arrived"


def summary(cli: CommandLine, *options: str) -> dict[str, dict[str, Any]]:
    """The steps by name; of the states, those that some message is in."""
    items = cli("notice", "summary", *options, "--json").items
    for item in items:
        assert list(item["states"]) == list(NoticeState)
        item["states"] = {state: count for state, count in item["states"].items() if count}
    return {item["step"]: item for item in items}


def planned(cli: CommandLine, *options: str) -> dict[str, tuple[int, str, str]]:
    return {
        name: (step["planned"], step["planned_from"], step["planned_until"])
        for name, step in summary(cli, *options).items()
        if step["planned"]
    }


def test_before_anything_is_applied_there_is_nothing_to_see(cli: CommandLine) -> None:
    assert cli("notice", "summary").stdout == cli("notice", "untold").stdout == "none\n"
    assert cli("notice", "summary", "--json").items == cli("notice", "untold", "--json").items == []


def test_summary_counts_messages_by_state_and_people_to_whom_a_step_is_still_to_come(
    cli: CommandLine, campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    first = planned(cli)
    mailer.plan("bob@beta.example", REFUSED)
    mailer.plan("art@acme.example", UNCERTAIN)
    campaign.remind()
    campaign.work(NOW + timedelta(minutes=1))  # the line was lost: others wait a little
    later = summary(cli)

    assert first == {  # Ann, Art and Bob; nobody of hermit is known, and mobile is not in scope
        "announcement": (3, "2027-01-01T12:00:00Z", "2027-01-01T12:00:00Z"),
        "reminder": (3, "2027-01-17T16:00:00Z", "2027-01-17T16:00:00Z"),
        "final-warning": (3, "2027-02-13T16:00:00Z", "2027-02-13T16:00:00Z"),
        "disabled": (3, "2027-02-16T16:00:00Z", "2027-02-16T16:00:00Z"),
        "still-calling": (3, "2027-02-17T16:00:00Z", "2027-02-17T16:00:00Z"),
    }
    assert list(later) == list(first)  # in the order of the file
    assert later["announcement"] == {
        "deprecation": "api-keys",
        "step": "announcement",
        "planned": 0,
        "planned_from": None,
        "planned_until": None,
        "states": {"sent": 1, "bounced": 1, "uncertain": 1},
        "skipped": {},
        "sending_paused": None,
    }
    assert planned(cli)["reminder"][0] == 2  # Bob's address is dead


def test_whoever_complained_is_only_counted_for_required_steps_and_whoever_has_no_key_for_none(
    cli: CommandLine, campaign: Campaign
) -> None:
    campaign.begin()
    campaign.run("UPDATE contacts SET deliverability = 'complained' WHERE name = 'Bob'")
    assert [people for people, *_ in planned(cli).values()] == [2, 2, 3, 2, 2]
    campaign.run("UPDATE keys SET status = 'revoked' WHERE account_id = 'beta'")
    assert [people for people, *_ in planned(cli).values()] == [2] * 5


def test_summary_says_why_messages_were_skipped_the_commonest_reason_first(
    cli: CommandLine, campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    mailer.plan("bob@beta.example", REFUSED)
    campaign.remind()
    campaign.work(DEADLINE - 2 * DAY)
    steps = summary(cli)

    assert steps["announcement"]["skipped"] == {}
    assert steps["reminder"]["skipped"] == {"superseded by final-warning": 3}
    assert steps["final-warning"]["skipped"] == {"the address was refused for good": 1}
    campaign.run(
        "UPDATE notices SET step = 'left the file', schedule_version = notice_id,"
        " state = 'skipped', reason = CASE WHEN notice_id > 7 THEN 'often'"
        " ELSE 'r' || notice_id END"
    )
    last = list(summary(cli).values())[-1]
    assert (last["step"], list(last["skipped"])[:2]) == ("left the file", ["often", "r1"])
    shown = " ".join(cli("notice", "summary").stdout.split())
    assert "often (2); r1 (1); r2 (1); and 5 other reasons" in shown


def test_what_follows_the_cut_is_counted_from_the_cut(cli: CommandLine, campaign: Campaign) -> None:
    campaign.begin()
    campaign.remind()
    campaign.work(NOW + DAY)
    campaign.live(DEADLINE - timedelta(hours=1))
    campaign.work(DEADLINE + timedelta(hours=1))

    assert planned(cli) == {"still-calling": (3, "2027-02-17T17:00:00Z", "2027-02-17T17:00:00Z")}
    campaign.work(DEADLINE + 2 * DAY)
    assert planned(cli) == {}


def test_summary_looks_at_one_deprecation_or_cohort(cli: CommandLine, campaign: Campaign) -> None:
    gold = "cohorts:\n  - {cohort: gold, select: {tier: gold}, date: 2027-02-09T10:00:00Z}\n"
    campaign.begin(PLAN.replace("cohorts:\n", gold))
    campaign.plan.apply(PLAN.replace("api-keys", "b-keys"), "b.yaml", "olga")
    campaign.remind()

    one = summary(cli, "--cohort", "api-keys/gold")
    assert one["reminder"]["planned_from"] == "2027-01-10T10:00:00Z"
    assert one["announcement"]["states"] == {"sent": 2}
    assert planned(cli, "--deprecation", "api-keys")["reminder"] == (
        3,
        "2027-01-10T10:00:00Z",
        "2027-01-17T16:00:00Z",
    )
    shown = cli("notice", "summary").stdout
    assert shown.index("api-keys\n") < shown.index("b-keys\n")
    assert len(cli("notice", "summary", "--json").items) == 10


# Untold


def test_untold_is_empty_while_there_is_time_and_lists_the_work_once_there_is_not(
    cli: CommandLine, campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    mailer.plan("bob@beta.example", REFUSED)
    campaign.work(NOW)
    campaign.work(DEADLINE - 14 * DAY)
    assert cli("notice", "untold", "--json").items == []

    campaign.at(DEADLINE - 14 * DAY + timedelta(seconds=1))
    assert cli("notice", "untold", "--json").items == [
        {
            "deprecation": "api-keys",
            "cohort": "everyone",
            "account_id": account,
            "deadline": "2027-02-16T16:00:00Z",
            "contacts": contacts,
            "told": 0,
            "code": "not-told",
            "why": f"nobody can be told: {why}",
            "who_must_act": "operator",
            "act": "new address, more time",
        }
        for account, contacts, why in (
            (
                "beta",
                1,
                f"every address was refused for good (1 of 1); the newest failed with: {NO_USER}",
            ),
            ("hermit", 0, "no contact is known"),
        )
    ]
    shown = cli("notice", "untold")
    for words in (
        "hermit",
        "api-keys/everyone",
        "operator: new address, more time",
        "`rollout import contacts`",
        "`rollout account extend`",
    ):
        assert words in shown.stdout + shown.stderr, words
    campaign.live(DEADLINE + DAY)  # the others are cut; what is past stays on the list
    assert [i["account_id"] for i in cli("notice", "untold", "--json").items] == ["beta", "hermit"]


def test_untold_ends_with_an_extension_an_exemption_or_the_last_key(
    cli: CommandLine, campaign: Campaign
) -> None:
    campaign.begin()
    campaign.run("UPDATE contacts SET deliverability = 'bounced'")
    campaign.at(DEADLINE - DAY)
    assert {i["account_id"] for i in cli("notice", "untold", "--json").items} == {
        *("acme", "beta", "hermit")
    }

    cli("account", "extend", "acme", "--by", "20d", "--reason", "new address")
    cli("account", "exempt", "hermit", "--reason", "contract")
    assert [i["account_id"] for i in cli("notice", "untold", "--json").items] == ["beta"]
    campaign.run("UPDATE keys SET status = 'revoked' WHERE account_id = 'beta'")
    assert cli("notice", "untold").stdout == "none\n"


def test_untold_says_how_far_each_message_came(
    cli: CommandLine, campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.begin()
    campaign.at(DEADLINE - 10 * DAY)
    mailer.plan("art@acme.example", TEMPORARY)
    mailer.plan("bob@beta.example", UNCERTAIN)
    campaign.scheduling.sweep()
    waiting = {i["account_id"]: i["why"] for i in cli("notice", "untold", "--json").items}
    campaign.remind()
    sent = {i["account_id"]: i["why"] for i in cli("notice", "untold", "--json").items}
    campaign.work(DEADLINE - 9 * DAY)
    late = {i["account_id"]: i for i in cli("notice", "untold", "--json").items}

    assert (waiting["acme"], waiting["beta"]) == (
        "waiting to be sent (2)",
        "waiting to be sent (1)",
    )
    assert sent["acme"] == (
        "sent, may still bounce (1); waiting to be sent (1);"
        " the newest try ended with: RCPT: 450 4.7.1 Greylisted"
    )
    assert sent["beta"] == "uncertain: nobody knows whether it arrived (1)"
    assert (late["acme"]["code"], late["acme"]["told"]) == ("told-too-late", 1)
    assert "extend to 2027-02-20 16:00:00 UTC or later" in late["acme"]["why"]


def test_whoever_was_warned_of_an_earlier_date_needs_nobody_while_the_new_one_is_under_way(
    cli: CommandLine, campaign: Campaign
) -> None:
    campaign.begin()
    campaign.work(NOW)
    campaign.work(NOW + DAY)
    campaign.at(DEADLINE - DAY)
    cli("account", "extend", "acme", "--by", "3d", "--reason", "asked")
    shown = cli("notice", "untold")
    acme = next(i for i in cli("notice", "untold", "--json").items if i["account_id"] == "acme")

    assert (acme["who_must_act"], acme["act"]) == ("rollout", "wait")
    assert "rollout: wait – a message is under way" in shown.stderr


def test_untold_is_sorted_by_deadline_and_says_that_there_is_more(
    cli: CommandLine, campaign: Campaign
) -> None:
    campaign.begin()
    campaign.run(
        "INSERT INTO accounts (account_id, name, timezone, locale, tier)"
        " SELECT 'x' || n, '', 'UTC', 'en', '' FROM generate_series(1, 101) n"
    )
    campaign.run(
        "INSERT INTO keys (key_id, account_id, kind, label, hint)"
        " SELECT 'k-' || account_id, account_id, 'rest', '', '' FROM accounts"
        " WHERE account_id LIKE 'x%'"
    )
    campaign.plan.apply(PLAN + "# again", "plan.yaml", "olga")
    campaign.run(
        "UPDATE enrollments SET deadline = deadline - enrollment_id * interval '1 hour'"
        " WHERE account_id LIKE 'x%'"
    )
    campaign.at(DEADLINE)
    items = cli("notice", "untold", "--json").items
    shown = cli("notice", "untold")

    assert [i["deadline"] for i in items] == sorted(i["deadline"] for i in items)
    assert len(items) == 104  # all but whoever has nothing but an app of Android
    assert shown.stdout.count("new address") == 100
    assert "These are the first 100; --limit shows more." in shown.stderr
    assert len(cli("notice", "untold", "--limit", "2", "--json").items) == 2


MANY = (
    """
    INSERT INTO accounts (account_id, name, timezone, locale, tier)
    SELECT 'x' || n, '', 'UTC', 'en', '' FROM generate_series(100, 1200) n
     WHERE n % 100 / 10 BETWEEN 1 AND 4 AND n % 10 BETWEEN 1 AND 2
    """,
    """
    INSERT INTO contacts (account_id, email, name, role)
    SELECT account_id, i || '@' || account_id || '.example', '', ''
      FROM accounts, generate_series(1, 2) i WHERE account_id LIKE 'x%'
    """,
    """
    INSERT INTO keys (key_id, account_id, kind, label, hint)
    SELECT 'k-' || account_id, account_id, 'rest', '', '' FROM accounts WHERE account_id LIKE 'x%'
    """,
)
TELL = """
INSERT INTO notices (enrollment_id, deprecation, contact_id, step, template, required,
                     schedule_version, deadline, message_id, state, due_at, attempt_at, sent_at,
                     delivered_at)
SELECT e.enrollment_id, e.deprecation, c.contact_id, :step, '', false, v.version,
       e.deadline + v.off,
       '<' || :step || e.enrollment_id || '.' || c.contact_id || '@x>', s.state,
       e.deadline - d.before, e.deadline - d.before, e.deadline - d.before,
       CASE WHEN s.state IN ('delivered', 'complained') THEN e.deadline - d.before END
  FROM unnest(CAST(:states AS text[])) WITH ORDINALITY s (state, i),
       (VALUES (1, 1, interval '0'), (2, 2, interval '0'), (3, 2, interval '-1 day'),
               (4, 2, interval '1 day')) v (j, version, off),
       (VALUES (1, interval '14 days'), (2, interval '13 days')) d (k, before)
  JOIN enrollments e ON true JOIN contacts c USING (account_id)
 WHERE e.account_id = 'x' || ((s.i + :shift) % 11 + 1) * 100 + v.j * 10 + d.k
"""


@pytest.mark.parametrize("apart", ["-3 days", "3 days"])
@pytest.mark.parametrize("min_delivered", [1, 2])
def test_untold_is_what_the_cutoff_will_hold_at_the_deadline_for_want_of_a_promise(
    cli: CommandLine, campaign: Campaign, min_delivered: int, apart: str
) -> None:
    """Every state, of this schedule or another, of this date or another, early or late."""
    plan = PLAN.replace("approvals: 0", f"approvals: 0, min_delivered: {min_delivered}")
    campaign.begin(plan)
    for statement in MANY:
        campaign.run(statement)
    campaign.plan.apply(plan + "# again", "plan.yaml", "olga")
    campaign.run("UPDATE enrollments SET schedule_version = 2")
    states = [state.value for state in NoticeState]
    campaign.run(TELL, states=states, step="a", shift=0)
    campaign.run(  # not to both of them
        "DELETE FROM notices WHERE contact_id IN"
        " (SELECT contact_id FROM contacts WHERE email LIKE '1@x8%')"
    )
    campaign.run(  # all were told another date before, or may have been
        TELL.replace("e.deadline + v.off", f"e.deadline + interval '{apart}'")
        .replace("v.version", "1")
        .replace("d.before", "interval '20 days'"),
        states=states,
        step="b",
        shift=2,
    )
    campaign.at(DEADLINE)
    held = {
        i["account_id"]: i["reason"]
        for i in cli("cutoff", "preview", "--json").items
        if i["verdict"] == "hold" and ("a delivered message" in i["reason"] or LATE in i["reason"])
    }
    found = {i["account_id"]: i for i in cli("notice", "untold", "--json").items}
    late = {name: i["why"] for name, i in found.items() if i["code"] == "told-too-late"}

    assert set(found) == set(held)
    assert late == {name: why for name, why in held.items() if why.startswith(LATE)}
    everybody = campaign.rows("SELECT count(*) FROM enrollments")[0][0]
    assert 0 < len(late) < len(found) < everybody
