"""What is one source, and what silence means."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.usage import (
    EVENT_BYTES,
    USE_BYTES,
    Source,
    Uses,
    mark,
    normalise_user_agent,
)
from rollout.domain.usage.endpoints import NO_ENDPOINT

NOW = datetime(2027, 3, 1, 12, tzinfo=UTC)
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


@pytest.mark.parametrize(
    ("logged", "name"),
    [
        ("stratus-red-team_10e7edf3-5063-4eba-8842-68f83bb52d65", "stratus-red-team"),
        (
            "aws-sdk/1.32.3 lang/go#1.23 exec-env/grimoire_095724e3-1fa0-4e3e-b68a-e8581d194380",
            "aws-sdk lang/go exec-env/grimoire",
        ),
        ("python-requests/2.31.0", "python-requests"),
        ("okhttp/5.0.0-alpha.2+exp", "okhttp"),
        ("Tiny Tiny RSS/1.11.4ca41cb (http://tt-rss.org/)", "Tiny Tiny RSS (http://tt-rss.org/)"),
        ("app/550E8400E29B41D4A716446655440000", "app"),
        ("nightly 2024-05-02", "nightly"),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_8_2; rv:35.0) Firefox/35.0",
            "Mozilla (Macintosh; Intel Mac OS X; rv:) Firefox",
        ),
        ("Zapier", "Zapier"),
        ("n8n", "n8n"),
        ("2fa-client s3-sync area51 deadbeef", "2fa-client s3-sync area51 deadbeef"),
        ("  two \t blanks ", "two blanks"),
        ("", "-"),
        ("-", "-"),
        ("10e7edf3-5063-4eba-8842-68f83bb52d65", "-"),
    ],
)
def test_a_program_keeps_its_name_over_versions_and_runs(logged: str, name: str) -> None:
    assert normalise_user_agent(logged) == name


@pytest.mark.parametrize("unit", ["a", "0", "1.", "-1", "/1-", "deadbeef-", "0_0", "a0"])
def test_no_user_agent_takes_long_to_normalise(unit: str) -> None:
    hostile = unit * 50_000
    began = time.process_time()
    normalise_user_agent(hostile)

    assert time.process_time() - began < 2


def test_a_source_is_named_by_both_of_its_parts() -> None:
    ids = {Source(a, n).source_id for a, n in [("x", "y"), ("xy", ""), ("", "xy"), ("y", "x")]}

    assert len(ids) == 4


def test_uses_within_an_hour_add_up_whatever_their_order() -> None:
    first, middle, last = (NOW.replace(minute=minute) for minute in (15, 30, 45))
    uses = Uses(middle, middle)
    for at, refused in ((middle, True), (last, False), (first, True)):
        uses.add(bytes(7) + bytes([at.minute]), NO_ENDPOINT, at=at, refused=refused)

    assert (uses.first_at, uses.last_at) == (first, last)
    assert [name & 1 for name in uses.each[EVENT_BYTES - 1 :: USE_BYTES]] == [1, 0, 1]


@given(event=st.binary(min_size=EVENT_BYTES, max_size=EVENT_BYTES), refused=st.booleans())
def test_the_outcome_is_written_into_the_lowest_bit_of_a_name_and_nowhere_else(
    *, event: bytes, refused: bool
) -> None:
    marked = mark(event, refused=refused)

    assert int.from_bytes(marked) & 1 == refused
    assert int.from_bytes(marked) >> 1 == int.from_bytes(event) >> 1
