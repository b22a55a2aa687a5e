"""A return path names its notice, and cannot be made up."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.notices.return_path import ReturnPaths

PATHS = ReturnPaths("bounces.platform.example", b"k" * 32)
OTHERS = ReturnPaths("bounces.platform.example", b"x" * 32)


@given(st.integers(min_value=1, max_value=2**59))
def test_a_return_path_names_its_notice_in_any_case_and_fits_in_an_address(notice_id: int) -> None:
    path = PATHS.of(notice_id)

    assert PATHS.notice([path]) == PATHS.notice([path.upper()]) == notice_id
    assert len(path.partition("@")[0]) <= 64


@given(st.text(max_size=80))
def test_nothing_else_names_one(address: str) -> None:
    assert PATHS.notice([address, f"{address}@bounces.platform.example"]) is None


@pytest.mark.parametrize(
    "forged",
    [
        OTHERS.of(7),
        PATHS.of(7).replace("+7.", "+8."),
        PATHS.of(7).replace("bounces.platform", "bounces.elsewhere"),
        PATHS.of(7).replace("+7.", "+07."),
        "bounces+7.@bounces.platform.example",
        "bounces+7@bounces.platform.example",
    ],
)
def test_a_forged_one_is_passed_over_and_the_genuine_one_is_found(forged: str) -> None:
    assert PATHS.notice([forged]) is None
    assert PATHS.notice([forged, PATHS.of(9)]) == 9
