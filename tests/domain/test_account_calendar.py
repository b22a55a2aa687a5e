"""A link to a calendar names its account, and cannot be made up."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.adapters.mail.template_check import sample_date
from rollout.domain.account_calendar import CalendarLinks

LINKS = CalendarLinks(b"k" * 32, "https://rollout.example.com")
OTHERS = CalendarLinks(b"x" * 32, "https://rollout.example.com")
IDS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1)


def token(account_id: str, version: int = 1, links: CalendarLinks = LINKS) -> str:
    return links.path(account_id, version).removeprefix("/calendar/").removesuffix(".ics")


@given(IDS, st.integers(min_value=1, max_value=2**31))
def test_a_link_names_its_account_and_opens_its_calendar_only(
    account_id: str, version: int
) -> None:
    shown = token(account_id, version)

    assert LINKS.claimed(shown) == account_id
    assert LINKS.opens(shown, account_id, version)
    assert not LINKS.opens(shown, account_id, version + 1)
    assert not LINKS.opens(shown, account_id + "x", version)
    assert not LINKS.opens(token(account_id, version, OTHERS), account_id, version)
    assert shown.isascii()
    assert shown.replace("-", "").replace("_", "").replace(".", "").isalnum()


@given(st.text(max_size=80))
def test_nothing_else_opens_it(shown: str) -> None:
    LINKS.claimed(shown)  # whatever it says
    assert not LINKS.opens(shown, "acme", 1)


@pytest.mark.parametrize("shown", ["AA.AA", "YQBi.x", "_w.x", "é.x", "a.x", "\ud800.x"])
def test_what_no_account_can_be_called_is_not_even_looked_up(shown: str) -> None:
    assert LINKS.claimed(shown) is None


def test_two_accounts_whose_ids_run_into_the_version_have_other_links() -> None:
    assert token("1 acme", 1).partition(".")[2] != token("acme", 11).partition(".")[2]


def test_without_our_address_there_is_a_path_only() -> None:
    nowhere = CalendarLinks(b"k" * 32)
    assert nowhere.url("acme", 1) is None
    assert LINKS.url("acme", 1) == "https://rollout.example.com" + nowhere.path("acme", 1)


def test_the_key_is_not_shown() -> None:
    assert "kkk" not in repr(LINKS)


def test_an_event_keeps_its_name_whatever_happens_to_its_date() -> None:
    date = sample_date()
    changed = replace(date, state="cut", schedule_version=9, account_name="Other", locale="de")

    assert changed.uid == date.uid
    assert replace(date, account_id="beta").uid != date.uid
    assert replace(date, deprecation="old-tokens").uid != date.uid


def test_to_take_a_date_back_is_one_more_change() -> None:
    date = sample_date()
    assert date.sequence == date.schedule_version - 1
    assert replace(date, state="exempt").sequence == date.sequence + 1
