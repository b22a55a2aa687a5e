"""``/unsubscribe/…``: looking changes nothing, one POST switches optional messages off."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from rollout.bootstrap import Rollout, bootstrap
from rollout.domain.notices.unsubscribe import UnsubscribeTokens
from rollout.settings import Settings
from rollout.web.app import make_app
from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.command_line import CommandLine
from tests.support.database import digests
from tests.support.html_page import Page, assert_fits_on_a_phone
from tests.support.post import Post, Web
from tests.support.smtp_server import SmtpServer
from tests.templates.test_mail_quality import remote

ANN, ART, BOB = "ann@acme.example", "art@acme.example", "bob@beta.example"
REMINDER, FINAL = NOW + timedelta(days=17), NOW + timedelta(days=43, hours=4)
REASON = "its reader has switched optional notices off"
ONE_CLICK = {"List-Unsubscribe": "One-Click"}
OFF, ON = "Optional messages are off", "Optional messages are on"


def facts(campaign: Campaign) -> list[tuple[Any, ...]]:
    return campaign.rows(
        "SELECT action, subject, data ->> 'recipient' FROM facts"
        " WHERE action LIKE 'contact.%' ORDER BY seq"
    )


# -- what a mail says


def test_an_optional_message_carries_link_and_headers_and_a_required_one_says_why_not(
    post: Post,
) -> None:
    post.work()
    message, text = post.last(ANN).message, post.last(ANN).part("plain")
    url = "https://rollout.example/x" + post.link(ANN)

    assert message["List-Unsubscribe"] == f"<{url}>"
    assert message["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert f"You can switch such messages off:\n  {url}\n" in text
    assert f'href="{url}"' in post.last(ANN).part("html")
    assert post.link(ANN) != post.link(ART)

    post.work(FINAL)
    for subtype in ("plain", "html"):
        words = " ".join(post.last(ANN).part(subtype).split())
        assert "cannot be switched off, because they say when access ends or begins." in words
        assert "unsubscribe" not in words
    assert not [name for name in post.last(ANN).message if name.startswith("List-")]


def test_without_a_public_address_there_is_neither_link_nor_header(
    settings: Settings, campaign: Campaign, server: SmtpServer
) -> None:
    campaign.begin()
    with bootstrap(replace(settings, public_url=None)) as rollout:
        Post(rollout, campaign, server).work()
    mail = server.received[0]

    assert not [name for name in mail.message if name.startswith("List-")]
    assert "switch" not in mail.part("plain")


def test_the_link_of_a_test_message_is_seen_and_does_nothing(
    post: Post, cli: CommandLine, server: SmtpServer, web: Web
) -> None:
    ours = {"public_url": "https://rollout.example/x", "pepper": "k" * 32}
    command = ("notice", "send-test", "reminder", "--account", "beta", "--to", "me@test.example")
    done = cli(*command, smtp_url=server.url, test_recipients="@test.example", **ours)
    assert done.code == 0, done.stderr

    assert web.ask("POST", post.link("me@test.example"), data=ONE_CLICK).status_code == 404
    assert facts(post.campaign) == []


# -- what looking does


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing(post: Post, web: Web, method: str) -> None:
    post.work()
    before = digests(post.campaign.engine)
    answer = web.ask(method, post.link(BOB))

    assert answer.status_code == 200
    assert digests(post.campaign.engine) == before


def test_the_page_asks_and_names_whom_and_fetches_nothing(post: Post, web: Web) -> None:
    post.work()
    answer = web.ask("GET", post.link(BOB))
    page = Page(answer.text)

    assert "Switch optional messages off?" in page.text
    assert BOB in page.text
    assert [tag for tag, _ in page.tags if tag in {"form", "button"}] == ["form", "button"]
    assert remote(answer.text) == ["form"]
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_link_leads_nowhere_and_tells_nothing(post: Post, web: Web, method: str) -> None:
    post.work()
    before = digests(post.campaign.engine)
    real, stranger = post.link(BOB), UnsubscribeTokens(b"k" * 32).of(999_999)
    answers = [
        web.ask(method, wrong)
        for wrong in (real[:-1], real[:-1] + "!", f"/unsubscribe/{stranger}", "/unsubscribe/1")
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert "This link leads nowhere" in answers[0].text
    assert not re.search("acme|beta|example", Page(answers[0].text).text)
    assert digests(post.campaign.engine) == before


# -- what a POST does


def test_one_post_of_a_mail_program_stops_what_is_optional_and_nothing_else(
    post: Post, web: Web
) -> None:
    post.work()
    answer = web.ask("POST", post.link(BOB), data=ONE_CLICK)

    assert answer.status_code == 200  # no redirect: RFC 8058, section 3.1
    assert OFF in Page(answer.text).text
    post.work(REMINDER)
    assert post.campaign.notice(BOB, "reminder") == ("skipped", REASON)
    assert post.campaign.notice(ANN, "reminder") == ("sent", "250 2.0.0 Queued")
    post.work(FINAL)
    assert post.campaign.notice(BOB, "final-warning")[0] == "sent"
    assert facts(post.campaign) == [("contact.unsubscribed", "account:beta", BOB)]
    assert post.campaign.broken() == []


def test_what_waits_to_be_sent_is_skipped_at_once_unless_it_is_required(
    post: Post, web: Web
) -> None:
    post.work()
    post.campaign.run(
        "UPDATE notices n SET state = 'pending', required = step_required FROM"
        " (VALUES (:ann, true), (:bob, false)) AS v (email, step_required), contacts c"
        " WHERE c.email = v.email AND n.contact_id = c.contact_id",
        ann=ANN,
        bob=BOB,
    )
    for reader in (ANN, BOB):
        web.ask("POST", post.link(reader), data=ONE_CLICK)

    assert post.campaign.notice(ANN, "announcement")[0] == "pending"
    assert post.campaign.notice(BOB, "announcement") == ("skipped", REASON)


def test_what_was_written_just_as_its_reader_unsubscribed_is_not_sent(
    post: Post, web: Web, server: SmtpServer
) -> None:
    post.work()
    web.ask("POST", post.link(BOB), data=ONE_CLICK)
    sent = len(server.received)
    post.campaign.run("UPDATE notices SET state = 'pending'")
    post.work()

    assert post.campaign.notice(BOB, "announcement")[0] == "skipped"
    assert BOB not in {mail.recipient for mail in server.received[sent:]}
    assert ANN in {mail.recipient for mail in server.received[sent:]}


@pytest.mark.parametrize(
    "what",
    [
        {"data": ONE_CLICK},
        {"files": {"List-Unsubscribe": (None, "One-Click")}},  # multipart/form-data
        {"content": b""},
        {"content": b"switch=on" + b"&" * 20_000},
        {"content": b"\xff\x00%%%"},
    ],
    ids=["form", "multipart", "empty", "long", "garbage"],
)
def test_whatever_a_mail_program_posts_it_is_off_and_twice_is_the_same_as_once(
    post: Post, web: Web, what: dict[str, Any]
) -> None:
    post.work()
    answers = [web.ask("POST", post.link(BOB), **what) for _ in range(2)]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert OFF in answers[0].text
    assert answers[0].text == answers[1].text
    assert [action for action, *_ in facts(post.campaign)] == ["contact.unsubscribed"]


def test_of_many_who_post_at_once_one_switches(post: Post, rollout: Rollout) -> None:
    post.work()
    token = post.link(BOB).removeprefix("/unsubscribe/")
    with ThreadPoolExecutor(8) as pool:
        switch = partial(rollout.notices.unsubscribing.switch, wanted=False)
        readers = list(pool.map(switch, [token] * 8))

    assert [reader is not None and reader.wanted for reader in readers] == [False] * 8
    assert len(facts(post.campaign)) == 1


def test_the_page_offers_to_switch_on_again_and_then_messages_come_again(
    post: Post, web: Web
) -> None:
    post.work()
    link = post.link(BOB)
    web.ask("POST", link, data=ONE_CLICK)
    (button,) = [a for tag, a in Page(web.ask("GET", link).text).tags if tag == "button"]
    answers = [web.ask("POST", link, data={button["name"]: button["value"]}) for _ in range(2)]

    assert all(ON in answer.text for answer in answers)
    post.work(REMINDER)
    assert post.campaign.notice(BOB, "reminder")[0] == "sent"
    assert [action for action, *_ in facts(post.campaign)] == [
        "contact.unsubscribed",
        "contact.resubscribed",
    ]


def test_whoever_called_it_spam_can_have_it_again_and_a_dead_address_stays_dead(
    post: Post, web: Web
) -> None:
    post.work()
    for reader, how in ((ANN, "bounced"), (BOB, "complained")):
        post.campaign.run(
            "UPDATE contacts SET deliverability = :how WHERE email = :to", how=how, to=reader
        )
    assert OFF in web.ask("GET", post.link(BOB)).text
    for reader in (ANN, BOB):
        web.ask("POST", post.link(reader), data=ONE_CLICK)
        web.ask("POST", post.link(reader), data={"switch": "on"})

    assert post.campaign.rows(
        "SELECT deliverability FROM contacts WHERE email = ANY(:to) ORDER BY email", to=[ANN, BOB]
    ) == [("bounced",), ("ok",)]


def test_the_page_speaks_the_language_of_its_reader(post: Post, web: Web) -> None:
    post.work()
    said = {
        "de_AT": ("de", "Freiwillige Nachrichten abbestellen?"),
        "fr": ("fr", "Désactiver les messages facultatifs ?"),
        "es": ("es", "¿Desactivar los mensajes opcionales?"),
        "ja": ("ja", "任意のお知らせを停止しますか？"),
    }
    for locale, (language, title) in said.items():
        post.campaign.run("UPDATE contacts SET locale = :locale", locale=locale)
        answer = web.ask("GET", post.link(BOB))
        assert f'<html lang="{language}" dir="ltr">' in answer.text
        assert title in Page(answer.text).text
        assert not re.search(r"\b(optional messages|switch)\b", Page(answer.text).text)


def test_a_hostile_address_stays_text(post: Post, web: Web) -> None:
    post.work()
    link = post.link(BOB)
    post.campaign.run("UPDATE contacts SET email = '<script>x</script>@a' WHERE email = :b", b=BOB)

    assert "<script" not in web.ask("GET", link).text


def test_while_the_database_is_down_the_reader_is_asked_to_come_again(
    settings: Settings, tmp_path: Path
) -> None:
    down = replace(settings, database_url="postgresql://nobody@127.0.0.1:1/nothing")
    with bootstrap(down, database_may_be_down=True) as rollout:
        web = Web(make_app(rollout))
        link = f"/unsubscribe/{UnsubscribeTokens(b'k' * 32).of(1)}"
        answers = [web.ask(method, link) for method in ("GET", "POST")]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all("try again in a few minutes" in answer.text for answer in answers)
    assert answers[0].headers["retry-after"] == "60"


def test_an_address_of_two_accounts_has_one_letter_one_button_and_one_wish(
    post: Post, web: Web, server: SmtpServer
) -> None:
    post.campaign.run("UPDATE contacts SET email = 'BOB@beta.example' WHERE email = :art", art=ART)
    post.work()
    letters = [mail for mail in server.received if mail.recipient.lower() == BOB]
    links = set(
        re.findall(r"https://rollout.example/x(/unsubscribe/\S+)", letters[0].part("plain"))
    )

    assert (len(letters), len(links)) == (1, 2)
    button = str(letters[0].message["List-Unsubscribe"]).strip("<>")
    assert button.removeprefix("https://rollout.example/x") in links
    web.ask("POST", button.removeprefix("https://rollout.example/x"), data=ONE_CLICK)
    assert all(OFF in web.ask("GET", link).text for link in links)
    assert [subject for _, subject, _ in facts(post.campaign)] == ["account:acme", "account:beta"]
    web.ask("POST", links.pop(), data={"switch": "on"})
    assert OFF not in web.ask("GET", links.pop()).text
    assert len(facts(post.campaign)) == 4


def test_a_letter_with_something_required_in_it_has_no_button(
    post: Post, server: SmtpServer
) -> None:
    post.campaign.run("UPDATE contacts SET email = :bob WHERE email = :art", art=ART, bob=BOB)
    post.campaign.at(NOW)
    post.scheduling.sweep()
    post.campaign.run(
        "UPDATE notices SET required = true FROM contacts c"
        " WHERE c.contact_id = notices.contact_id AND c.account_id = 'acme' AND email = :bob",
        bob=BOB,
    )
    post.work()
    mail = post.last(BOB)

    assert "2 messages for you" in mail.part("plain")
    assert mail.message["List-Unsubscribe"] is None
    assert "You can switch such messages off" in mail.part("plain")
    assert "cannot be switched off" in mail.part("plain")


# -- what an operator sees


def test_an_operator_sees_who_has_switched_off_and_why_a_step_was_skipped(
    post: Post, web: Web, cli: CommandLine
) -> None:
    post.work()
    web.ask("POST", post.link(BOB), data=ONE_CLICK)
    before = cli("notice", "summary", "--json").items
    post.work(REMINDER)

    (bob,) = cli("account", "show", "beta", "--json").json["contacts"]
    assert bob["unsubscribed_at"] == "2027-01-01T12:00:00Z"
    assert "unsubscribed at" in cli("account", "show", "beta").stdout
    assert REASON in cli("notice", "list", "--to", BOB, "--state", "skipped").stdout
    planned = {step["step"]: step["planned"] for step in before}
    assert (planned["reminder"], planned["final-warning"]) == (2, 3)  # Ann and Art; and Bob


def test_an_import_leaves_the_wish_as_it_is(
    post: Post, web: Web, cli: CommandLine, tmp_path: Path
) -> None:
    post.work()
    web.ask("POST", post.link(BOB), data=ONE_CLICK)
    file = tmp_path / "contacts.csv"
    file.write_text(f"account_id,email,name,role\nbeta,{BOB},Robert,developer\n", encoding="utf-8")
    assert cli("import", "contacts", str(file)).code == 0

    assert post.campaign.rows(
        "SELECT name, unsubscribed_at IS NOT NULL FROM contacts WHERE email = :to", to=BOB
    ) == [("Robert", True)]


def test_the_page_fits_on_a_phone_in_light_and_dark(post: Post, web: Web) -> None:
    post.work()
    html = web.ask("GET", post.link(BOB)).text
    assert_fits_on_a_phone(html)
