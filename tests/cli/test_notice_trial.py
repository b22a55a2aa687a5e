"""``rollout notice send-test``: to oneself, through the real mail server, and to nobody else."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from rollout.domain.notices.guests import GuestList
from tests.support.campaign import Campaign
from tests.support.command_line import CommandLine, Done
from tests.support.database import digests
from tests.support.smtp_server import ACCEPT_THEN_DIE, Act, Phase, SmtpServer, say

AUDIT = {"facts", "facts_unsealed"}
GUESTS = "Olga@platform.example, @test.example"


@pytest.fixture
def server() -> Iterator[SmtpServer]:
    with SmtpServer() as server:
        yield server


@pytest.fixture(autouse=True)
def _begun(campaign: Campaign) -> None:
    campaign.begin()


def send_test(cli: CommandLine, server: SmtpServer, to: str, *more: str, **settings: str) -> Done:
    settings = {"smtp_url": server.url, "test_recipients": GUESTS} | settings
    command = ("notice", "send-test", "final-warning", "--account", "acme", "--to", to)
    return cli(*command, *more, **settings)


def facts(campaign: Campaign) -> list[tuple[str, str, dict[str, str]]]:
    return [
        (actor, subject, data)
        for actor, subject, data in campaign.rows(
            "SELECT actor, subject, data FROM facts WHERE action = 'notice.test-sent'"
        )
    ]


def test_a_test_message_is_what_a_person_would_get_marked_as_a_test_and_told_to_nobody_else(
    cli: CommandLine, campaign: Campaign, server: SmtpServer
) -> None:
    before = digests(campaign.engine, without=AUDIT)
    done = send_test(cli, server, "olga@platform.example")
    letter = cli("notice", "preview", "acme", "final-warning", "--json").items[0]
    [received] = server.wait_for(1)

    assert done.code == 0
    assert "To: olga@platform.example, as ann@acme.example would get it" in done.stdout
    assert "The mail server answered: 250 2.0.0 Queued" in done.stdout
    assert received.recipient == received.message["To"] == "olga@platform.example"
    assert received.message["Subject"] == f"[Test] {letter['subject']}"
    assert received.part("plain") == letter["text"]
    assert digests(campaign.engine, without=AUDIT) == before  # above all, the ledger
    [(actor, subject, data)] = facts(campaign)
    assert (actor, subject) == ("olga", "account:acme")
    assert (data["step"], data["to"]) == ("final-warning", "olga@platform.example")
    assert data["message_id"] == received.message["Message-ID"]


def test_it_is_sent_as_the_contact_that_is_asked_for_and_in_the_name_that_is_given(
    cli: CommandLine, campaign: Campaign, server: SmtpServer
) -> None:
    options = ("--contact", "ART@acme.example", "--as", "bob", "--json")
    done = send_test(cli, server, "me@test.example", *options)

    assert (done.json["to"], done.json["reader"]) == ("me@test.example", "art@acme.example")
    assert list(done.json) == ["to", "reader", "subject", "message_id", "reply"]
    assert facts(campaign)[0][0] == "bob"
    assert "Art" in server.wait_for(1)[0].part("plain")


@pytest.mark.parametrize(
    ("to", "settings", "said"),
    [
        ("ann@acme.example", {}, "ann@acme.example is in no guest list"),
        ("me@sub.test.example", {}, "ROLLOUT_TEST_RECIPIENTS"),
        ("me@test.example", {"test_recipients": ""}, "ROLLOUT_TEST_RECIPIENTS"),
        ("me@test.example", {"test_recipients": "test.example"}, "neither a mail address nor a"),
        ("me@test.example", {"test_recipients": "@"}, "write them like ann@example.com, @test"),
        ("a b@test.example", {}, "not a mail address"),
        ("x@evil.example,me@test.example", {}, "not a mail address"),
        ("me@test.example\r\nBcc: x@evil.example", {}, "is in no guest list"),
    ],
)
def test_nobody_but_a_guest_gets_one(
    cli: CommandLine,
    campaign: Campaign,
    server: SmtpServer,
    to: str,
    settings: dict[str, str],
    said: str,
) -> None:
    done = send_test(cli, server, to, **settings)

    assert (done.code, done.stdout, server.received) == (1, "", [])
    assert said in done.complaint
    assert "Way out:" in done.complaint
    assert facts(campaign) == []


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--contact", "bob@acme.example"), "(known: ann@acme.example, art@acme.example)"),
        (("--contact", "bob@acme.example"), "Way out: `rollout account show acme`"),
        (("--deprecation", "x"), "there is no deprecation 'x'"),
    ],
)
def test_what_does_not_exist_is_named(
    cli: CommandLine, server: SmtpServer, options: tuple[str, ...], said: str
) -> None:
    done = send_test(cli, server, "me@test.example", *options)

    assert (done.code, server.received) == (1, [])
    assert said in done.complaint


def test_without_a_mail_server_it_says_so(cli: CommandLine, campaign: Campaign) -> None:
    command = ("notice", "send-test", "reminder", "--account", "acme", "--to", "me@test.example")
    done = cli(*command, test_recipients=GUESTS)

    assert (done.code, facts(campaign)) == (1, [])
    assert "no mail server is known" in done.stderr
    assert "set ROLLOUT_SMTP_URL" in done.stderr


@pytest.mark.parametrize(
    ("phase", "act", "said", "recorded"),
    [
        (Phase.RCPT, say("550 5.1.1 No such user"), "it was refused: RCPT: 550 5.1.1", 0),
        (Phase.DATA, say("451 4.3.0 Busy"), "it was not taken: DATA: 451 4.3.0 Busy", 0),
        (Phase.DOT, ACCEPT_THEN_DIE, "nobody knows whether it was taken: final dot", 1),
    ],
    ids=["refused", "later", "uncertain"],
)
def test_what_the_mail_server_says_is_said_and_recorded_only_where_it_may_have_been_sent(
    cli: CommandLine,
    campaign: Campaign,
    server: SmtpServer,
    phase: Phase,
    act: Act,
    said: str,
    recorded: int,
) -> None:
    server.plan(phase, act)
    done = send_test(cli, server, "me@test.example")

    assert (done.code, done.stdout, len(facts(campaign))) == (1, "", recorded)
    assert said in done.complaint
    assert "Way out:" in done.complaint


def test_a_mail_server_that_does_not_answer_is_no_success(
    cli: CommandLine, campaign: Campaign, server: SmtpServer
) -> None:
    done = send_test(cli, server, "me@test.example", smtp_url="smtp://localhost:1")

    assert (done.code, done.stdout, facts(campaign)) == (1, "", [])
    assert "it was not taken: no line to localhost:1" in done.complaint


def test_where_the_first_of_several_does_not_answer_it_goes_out_by_the_next_and_says_so(
    cli: CommandLine, campaign: Campaign, server: SmtpServer
) -> None:
    done = send_test(cli, server, "me@test.example", smtp_url=f"smtp://localhost:1 {server.url}")

    assert done.code == 0
    assert f"The mail server answered: 250 2.0.0 Queued ({server.address})" in done.stdout
    assert facts(campaign)[0][2]["reply"] == f"250 2.0.0 Queued ({server.address})"
    assert len(server.received) == 1


@pytest.mark.parametrize(
    ("smtp_url", "said"),
    [
        ("smtp://one,smtp://two", "between two servers there is white space, and nothing else"),
        ("smtp://one mail.example", "server 2 of ROLLOUT_SMTP_URL cannot be used: it does not"),
    ],
)
def test_servers_that_are_written_wrongly_are_refused_with_a_way_out(
    cli: CommandLine, server: SmtpServer, smtp_url: str, said: str
) -> None:
    done = send_test(cli, server, "me@test.example", smtp_url=smtp_url)

    assert (done.code, done.stdout) == (1, "")
    assert said in done.complaint
    assert "Way out: write it like smtp://user:password@mail.example.com:587" in done.complaint


def test_a_guest_is_one_in_whatever_case_and_a_domain_is_meant_as_a_whole() -> None:
    guests = GuestList(frozenset({"ann@a.example", "@b.example"}))

    assert "ANN@A.example" in guests
    assert "anybody@B.EXAMPLE" in guests
    assert "bob@a.example" not in guests
    assert "x@cb.example" not in guests
    assert "@b.example@c.example" not in guests
    assert "" not in guests
