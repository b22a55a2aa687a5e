"""What comes back of an envelope names its notice, by its return path or else by its name."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.notices.envelope import Envelopes

WITH_PATHS = Envelopes(b"k" * 32, "bounces.platform.example")
WITHOUT = Envelopes(b"k" * 32)
OTHERS = Envelopes(b"x" * 32, "bounces.platform.example")


@given(st.integers(min_value=1, max_value=2**59))
def test_a_name_is_read_in_any_case_and_fits_where_it_is_put(notice_id: int) -> None:
    name = WITHOUT.of(notice_id).name

    assert WITHOUT.notice([], [name]) == WITH_PATHS.notice([], [name.upper()]) == notice_id
    assert len(name) <= 80  # the most that Postmark keeps; RFC 3461, section 4.4 allows 100


def test_without_a_bounce_domain_there_is_no_return_path() -> None:
    path = WITH_PATHS.of(7).return_path
    assert path is not None
    assert (WITHOUT.of(7).return_path, WITHOUT.notice([path], [])) == (None, None)


def test_a_return_path_is_surer_than_a_name() -> None:
    path = WITH_PATHS.of(7).return_path
    assert path is not None
    assert WITH_PATHS.notice([path], [WITH_PATHS.of(8).name]) == 7


@pytest.mark.parametrize(
    "forged",
    ["", "7", OTHERS.of(7).name, WITHOUT.of(7).name.replace("7.", "8.", 1), "7." + "a" * 16],
)
def test_a_forged_one_is_passed_over_and_the_genuine_one_is_found(forged: str) -> None:
    assert WITHOUT.notice([], [forged]) is None
    assert WITHOUT.notice([], [forged, WITHOUT.of(9).name]) == 9
