"""Where nobody of an account can be told, people inside the company are. They are no customers."""

from __future__ import annotations

import io
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from rollout.adapters.db.owners import MAIL_PROVIDERS, OWNERS
from rollout.adapters.db.queries import SqlQueries
from rollout.adapters.locales import canonical_locale
from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.resources import templates_dir
from rollout.adapters.rows import RowFile, RowFormat
from rollout.domain.cutoff import HoldCode
from rollout.domain.errors import NotFound, Refused
from rollout.domain.inventory_rows import Register
from rollout.services.inventory import Inventory
from rollout.services.notices.overview import NoticeOverview
from rollout.services.notices.preview import NoticePreview
from rollout.services.notices.recording import give_up
from rollout.services.ports.notice_ledger import Leased
from rollout.testing import REFUSED, FakeMailer
from tests.support.campaign import GRACE, Campaign
from tests.support.cast import NOW, PLAN
from tests.support.returned_mail import dsn

DAY = timedelta(days=1)
DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
ANN, ART, BOB = "ann@acme.example", "art@acme.example", "bob@beta.example"
SUE, SAM = "sue@platform.example", "sam@platform.example"
INSIDERS = """
INSERT INTO contacts (account_id, email, name, role) VALUES
  ('acme', 'sue@platform.example', 'Sue', 'internal'),
  ('beta', 'sue@platform.example', 'Sue', 'internal'),
  ('beta', 'sam@platform.example', 'Sam', 'internal'),
  ('hermit', 'sue@platform.example', 'Sue', 'internal')
"""


@pytest.fixture(autouse=True)
def everybody(campaign: Campaign) -> None:
    campaign.begin()
    campaign.run(INSIDERS)


def inside(campaign: Campaign, account: str) -> list[tuple[str, str, int]]:
    """Say what was told inside about an account: to whom, how it stands, of which schedule."""
    return campaign.rows(
        "SELECT c.email, n.state, n.schedule_version FROM notices n JOIN contacts c"
        " USING (contact_id) WHERE n.step = 'nobody-left' AND c.account_id = :account"
        " ORDER BY n.notice_id",
        account=account,
    )  # type: ignore[return-value]


def others(campaign: Campaign) -> int:
    """Count what people inside were told of what is for customers."""
    ((count,),) = campaign.rows(
        "SELECT count(*) FROM notices JOIN contacts USING (contact_id)"
        " WHERE (role = 'internal') <> (step = 'nobody-left')"
    )
    return int(count)


def sam(campaign: Campaign) -> int:
    ((contact_id,),) = campaign.rows("SELECT contact_id FROM contacts WHERE email = :sam", sam=SAM)
    return int(contact_id)


def escalations(campaign: Campaign) -> list[tuple[str, str, list[str]]]:
    return [
        (subject, reason, data["to"])
        for subject, reason, data in campaign.rows(
            "SELECT subject, reason, data FROM facts WHERE action = 'notice.escalated' ORDER BY seq"
        )
    ]


def test_an_account_without_contacts_is_told_of_inside_as_soon_as_something_is_due(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.work(NOW)

    assert inside(campaign, "hermit") == [(SUE, "sent", 1)]
    (letter,) = [sent.letter for sent in mailer.sent if sent.to == SUE]
    assert letter.subject.startswith("Nobody at Nobody Answers can be told that its API keys stop")
    assert "not for the customer" in letter.text
    assert letter.unsubscribe_url is None
    fact = ("account:hermit", "nobody can be told: no contact is known", [SUE])
    assert escalations(campaign) == [fact]
    assert (inside(campaign, "acme"), inside(campaign, "beta")) == ([], [])


def test_it_is_told_once_for_each_date(campaign: Campaign) -> None:
    campaign.live(DEADLINE - DAY)
    assert inside(campaign, "hermit") == [(SUE, "delivered", 1)]

    campaign.dates.extend("hermit", to=30 * DAY, reason="asked", operator="olga")
    campaign.live(DEADLINE + 30 * DAY)
    states = [(to, state) for to, state, _ in inside(campaign, "hermit")]
    versions = [version for *_, version in inside(campaign, "hermit")]
    assert set(states) == {(SUE, "delivered")}
    assert versions == sorted(set(versions))
    assert others(campaign) == 0


def test_a_refused_address_that_was_the_last_is_told_of_inside(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, REFUSED)
    campaign.work(NOW)

    assert [to for to, *_ in inside(campaign, "beta")] == [SUE, SAM]
    (_, (subject, reason, to)) = escalations(campaign)
    assert (subject, to) == ("account:beta", [SAM, SUE])
    assert "every address was refused for good (1 of 1)" in reason


def test_two_refusals_at_once_are_not_each_left_to_the_other(campaign: Campaign) -> None:
    campaign.scheduling.sweep()
    with campaign.start() as uow:
        ann, art = (n for n in uow.ledger.lease(50, DAY) if n.account_id == "acme")
        uow.commit()

    def refuse(notice: Leased) -> None:
        with campaign.start() as uow:
            give_up(uow, notice, "550 no")
            uow.commit()

    with ThreadPoolExecutor() as other, campaign.start() as uow:
        give_up(uow, ann, "550 no")
        waiting = other.submit(refuse, art)
        with pytest.raises(TimeoutError):
            waiting.result(timeout=0.5)
        uow.commit()
    waiting.result()

    assert [to for to, *_ in inside(campaign, "acme")] == [SUE]


@pytest.mark.parametrize("status", ["5.1.1", "4.2.2"])
def test_so_is_a_bounce_that_comes_back_by_mail(
    campaign: Campaign, mailer: FakeMailer, status: str
) -> None:
    campaign.work(NOW)
    campaign.work(NOW + GRACE)
    (bob,) = [sent for sent in mailer.sent if sent.to == BOB]
    campaign.reports.take_in(dsn(bob, status=status, words="550 no"))
    campaign.remind()

    assert {to for to, *_ in inside(campaign, "beta")} == {SUE, SAM}


def test_nobody_inside_is_told_while_somebody_is_or_may_yet_be(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(ANN, REFUSED)
    campaign.work(NOW)
    mailer.plan(ART, REFUSED)
    campaign.live(DEADLINE - 29 * DAY)

    assert inside(campaign, "acme") == []  # Art was told first, and refused later


def test_what_is_told_inside_is_no_promise_and_the_cutoff_holds(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, REFUSED)
    campaign.live(DEADLINE + DAY)

    assert inside(campaign, "beta") == [(SUE, "delivered", 1), (SAM, "delivered", 1)]
    held = "SELECT DISTINCT code FROM holds JOIN enrollments USING (enrollment_id)"
    held += " WHERE account_id IN ('beta', 'hermit') AND closed_at IS NULL"
    assert campaign.rows(held) == [(HoldCode.NOT_TOLD.value,)]
    assert campaign.rows("SELECT account_id FROM enrollments WHERE state = 'cut'") == [("acme",)]
    assert others(campaign) == 0
    assert campaign.broken() == []


@pytest.mark.parametrize(
    "only_inside",
    ["announcement", "final-warning"],
    ids=["in time", "of this date"],
)
def test_a_cut_that_only_people_inside_were_told_of_is_a_breach(
    campaign: Campaign, only_inside: str
) -> None:
    campaign.live(DEADLINE + DAY)
    campaign.run("DELETE FROM notices WHERE step NOT IN ('announcement', 'final-warning')")
    assert campaign.broken() == []
    campaign.run("UPDATE notices SET schedule_version = 99 WHERE step = 'announcement'")
    assert campaign.broken() == []
    campaign.run("UPDATE notices SET step = 'nobody-left' WHERE step = :step", step=only_inside)

    assert {breach.partition(":")[0] for breach in campaign.broken()} == {"T0"}


def test_people_inside_count_nowhere_among_the_people_of_an_account(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, REFUSED)
    campaign.live(DEADLINE - 10 * DAY)
    campaign.run("UPDATE notices SET state = 'pending' WHERE contact_id = :sam", sam=sam(campaign))
    overview = NoticeOverview(campaign.start)
    near = {e.account_id: (e.telling.reach, why) for e, why in overview.untold(None, None, None)}
    (shown,) = SqlQueries(campaign.engine).account("beta")["enrollments"]
    campaign.run("UPDATE enrollments SET told_until = NULL, next_notice_at = now()")
    ahead = {step.step: step.planned for step in overview.summary(None, None)}
    drafted = campaign.plan.plan(PLAN, "plan.yaml")

    assert set(near) == {"beta", "hermit"}
    assert (near["beta"][0].contacts, near["beta"][0].dead, near["beta"][0].told) == (1, 1, 0)
    assert near["beta"][0].open == 0
    assert near["hermit"][0].contacts == 0
    assert shown["people_told"] == 0
    assert str(shown["unreachable"]).startswith("every address was refused for good (1 of 1)")
    assert ahead["final-warning"] == 2  # Ann and Art
    assert [(c.contacts, c.unreachable) for c in drafted.draft.cohorts.values()] == [(3, 1)]


def test_a_date_that_only_people_inside_were_told_may_still_come_earlier(
    campaign: Campaign,
) -> None:
    campaign.work(NOW)
    campaign.work(NOW + GRACE)
    earlier = campaign.plan.plan(PLAN.replace("2027-02-16", "2027-02-09"), "plan.yaml")

    (cohort,) = earlier.draft.cohorts.values()
    assert cohort.moved == 1  # that of hermit; the others were told a later one, which stands


def test_no_first_message_is_tried_on_people_inside(campaign: Campaign) -> None:
    with campaign.start() as uow:
        document = uow.plan.deprecation("api-keys")
        readers = uow.plan.readers(document, ["acme", "hermit"], NOW)

    assert sorted(reader.recipient for reader in readers) == ["Ann", "Art"]


def test_a_moved_date_is_not_told_inside_as_if_they_were_the_customer(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(BOB, REFUSED)
    campaign.work(NOW)
    campaign.run(
        "INSERT INTO contacts (account_id, email, name, role)"
        " VALUES ('beta', 'bea@beta.example', 'Bea', 'admin')"
    )
    campaign.live(DEADLINE - 29 * DAY)
    for account in ("acme", "beta", "hermit"):
        campaign.dates.extend(account, to=30 * DAY, reason="asked", operator="olga")
    campaign.remind()

    told = campaign.rows(
        "SELECT email FROM notices JOIN contacts USING (contact_id) WHERE step = 'extended'"
        " ORDER BY 1"
    )
    assert told == [(ANN,), (ART,), ("bea@beta.example",)]


def test_nor_is_one_that_moves_while_their_message_waits(campaign: Campaign) -> None:
    campaign.at(NOW)
    campaign.scheduling.sweep()
    campaign.dates.extend("hermit", to=30 * DAY, reason="asked", operator="olga")
    campaign.remind()

    assert inside(campaign, "hermit") == [(SUE, "skipped", 1)]
    assert others(campaign) == 0


def test_nobody_is_told_anything_earlier_by_it(campaign: Campaign) -> None:
    """Else a last warning that runs late would leave too little time for a first one."""
    campaign.work(NOW)
    with campaign.start() as uow:
        ((hermit,),) = campaign.rows(
            "SELECT enrollment_id FROM enrollments WHERE account_id = 'hermit'"
        )
        assert not uow.notices.anybody_told(hermit)


def test_a_dead_address_inside_is_not_written_to_and_asks_for_nobody_else(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    mailer.plan(SUE, REFUSED)
    campaign.work(NOW)
    mailer.plan(BOB, REFUSED)
    campaign.live(DEADLINE - 29 * DAY)

    assert inside(campaign, "hermit") == [(SUE, "bounced", 1)]
    assert inside(campaign, "beta") == []  # Bob was told before he was refused
    assert others(campaign) == 0


def test_the_account_of_one_company_does_not_become_ours(campaign: Campaign) -> None:
    """Who looks after many customers is not what they have in common (fan-out counts owners)."""
    query = "WITH uses AS (SELECT account_id FROM accounts), " + OWNERS + "SELECT * FROM owners"
    found = campaign.rows(query, mail_providers=list(MAIL_PROVIDERS))
    assert sorted(found) == [
        ("acme", "acme.example"),
        ("beta", "beta.example"),
        ("mobile", "mobile.example"),
    ]


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ("beta,bob@beta.example,Bob,internal", "admin"),
        ("hermit,sue@platform.example,Sue,admin", "internal"),
    ],
)
def test_whoever_was_written_to_does_not_change_between_the_customer_and_us(
    campaign: Campaign, row: str, said: str
) -> None:
    inventory = Inventory(campaign.start, pepper=b"k" * 32, canonical_locale=canonical_locale)

    def take(line: str) -> list[str]:
        data = f"account_id,email,name,role\n{line}\n".encode()
        file = RowFile("contacts.csv", io.BytesIO(data), RowFormat.CSV)
        report = inventory.import_file(Register.CONTACTS, file, operator="olga")
        return [str(problem) for problem in report.problems]

    either_way = ("acme,sue@platform.example,Sue,admin", "acme,sue@platform.example,Sue,internal")
    assert [take(each) for each in either_way] == [[], []]  # nobody has written to her about it
    campaign.work(NOW)
    (problem,) = take(row)
    assert problem.startswith(f"2: role: was written to as {said}; ")
    assert "give another address" in problem
    assert take(row.rpartition(",")[0] + f",{said}") == []


def test_nobody_of_the_customer_stands_in_for_people_inside(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    campaign.work(NOW)
    (bob,) = [sent for sent in mailer.sent if sent.to == BOB]
    campaign.reports.take_in(dsn(bob, status="4.2.2", words="452 full"))  # his address lives
    mailer.plan(SUE, REFUSED)
    mailer.plan(SAM, REFUSED)
    campaign.remind()

    assert {state for _, state, _ in inside(campaign, "beta")} == {"bounced"}
    assert others(campaign) == 0


def test_whoever_comes_to_look_after_it_later_is_told_when_the_next_step_is_due(
    campaign: Campaign,
) -> None:
    campaign.live(NOW + DAY)
    campaign.run(
        "INSERT INTO contacts (account_id, email, name, role)"
        " VALUES ('hermit', 'sam@platform.example', 'Sam', 'internal')"
    )
    campaign.live(DEADLINE - 29 * DAY)

    assert [to for to, *_ in inside(campaign, "hermit")] == [SUE, SAM]


def test_what_comes_back_after_the_cutoff_is_no_reason_to_tell_them(
    campaign: Campaign, mailer: FakeMailer
) -> None:
    """The message says that the keys are not cut."""
    campaign.live(DEADLINE + DAY)
    for sent in [sent for sent in mailer.sent if sent.to == BOB]:
        campaign.reports.take_in(dsn(sent))
    campaign.remind()

    assert inside(campaign, "beta") == []


def test_it_can_be_looked_at_beforehand(campaign: Campaign, mailer: FakeMailer) -> None:
    preview = NoticePreview(campaign.start, TemplateRenderer(templates_dir() / "notices"))
    campaign.at(NOW)
    ((to, letter),) = preview.preview("acme", "nobody-left", None)
    ordinary = [to for to, _ in preview.preview("acme", "reminder", None)]
    campaign.run("DELETE FROM contacts WHERE account_id = 'beta' AND role = 'internal'")

    assert (to, ordinary) == (SUE, [ANN, ART])
    assert "Acme Inc" in letter.subject
    assert campaign.rows("SELECT 1 FROM notices") == []
    with pytest.raises(Refused, match="beta has no contact with the role `internal`"):
        preview.preview("beta", "nobody-left", None)
    with pytest.raises(Refused, match="hermit has no contact: nobody would be written to"):
        preview.preview("hermit", "reminder", None)
    with pytest.raises(NotFound, match="nobody-left"):
        preview.preview("acme", "no-such-step", None)
    assert mailer.attempts == []
