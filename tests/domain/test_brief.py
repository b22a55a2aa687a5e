"""The link to a brief: of one notice, of one version, and not for ever."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from rollout.domain.notices.brief import KEPT_OPEN, BriefLinks, Standing
from rollout.domain.notices.unsubscribe import UnsubscribeTokens

LINKS = BriefLinks(b"k" * 32, "https://rollout.example")
DEADLINE = datetime(2027, 2, 16, 16, 0, tzinfo=UTC)
STANDING = Standing(
    notice_id=7,
    account_id="acme",
    step="reminder",
    links_version=1,
    state="scheduled",
    deadline=DEADLINE,
    stopped_at=None,
    acknowledged_at=None,
)
TICK = timedelta.resolution


def token(notice_id: int, version: int = 1, links: BriefLinks = LINKS) -> str:
    return links.path(notice_id, version).removeprefix("/brief/")


def test_a_link_names_its_notice_and_opens_only_with_its_version() -> None:
    assert LINKS.url(7, 1) == f"https://rollout.example/brief/{token(7)}"
    assert LINKS.claimed(token(7)) == 7
    assert LINKS.opens(token(7), 1)
    assert not LINKS.opens(token(7), 2)
    assert len({token(1, 23), token(12, 3), token(123, 1), token(7, 1), token(7, 2)}) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        f"8.{token(7).partition('.')[2]}",
        token(7)[:-1],
        token(7).upper(),
        token(7, links=BriefLinks(b"x" * 32)),
        UnsubscribeTokens(b"k" * 32).of(7),
    ],
)
def test_nobody_makes_one_up_and_one_made_for_something_else_is_none(wrong: str) -> None:
    assert not LINKS.opens(wrong, 1)


@pytest.mark.parametrize("garbage", ["", "7", ".", "0.aaaaaaaaaaaaaaaa", "é.é", "\0", "9" * 40])
def test_garbage_names_nothing(garbage: str) -> None:
    assert LINKS.claimed(garbage) is None


def test_without_an_address_of_ours_there_are_only_paths() -> None:
    assert BriefLinks(b"k" * 32).url(7, 1) is None


def test_it_stays_open_while_the_keys_work_and_some_time_after_they_stopped() -> None:
    long_after = DEADLINE + timedelta(days=1000)
    assert not STANDING.ended(long_after)  # held, say
    stopped_at = DEADLINE + timedelta(days=5)  # late
    for standing, end in (
        (replace(STANDING, state="cut", stopped_at=stopped_at), stopped_at + KEPT_OPEN),
        (replace(STANDING, state="cut"), DEADLINE + KEPT_OPEN),  # it had no key left to cut
        (replace(STANDING, state="exempt"), DEADLINE + KEPT_OPEN),
    ):
        assert [standing.ended(end - TICK), standing.ended(end)] == [False, True]
