"""The calendar of an account: one event for each of its dates, which moves when the date moves."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from icalendar import Calendar, Event
from sqlalchemy import event

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.bootstrap import Rollout, bootstrap
from rollout.settings import Settings
from rollout.web.app import make_app
from tests.support.campaign import Campaign
from tests.support.cast import NOW, PLAN

DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
BASE = "https://rollout.example.com"
WHY = {"reason": "migration under way", "operator": "olga"}


class Subscriber:
    """A calendar program of somebody at an account, and the service that it asks."""

    def __init__(self, rollout: Rollout) -> None:
        self.rollout = rollout
        self._app = make_app(rollout)

    def link(self, account_id: str = "acme") -> str:
        return self.rollout.notices.calendars.link(account_id)

    def get(self, path: str, **headers: str) -> httpx.Response:
        return asyncio.run(self._get(path, {k.replace("_", "-"): v for k, v in headers.items()}))

    async def _get(self, path: str, headers: dict[str, str]) -> httpx.Response:
        transport = httpx.ASGITransport(app=self._app)
        async with httpx.AsyncClient(transport=transport, base_url=BASE) as client:
            return await client.get(path, headers=headers)

    def calendar(self, account_id: str = "acme") -> Any:
        answer = self.get(self.link(account_id))
        assert answer.status_code == 200, answer.text
        return Calendar.from_ical(answer.content)

    def event(self, account_id: str = "acme") -> Event:
        (only,) = self.calendar(account_id).events
        return only


@pytest.fixture
def subscriber(
    campaign: Campaign, database_url: str, servers: EmbeddedServers, tmp_path: Path
) -> Iterator[Subscriber]:
    campaign.begin()
    settings = Settings(
        database_url=database_url,
        redis_url=servers.redis_url,
        data_dir=tmp_path,
        public_url=BASE,
    )
    with bootstrap(settings) as rollout:
        yield Subscriber(rollout)


def test_an_event_says_what_stops_when_and_what_to_do(subscriber: Subscriber) -> None:
    answer = subscriber.get(subscriber.link())
    assert answer.headers["content-type"] == "text/calendar; charset=utf-8"
    assert answer.headers["cache-control"] == "private, no-cache"
    assert answer.headers["last-modified"] == "Fri, 01 Jan 2027 12:00:00 GMT"
    written = answer.content.decode()
    assert "\r\nREFRESH-INTERVAL;VALUE=DURATION:PT1H\r\n" in written
    assert "\r\nX-PUBLISHED-TTL:PT1H\r\n" in written
    assert "\r\nX-WR-CALNAME:Acme Inc: what stops working\r\n" in written
    assert "\r\nDTSTART:20270216T160000Z\r\n" in written

    shown = subscriber.event()
    assert shown["summary"] == "API keys of Acme Inc stop working"
    assert shown["status"] == "CONFIRMED"
    assert shown["sequence"] == 0
    assert shown["url"] == "https://developers.example.com/keys-to-tokens"
    assert shown.start == DEADLINE
    assert shown.duration == timedelta(minutes=15)
    assert shown.DTSTAMP == shown.LAST_MODIFIED == NOW
    assert [alarm["trigger"].dt for alarm in shown.walk("VALARM")] == [
        timedelta(days=-7),
        timedelta(days=-1),
    ]
    for words in (
        "16 February 2027, 17:00 (Europe/Berlin), that is 16 February 2027, 16:00 UTC.",
        "401 Unauthorized",
        "https://developers.example.com/access-tokens",
        "https://developers.example.com/keys-to-tokens",
        "Acme Inc (id: acme)",
    ):
        assert words in shown["description"], words


def test_moved_twice_it_is_the_same_event_at_another_time(
    subscriber: Subscriber, campaign: Campaign
) -> None:
    seen = [subscriber.event()]
    for days in (3, 5):
        campaign.at(NOW + timedelta(days=days))
        campaign.dates.extend("acme", to=timedelta(days=14), **WHY)
        seen.append(subscriber.event())

    assert len({shown["uid"] for shown in seen}) == 1
    assert [shown["sequence"] for shown in seen] == [0, 1, 2]
    assert [(shown.start - DEADLINE).days for shown in seen] == [0, 14, 28]
    assert [shown.LAST_MODIFIED for shown in seen] == [
        NOW,
        NOW + timedelta(days=3),
        NOW + timedelta(days=5),
    ]
    assert subscriber.event("beta")["uid"] != seen[0]["uid"]


def test_after_the_cutoff_it_stays_as_what_happened_and_rings_no_more(
    subscriber: Subscriber, campaign: Campaign
) -> None:
    before = subscriber.event()
    campaign.live(DEADLINE)
    shown = subscriber.event()

    assert shown["summary"] == "API keys of Acme Inc stopped working"
    assert "They stopped working on 16 February 2027, 17:00 (Europe/Berlin)" in shown["description"]
    assert (shown["uid"], shown.start) == (before["uid"], DEADLINE)
    assert shown["status"] == "CONFIRMED"
    assert shown.walk("VALARM") == []


def test_restored_it_moves_to_the_day_on_which_the_keys_stop_again(
    subscriber: Subscriber, campaign: Campaign
) -> None:
    campaign.live(DEADLINE)
    until = DEADLINE + timedelta(days=21)
    campaign.restore.restore("acme", until=until, **WHY)
    shown = subscriber.event()

    assert shown["summary"] == "API keys of Acme Inc stop working"
    assert (shown.start, shown["sequence"]) == (until, 1)


def test_an_exempt_account_sees_its_date_taken_back(
    subscriber: Subscriber, campaign: Campaign
) -> None:
    before = subscriber.event()
    campaign.guards.exempt("acme", **WHY)
    shown = subscriber.event()

    assert shown["status"] == "CANCELLED"
    assert shown["summary"] == "API keys of Acme Inc go on working"
    assert shown["uid"] == before["uid"]
    assert shown["sequence"] == 1
    assert "This date no longer applies." in shown["description"]
    assert shown.walk("VALARM") == []


def test_an_account_of_two_deprecations_has_an_event_for_each_and_one_of_none_has_none(
    subscriber: Subscriber, campaign: Campaign
) -> None:
    second = PLAN.replace("deprecation: api-keys", "deprecation: old-tokens")
    campaign.plan.apply(second, "second.yaml", "olga")

    assert len({shown["uid"] for shown in subscriber.calendar("acme").events}) == 2
    assert subscriber.calendar("mobile").events == []
    assert "last-modified" not in subscriber.get(subscriber.link("mobile")).headers


@pytest.mark.parametrize(
    ("at", "zone", "local"),
    [
        ("2027-03-28T00:59:59Z", "Europe/Berlin", "28 March 2027, 01:59 (Europe/Berlin)"),
        ("2027-03-28T01:00:00Z", "Europe/Berlin", "28 March 2027, 03:00 (Europe/Berlin)"),
        ("2027-10-31T00:30:00Z", "Europe/Berlin", "31 October 2027, 02:30 (Europe/Berlin)"),
        ("2027-10-31T01:30:00Z", "Europe/Berlin", "31 October 2027, 02:30 (Europe/Berlin)"),
        ("2027-04-03T15:30:00Z", "Australia/Lord_Howe", "4 April 2027, 02:00 (Australia/Lord"),
        ("2027-06-30T18:15:00Z", "Asia/Kathmandu", "1 July 2027, 00:00 (Asia/Kathmandu)"),
    ],
)
def test_the_instant_is_right_on_the_days_on_which_clocks_change(
    subscriber: Subscriber, campaign: Campaign, at: str, zone: str, local: str
) -> None:
    campaign.run("UPDATE accounts SET timezone = :zone WHERE account_id = 'acme'", zone=zone)
    campaign.run("UPDATE enrollments SET deadline = :at WHERE account_id = 'acme'", at=at)
    shown = subscriber.event()

    assert shown.start == datetime.fromisoformat(at)
    assert shown.end - shown.start == timedelta(minutes=15)
    assert local in shown["description"]


HOSTILE = {
    "line breaks": "Acme\r\nATTENDEE:mailto:thief@evil.example\nEND:VEVENT\r\nBEGIN:VEVENT",
    "separators": r'Acme, Inc; "GmbH": \\, \n back',
    "right to left": "\u202eחברת אקמי",
    "line separators": "Acme\u2028X-EVIL:1\u2029X-EVIL:2\x85X-EVIL:3\x0bX\x1b[31m",
    "long": "é" * 300,
    "emoji": "\N{WOMAN}\N{ZERO WIDTH JOINER}\N{PERSONAL COMPUTER}" * 60,
}


@pytest.mark.parametrize("name", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_name_stays_in_its_place(
    subscriber: Subscriber, campaign: Campaign, name: str
) -> None:
    campaign.run("UPDATE accounts SET name = :name WHERE account_id = 'acme'", name=name)
    body = subscriber.get(subscriber.link()).content

    assert all(len(line) <= 75 for line in body.split(b"\r\n"))
    assert {c for c in body.decode() if not c.isprintable()} <= set("\r\n\u2068\u2069\u200d")
    calendar = Calendar.from_ical(body)
    (shown,) = calendar.events
    assert set(shown) == set(subscriber.event("beta"))
    assert not calendar.errors
    assert not shown.errors
    assert len(shown["summary"]) < 120
    for text in (shown["summary"], calendar["x-wr-calname"]):
        assert "\n" not in text
        assert "\u202e" not in text
        assert text.count("\u2068") == text.count("\u2069") == ("אקמי" in name)


def test_a_name_with_separators_is_escaped_once_and_read_back_as_it_is(
    subscriber: Subscriber, campaign: Campaign
) -> None:
    name = r"Acme, Inc; \back\n"
    campaign.run("UPDATE accounts SET name = :name WHERE account_id = 'acme'", name=name)
    body = subscriber.get(subscriber.link()).content

    escaped = rb"Acme\, Inc\; \\back\\n"
    assert b"\r\nSUMMARY:API keys of %s stop working\r\n" % escaped in body
    assert b"\r\nNAME:%s: what stops working\r\n" % escaped in body
    assert b"\r\nX-WR-CALNAME:%s: what stops working\r\n" % escaped in body
    assert subscriber.event()["summary"] == f"API keys of {name} stop working"


def test_it_speaks_the_language_of_the_account(subscriber: Subscriber, campaign: Campaign) -> None:
    campaign.run("UPDATE accounts SET locale = 'de_AT' WHERE account_id = 'acme'")
    shown = subscriber.event()

    assert shown["summary"] == "Abschaltung der API-Schlüssel von Acme Inc"
    assert "am 16. Februar 2027, 17:00 (Europe/Berlin)" in shown["description"]


# -- asking again


def test_who_has_it_already_is_told_so_until_something_changes(
    subscriber: Subscriber, campaign: Campaign
) -> None:
    link = subscriber.link()
    etag = subscriber.get(link).headers["etag"]
    for known in (etag, f"W/{etag}", f'"other", {etag}', "*"):
        answer = subscriber.get(link, if_none_match=known)
        assert (answer.status_code, answer.content) == (304, b"")
        assert answer.headers["etag"] == etag
        assert answer.headers["cache-control"] == "private, no-cache"

    campaign.guards.exempt("acme", **WHY)  # no schedule changes
    answer = subscriber.get(
        link, if_none_match=etag, if_modified_since="Fri, 01 Jan 2027 12:00:00 GMT"
    )
    assert answer.status_code == 200
    assert answer.headers["etag"] != etag


def test_a_request_takes_three_queries_one_of_which_asks_whether_templates_have_changed(
    subscriber: Subscriber,
) -> None:
    link = subscriber.link()
    subscriber.get(link)
    queries: list[str] = []

    def note(_c: Any, _k: Any, statement: str, *_rest: Any) -> None:
        queries.append(statement)

    event.listen(subscriber.rollout.engine, "before_cursor_execute", note)
    subscriber.get(link)
    assert len(queries) == 3, queries
    assert sum("template_changes" in query for query in queries) == 1


# -- who may ask


def altered(token: str, place: int) -> str:
    return token[:place] + ("A" if token[place] != "A" else "B") + token[place + 1 :]


def test_a_wrong_link_is_a_page_that_does_not_exist(subscriber: Subscriber) -> None:
    link = subscriber.link()
    path = link.removeprefix(BASE)
    token = path.removeprefix("/calendar/").removesuffix(".ics")
    nothing = subscriber.get("/no/such/page")
    assert nothing.status_code == 404
    beta = subscriber.link("beta").removeprefix(f"{BASE}/calendar/").removesuffix(".ics")
    wrong = [
        *(altered(token, place) for place in range(len(token)) if token[place] != "."),
        f"{token.partition('.')[0]}.{beta.partition('.')[2]}",
        *(token[:-1], token + "A", token + "=", token.upper(), token.partition(".")[0]),
        *(".", "a.b", "AA.AA", "YWNtZQ", "%00", "%FF", "é.é", "a" * 8000),
    ]
    for each in wrong:
        answer = subscriber.get(f"/calendar/{each}.ics")
        assert (answer.status_code, answer.content) == (404, nothing.content), each
        assert answer.headers == nothing.headers
    assert subscriber.get(link).status_code == 200


def test_a_renewed_link_opens_and_every_earlier_one_does_not(
    subscriber: Subscriber, campaign: Campaign
) -> None:
    links = [subscriber.link()]
    uid = subscriber.event()["uid"]
    links += [subscriber.rollout.notices.calendars.renew("acme", operator="olga") for _ in range(2)]

    assert [subscriber.get(link).status_code for link in links] == [404, 404, 200]
    assert subscriber.link() == links[-1]
    assert subscriber.event()["uid"] == uid
    assert subscriber.event("beta")  # nobody else's
    facts = campaign.rows(
        "SELECT actor, data->>'version' FROM facts WHERE action = 'account.calendar-renewed'"
    )
    assert facts == [("olga", "2"), ("olga", "3")]


def test_without_a_database_programs_are_asked_to_come_again_and_told_nothing_else(
    tmp_path: Path,
) -> None:
    settings = Settings(
        database_url="postgresql://nobody@127.0.0.1:1/nothing",
        redis_url="redis://127.0.0.1:1/0",
        data_dir=tmp_path,
    )
    with bootstrap(settings, database_may_be_down=True) as rollout:
        answer = Subscriber(rollout).get("/calendar/YWNtZQ.MDEyMzQ1Njc4OWFi.ics")

    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "60"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["detail"] == "The dates cannot be read at the moment."
