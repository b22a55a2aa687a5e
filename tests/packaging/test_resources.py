"""Templates and migrations are found in a wheel and in a checkout, and their lack is explained."""

from __future__ import annotations

from pathlib import Path

import pytest

from rollout.adapters.resources import migrations_dir, templates_dir
from rollout.domain.errors import Unavailable


def test_in_this_checkout_they_stand_beside_the_package() -> None:
    assert (templates_dir() / "notices").is_dir()
    assert (migrations_dir() / "env.py").is_file()


def test_what_a_wheel_carries_goes_before_what_lies_beside_it(tmp_path: Path) -> None:
    package = tmp_path / "rollout"
    (package / "_data" / "templates").mkdir(parents=True)
    (tmp_path / "templates").mkdir()  # somebody else's, in site-packages

    assert templates_dir(package) == package / "_data" / "templates"


def test_an_installation_that_lacks_them_says_so_and_where_it_looked(tmp_path: Path) -> None:
    package = tmp_path / "rollout"

    with pytest.raises(Unavailable) as refusal:
        migrations_dir(package)

    assert "lacks its migrations" in refusal.value.message
    assert str(package / "_data" / "migrations") in refusal.value.message
    assert refusal.value.fix == "install Rollout again, from its wheel or a whole checkout"
