"""``rollout feed`` as an operator declares what may be relied on."""

from __future__ import annotations

from datetime import timedelta

import pytest

from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.command_line import CommandLine
from tests.support.database import digests, rows, set_clock


@pytest.fixture(autouse=True)
def _begun(campaign: Campaign) -> None:
    campaign.begin()


def test_a_feed_is_listed_with_what_came_and_what_was_declared(
    cli: CommandLine, campaign: Campaign
) -> None:
    (before,) = cli("feed", "list", "--json").items
    assert cli("feed", "declare", "gateway", "--every", "1h", "--partial").code == 0
    set_clock(campaign.engine, NOW + timedelta(hours=2))
    (after,) = cli("feed", "list", "--json").items

    assert before == {
        "feed": "gateway",
        "first_event": "2026-10-03T12:00:00Z",
        "newest_event": "2027-01-01T12:00:00Z",
        "events": 0,
        "every_seconds": None,
        "complete": True,
        "stale": False,
        "why": None,
    }
    assert (after["every_seconds"], after["complete"], after["stale"]) == (3600, False, True)
    assert after["why"].startswith("feed gateway has been silent since 2027-01-01 12:00 UTC")
    shown = cli("feed", "list").stdout
    assert "partial" in shown
    assert "1 h is the longest that it may be" in shown


def test_what_is_declared_is_a_fact_and_leaves_the_rest_as_it_was(
    cli: CommandLine, campaign: Campaign
) -> None:
    cli("feed", "declare", "gateway", "--every", "15m")
    done = cli("feed", "declare", "gateway", "--partial", "--as", "otto")

    assert done.stdout == "gateway: sees only a part of the calls, reports at least every 15 min\n"
    assert rows(
        campaign.engine,
        "SELECT actor, subject, data FROM facts WHERE action = 'feed.declared' ORDER BY seq",
    ) == [
        ("olga", "feed:gateway", {"every_seconds": 900, "complete": True}),
        ("otto", "feed:gateway", {"every_seconds": 900, "complete": False}),
    ]


def test_an_interval_is_taken_back_by_the_word_none(cli: CommandLine, campaign: Campaign) -> None:
    cli("feed", "declare", "gateway", "--every", "1h", "--partial")
    set_clock(campaign.engine, NOW + timedelta(hours=2))

    done = cli("feed", "declare", "gateway", "--every", "none")

    assert done.stdout == (
        "gateway: sees only a part of the calls, reports at no declared interval\n"
    )
    (after,) = cli("feed", "list", "--json").items
    assert (after["every_seconds"], after["complete"], after["stale"]) == (None, False, False)
    assert rows(campaign.engine, "SELECT data FROM facts ORDER BY seq DESC LIMIT 1") == [
        ({"every_seconds": None, "complete": False},)
    ]


def test_a_feed_may_be_declared_before_its_first_log_comes(cli: CommandLine) -> None:
    assert cli("feed", "declare", "edge", "--every", "1d", "--new").code == 0

    (edge, _gateway) = cli("feed", "list", "--json").items
    assert (edge["feed"], edge["newest_event"], edge["every_seconds"]) == ("edge", None, 86_400)
    assert edge["why"] == "feed edge has never reported"


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("gatewy", "--every", "1h"), 1, "no feed 'gatewy'"),
        (("gatewy", "--every", "1h"), 1, "(known: gateway)"),
        (("gateway", "--every", "10s"), 1, "less than a minute"),
        ((" ", "--new"), 1, "is no name for a feed"),
        (("gateway",), 2, "say something of it"),
        (("gateway", "--every", "often"), 2, "is no length of time"),
        (("gateway", "--every", "0d"), 1, "less than a minute"),
    ],
)
def test_what_cannot_be_declared_changes_nothing(
    cli: CommandLine, campaign: Campaign, arguments: tuple[str, ...], code: int, said: str
) -> None:
    before = digests(campaign.engine)
    done = cli("feed", "declare", *arguments)

    assert (done.code, done.stdout) == (code, "")
    assert said in done.complaint
    assert digests(campaign.engine) == before
