"""``/brief/…``: whoever has the link sees what stops; only the button's POST says anything."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from rollout.bootstrap import Rollout, bootstrap
from rollout.domain.notices.brief import KEPT_OPEN, BriefLinks
from rollout.settings import Settings
from rollout.web.app import make_app
from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.command_line import CommandLine
from tests.support.database import digests
from tests.support.html_page import Page, assert_fits_on_a_phone
from tests.support.post import PUBLIC, Post, Web
from tests.support.smtp_server import SmtpServer
from tests.templates.test_mail_quality import remote

ANN, ART, BOB = "ann@acme.example", "art@acme.example", "bob@beta.example"
DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
WHY = {"reason": "their release is late", "operator": "olga"}
PRESS = {"acknowledge": "yes"}
CALL = """
WITH program AS (INSERT INTO callers (user_agent, first_seen, last_seen, integration)
                 VALUES (:agent, :at, :at, :integration) ON CONFLICT DO NOTHING),
     source AS (INSERT INTO sources (source_id, user_agent, network, example)
                VALUES (decode(md5(:agent), 'hex'), :agent, '192.0.2.0/24', :agent)
                ON CONFLICT DO NOTHING)
INSERT INTO sightings (key_id, source_id, hour, count, refused, first_at, last_at)
VALUES ('k-acme-1', decode(md5(:agent), 'hex'), date_trunc('hour', CAST(:at AS timestamptz)),
        :count, 0, :at, :at)
"""
MAKER = """
INSERT INTO integrations (integration, kind, confidence, reasons, home_page, migration_url,
                          accounts, keys, networks, count, refused, first_seen, last_seen)
VALUES (:name, 'signature', 1, '{}', '', :page, 1, 1, 1, 1, 0, :at, :at)
"""


def text_of(web: Web, path: str) -> str:
    answer = web.ask("GET", path)
    assert answer.status_code == 200, answer.text
    return " ".join(Page(answer.text).text.split())


def call(
    campaign: Campaign, agent: str, days_ago: int, count: int, name: str | None = None
) -> None:
    """Let acme's first key be used, some days ago; the month of it begins with the first call."""
    month = "CREATE TABLE IF NOT EXISTS sightings_{0:%Y_%m} PARTITION OF sightings FOR VALUES FROM"
    at = NOW - timedelta(days=days_ago, hours=1)
    first = at.replace(day=1, hour=0)
    after = (first + timedelta(days=32)).replace(day=1)
    campaign.run(f"{month.format(at)} ('{first:%Y-%m-%d}Z') TO ('{after:%Y-%m-%d}Z')")
    campaign.run(CALL, agent=agent, at=at, count=count, integration=name)


def answered(campaign: Campaign) -> list[tuple[Any, ...]]:
    return campaign.rows(
        "SELECT subject, reason, data ->> 'step' FROM facts"
        " WHERE action = 'notice.acknowledged' ORDER BY seq"
    )


# -- what mails say of it


def test_every_mail_before_and_after_the_cutoff_has_a_link_of_its_own(post: Post) -> None:
    seen = set()
    for at in (NOW, NOW + timedelta(days=17), DEADLINE - timedelta(days=3)):
        post.work(at)
        post.campaign.at(at + timedelta(hours=1))
        post.campaign.delivery.confirm()
        seen |= {post.brief(ANN), post.brief(ART)}
        html = post.last(ANN).part("html")
        assert f'href="https://rollout.example/x{post.brief(ANN)}"' in html
        assert "Forward this link to your developer." in html
    post.campaign.at(DEADLINE)
    post.campaign.sweep.sweep()
    post.work(DEADLINE)
    seen |= {post.brief(ANN), post.brief(ART)}

    assert len(seen) == 8
    assert "stopped working" in str(post.last(ANN).message["Subject"])


def test_without_a_public_address_mails_say_what_they_said_before(
    settings: Settings, campaign: Campaign, server: SmtpServer
) -> None:
    campaign.begin()
    with bootstrap(replace(settings, public_url=None)) as rollout:
        Post(rollout, campaign, server).work()

    for subtype in ("plain", "html"):
        words = " ".join(server.received[0].part(subtype).split())
        assert "/brief/" not in words
        assert "Forward this mail to your developer: it holds everything they need" in words


# -- what the page shows


def test_it_shows_what_stops_when_who_calls_and_what_to_do(post: Post, web: Web) -> None:
    for days in range(1, 14):
        call(post.campaign, "acme-cron", days, 10 if days <= 7 else 40)
        call(post.campaign, "Zapier", days, 40, "Zapier")
        call(post.campaign, "Fivetran", days, 10 if days > 7 else 40, "Fivetran")
    post.campaign.run(MAKER, name="Zapier", page="https://zapier.example/oauth", at=NOW)
    post.work()
    shown = text_of(web, post.brief(ANN))
    page = Page(web.ask("GET", post.brief(ANN)).text)

    for words in (
        "API keys of Acme Inc stop working on 16 February 2027, 17:00 (Europe/Berlin)",
        "That is 16 February 2027, 16:00 UTC, in 46 days.",
        "…me-1 (billing)",
        "acme-cron from 192.0.2.0/24 310 calls · about 10 a day · falling · last call on",
        "Zapier from 192.0.2.0/24 520 calls · about 17 a day · steady · last call on",
        "about 11 a day · rising · last call on 31 December 2026, 12:00",
        "Zapier How to move, by its maker: zapier.example/oauth",
        "Fivetran signs in to our account Acme Inc with API keys, which stop working on 16 Febru",
        "February 2027, 16:00 UTC. Please let us connect it through OAuth instead. How that is",
        "Need more time? Write to rollout@localhost before the date.",
    ):
        assert words in shown, words
    assert "iOS" in shown
    assert "acme-cron signs in" not in shown  # their own code
    links = [attributes.get("href") or "" for tag, attributes in page.tags if tag == "a"]
    assert "https://developers.example.com/keys-to-tokens" in links
    assert "https://zapier.example/oauth" in links
    assert "mailto:rollout@localhost?subject=API%20keys%3A%20Acme%20Inc%20%28acme%29" in links


@pytest.mark.parametrize(
    ("listened", "complete", "said"),
    [
        (14, True, "420 calls · about 30 a day · steady · last"),
        (10, True, "420 calls · about 42 a day · last"),  # not to all of both weeks
        (14, False, "420 calls · last"),
    ],
)
def test_calls_a_day_and_their_trend_are_said_only_where_feeds_have_listened(
    post: Post, web: Web, listened: int, *, complete: bool, said: str
) -> None:
    for days in range(14):
        call(post.campaign, "acme-cron", days, 30)
    post.campaign.run(
        "UPDATE feeds SET first_event = CAST(:now AS timestamptz) - make_interval(days => :days),"
        " complete = :complete",
        now=NOW,
        days=listened,
        complete=complete,
    )
    post.work()

    assert said in text_of(web, post.brief(ANN))
    assert said in " ".join(post.last(ANN).part("plain").split())


def test_it_names_nobody_and_shows_no_more_of_a_key_than_the_mail(post: Post, web: Web) -> None:
    post.work()
    html = web.ask("GET", post.brief(ANN)).text

    assert not re.search("ann|art@|k-acme|calendar|unsubscribe", html, re.IGNORECASE)


def test_it_is_one_page_by_itself_that_can_be_read_by_ear(post: Post, web: Web) -> None:
    post.work()
    answer = web.ask("GET", post.brief(ANN))
    page = Page(answer.text)
    tags = [tag for tag, _ in page.tags]

    assert remote(answer.text) == ["form"]
    assert ("html", {"lang": "en", "dir": "ltr"}) in page.tags
    assert [tags.count(tag) for tag in ("h1", "main", "title", "button")] == [1, 1, 1, 1]
    headings = [tag for tag in tags if re.fullmatch("h[1-6]", tag)]
    assert headings == ["h1"] + ["h2"] * (len(headings) - 1)
    assert "set-cookie" not in answer.headers
    for name, words in {
        "cache-control": "no-store",
        "referrer-policy": "no-referrer",
        "x-robots-tag": "noindex",
        "x-content-type-options": "nosniff",
        "content-security-policy": "default-src 'none'; style-src 'unsafe-inline';"
        " form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    }.items():
        assert answer.headers[name] == words


def test_it_shows_how_things_stand_now_whatever_the_mail_said(post: Post, web: Web) -> None:
    post.work()
    link = post.brief(ANN)
    post.campaign.dates.extend("acme", to=timedelta(days=14), **WHY)
    moved = text_of(web, link)
    assert "stop working on 2 March 2027, 17:00 (Europe/Berlin)" in moved
    assert "their release" not in moved  # why it moved is in the mail about that

    post.campaign.live(DEADLINE + timedelta(days=14))
    cut = text_of(web, link)
    assert "API keys of Acme Inc stopped working on 2 March 2027, 17:00 (Europe/Berlin)" in cut
    assert "That was 2 March 2027, 16:00 UTC." in cut
    assert "is now answered with 401 Unauthorized." in cut
    assert "Need the keys back for a while? Write to" in cut


def test_of_a_date_that_has_passed_it_does_not_say_that_keys_have_stopped(
    post: Post, web: Web
) -> None:
    post.work()
    post.campaign.guards.hold("acme", ends_at=None, **WHY)
    post.campaign.at(DEADLINE + timedelta(days=1))
    shown = text_of(web, post.brief(ANN))

    assert "They have not been switched off yet, and may be at any moment." in shown
    assert "What stops working" in shown
    assert "stopped" not in shown


def test_an_exempt_account_is_told_so_and_asked_for_nothing(post: Post, web: Web) -> None:
    post.work()
    post.campaign.guards.exempt("acme", **WHY)
    answer = web.ask("GET", post.brief(ANN))

    assert "API keys of Acme Inc go on working" in answer.text
    assert "This date no longer applies." in answer.text
    assert "<form" not in answer.text
    web.ask("POST", post.brief(ANN), data=PRESS)
    assert answered(post.campaign) == []


def test_it_speaks_the_language_of_the_reader_of_the_mail(post: Post, web: Web) -> None:
    post.work()
    english = re.compile(r"\b(the|keys|stop|working|call|with|days|write|care)\b", re.IGNORECASE)
    for locale, language in {"de_AT": "de", "fr": "fr", "es": "es", "ja": "ja"}.items():
        post.campaign.run("UPDATE contacts SET locale = :locale", locale=locale)
        answer = web.ask("GET", post.brief(ANN))
        assert f'<html lang="{language}" dir="ltr">' in answer.text
        words = Page(re.sub("<style>.*?</style>", "", answer.text, flags=re.DOTALL)).text
        assert not english.findall(re.sub(r"\S+\.example\S*", "", words))


def test_a_hostile_name_stays_text(post: Post, web: Web) -> None:
    hostile = '<script>x</script>"><img src=x>&body=a\r\nBcc: b'
    call(post.campaign, hostile, 1, 500, hostile)
    post.work()
    link = post.brief(ANN)
    post.campaign.run(
        "UPDATE accounts SET name = :name WHERE account_id = 'acme'", name=f"\u202e{hostile}"
    )
    html = web.ask("GET", link).text

    assert remote(html) == ["form"]
    assert "\u202e" not in html
    (mailto,) = re.findall(r'href="(mailto:[^"]*)"', html)
    assert re.fullmatch(r"mailto:rollout@localhost\?subject=[\w.%/-]+", mailto)


def test_it_fits_on_a_phone_in_light_and_dark(post: Post, web: Web) -> None:
    call(post.campaign, "x" * 100, 1, 500, "y" * 100)
    post.work()
    html = web.ask("GET", post.brief(ANN)).text
    assert_fits_on_a_phone(html)


# -- what looking and pressing do


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_looking_changes_nothing(post: Post, web: Web, method: str) -> None:
    post.work()
    before = digests(post.campaign.engine)

    assert web.ask(method, post.brief(ANN)).status_code == 200
    assert digests(post.campaign.engine) == before


@pytest.mark.parametrize(
    "what", [{}, {"data": {"List-Unsubscribe": "One-Click"}}, {"content": b"\xff&" * 20_000}]
)
def test_a_post_that_is_not_the_buttons_changes_nothing(
    post: Post, web: Web, what: dict[str, Any]
) -> None:
    post.work()
    before = digests(post.campaign.engine)
    answer = web.ask("POST", post.brief(ANN), **what)

    assert (answer.status_code, "<form" in answer.text) == (200, True)
    assert digests(post.campaign.engine) == before


def test_the_button_notes_once_that_somebody_takes_care(post: Post, web: Web) -> None:
    post.work()
    link = post.brief(ANN)
    (button,) = [a for tag, a in Page(web.ask("GET", link).text).tags if tag == "button"]
    answers = [web.ask("POST", link, data={button["name"]: button["value"]}) for _ in range(2)]

    assert all("Somebody takes care of this: noted on" in answer.text for answer in answers)
    assert all("<form" not in answer.text for answer in answers)
    assert answered(post.campaign) == [("account:acme", "by the link in a message", "announcement")]
    assert post.campaign.rows(
        "SELECT email FROM notices JOIN contacts USING (contact_id)"
        " WHERE acknowledged_at IS NOT NULL"
    ) == [(ANN,)]
    assert "<form" in web.ask("GET", post.brief(ART)).text  # of another reader
    assert post.campaign.broken() == []


def test_the_button_under_a_date_that_has_moved_since_answers_that_one(
    post: Post, web: Web
) -> None:
    post.work()
    old = post.brief(ANN)
    post.campaign.dates.extend("acme", to=timedelta(days=30), **WHY)
    web.ask("POST", old, data=PRESS)
    post.work(NOW + timedelta(hours=1))
    web.ask("POST", old, data=PRESS)

    versions = post.campaign.rows(
        "SELECT schedule_version, step FROM notices WHERE acknowledged_at IS NOT NULL ORDER BY 1"
    )
    assert versions == [(1, "announcement"), (2, "extended")]
    for link in (old, post.brief(ANN)):
        assert "<form" not in web.ask("GET", link).text


def test_of_many_who_press_at_once_one_is_noted(post: Post, rollout: Rollout) -> None:
    post.work()
    token = post.brief(ANN).removeprefix("/brief/")
    with ThreadPoolExecutor(8) as pool:
        pages = list(pool.map(rollout.notices.briefs.acknowledge, [token] * 8))

    assert all(page and "noted on" in page for page in pages)
    assert len(answered(post.campaign)) == 1


def test_the_link_of_a_test_message_leads_nowhere(
    post: Post, cli: CommandLine, server: SmtpServer, web: Web
) -> None:
    ours = {"public_url": PUBLIC, "pepper": "k" * 32}
    command = ("notice", "send-test", "reminder", "--account", "beta", "--to", "me@test.example")
    done = cli(*command, smtp_url=server.url, test_recipients="@test.example", **ours)
    assert done.code == 0, done.stderr

    link = post.brief("me@test.example")
    assert web.ask("POST", link, data=PRESS).status_code == 404
    assert answered(post.campaign) == []


# -- where a link ends


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_wrong_link_leads_nowhere_and_tells_nothing(post: Post, web: Web, method: str) -> None:
    post.work()
    before = digests(post.campaign.engine)
    real, stranger = post.brief(ANN), BriefLinks(b"k" * 32).path(999_999, 1)
    others = post.brief(ART).partition(".")[0] + "." + real.partition(".")[2]
    answers = [
        web.ask(method, wrong, data=PRESS)
        for wrong in (real[:-1], real[:-1] + "!", stranger, "/brief/1", others)
    ]

    assert {answer.status_code for answer in answers} == {404}
    assert len({answer.text for answer in answers}) == 1
    assert "This link leads nowhere" in answers[0].text
    assert answers[0].headers["cache-control"] == "no-store"
    assert digests(post.campaign.engine) == before


def test_a_renewed_account_ends_all_its_earlier_links_and_no_others(
    post: Post, web: Web, rollout: Rollout
) -> None:
    post.work()
    rollout.notices.briefs.renew("acme", operator="olga")
    new = {each.told.email: each.url for each in rollout.notices.briefs.links("acme")}

    assert [web.ask("GET", post.brief(to)).status_code for to in (ANN, ART, BOB)] == [404, 404, 200]
    assert web.ask("POST", post.brief(ANN), data=PRESS).status_code == 404
    paths = [url.removeprefix("https://rollout.example/x") for url in new.values()]
    assert [web.ask("GET", path).status_code for path in paths] == [200, 200]
    assert set(new) == {ANN, ART}
    assert answered(post.campaign) == []
    assert post.campaign.rows(
        "SELECT actor, data ->> 'version' FROM facts WHERE action = 'account.briefs-renewed'"
    ) == [("olga", "2")]


def test_the_link_ends_some_time_after_the_keys_have_stopped(
    post: Post, web: Web, rollout: Rollout
) -> None:
    post.work()
    post.campaign.live(DEADLINE)
    end = DEADLINE + KEPT_OPEN
    for at, status in ((end - timedelta(seconds=1), 200), (end, 404)):
        post.campaign.at(at)
        assert web.ask("GET", post.brief(ANN)).status_code == status
        assert bool(rollout.notices.briefs.links("acme")) == (status == 200)
    assert web.ask("POST", post.brief(ANN), data=PRESS).status_code == 404


def test_where_an_operators_own_page_fails_it_is_said_in_the_log_and_not_to_the_reader(
    settings: Settings, campaign: Campaign, server: SmtpServer, tmp_path: Path
) -> None:
    (tmp_path / "_brief").mkdir()
    (tmp_path / "_brief" / "page.html").write_text("{{ 1 / 0 }}")
    campaign.begin()
    with bootstrap(replace(settings, templates=tmp_path)) as rollout:
        post = Post(rollout, campaign, server)
        post.work()
        with capture_logs() as logs:
            answer = Web(make_app(rollout)).ask("GET", post.brief(ANN))

    assert (answer.status_code, "zero" in answer.text) == (503, False)
    assert [(entry["event"], entry["why"]) for entry in logs] == [
        ("brief.template-unusable", "_brief/page.html, line 1: division by zero")
    ]


def test_while_the_database_is_down_the_reader_is_asked_to_come_again(
    settings: Settings, tmp_path: Path
) -> None:
    down = replace(settings, database_url="postgresql://nobody@127.0.0.1:1/nothing")
    with bootstrap(down, database_may_be_down=True) as rollout:
        web = Web(make_app(rollout))
        link = BriefLinks(b"k" * 32).path(1, 1)
        answers = [web.ask(method, link, data=PRESS) for method in ("GET", "POST")]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert all("try again in a few minutes" in answer.text for answer in answers)
    assert answers[0].headers["retry-after"] == "60"
