"""The token of a link names its reader, and cannot be made up."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.notices.unsubscribe import NOBODY, UnsubscribeTokens

TOKENS = UnsubscribeTokens(b"k" * 32)
OTHERS = UnsubscribeTokens(b"x" * 32)


@given(st.integers(min_value=1, max_value=2**59))
def test_a_token_names_its_reader_and_stands_in_an_address_as_it_is(contact_id: int) -> None:
    token = TOKENS.of(contact_id)

    assert TOKENS.contact(token) == contact_id
    assert re.fullmatch(r"[a-z0-9.]+", token)


@given(st.text(max_size=80))
def test_nothing_else_names_one(token: str) -> None:
    assert TOKENS.contact(token) is None


@pytest.mark.parametrize(
    "forged",
    [
        OTHERS.of(7),
        TOKENS.of(7).replace("7.", "8.", 1),
        "0" + TOKENS.of(7),
        TOKENS.of(7).upper(),
        TOKENS.of(7) + "\n",
        TOKENS.of(7)[:-1],
        "7.",
        "7",
    ],
)
def test_a_forged_one_names_nobody(forged: str) -> None:
    assert TOKENS.contact(forged) is None


def test_the_link_of_a_test_message_is_whole_and_leads_to_nobody() -> None:
    assert TOKENS.contact(TOKENS.of(NOBODY)) is None


def test_the_key_is_not_shown() -> None:
    assert "kkk" not in repr(TOKENS)
