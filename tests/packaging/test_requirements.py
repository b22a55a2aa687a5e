"""The requirements are pinned, hashed, without addresses, and those that pyproject.toml wants."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.house_rules.checkout import ROOT, pyproject

FILES = ["requirements.txt", "requirements-build.txt", "requirements-dev.txt"]


def blocks(name: str) -> Iterator[str]:
    """Yield one requirement after the other, continuation lines joined, comments left out."""
    text = (ROOT / name).read_text(encoding="utf-8")
    lines = re.sub(r"^ *#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ")
    return (line for line in lines.splitlines() if line.strip())


def pins(name: str) -> dict[str, str]:
    """Return the version of each package in a file."""
    found = {}
    for block in blocks(name):
        requirement = Requirement(block.partition(" --hash")[0])
        (specifier,) = requirement.specifier
        assert specifier.operator == "==", block
        found[canonicalize_name(requirement.name)] = specifier.version
    return found


def wanted(name: str) -> Iterator[Requirement]:
    """Yield what pyproject.toml asks for in a file."""
    content = pyproject()
    groups = content["dependency-groups"]
    asked = {
        "requirements.txt": content["project"]["dependencies"],
        "requirements-build.txt": groups["build"] + content["build-system"]["requires"],
        "requirements-dev.txt": [item for item in groups["dev"] if isinstance(item, str)],
    }
    return map(Requirement, asked[name])


@pytest.mark.parametrize("name", FILES)
def test_every_requirement_has_a_hash_and_no_address(name: str) -> None:
    found = list(blocks(name))

    assert found
    assert not [block for block in found if "--hash=sha256:" not in block]
    assert not [block for block in found if "://" in block or block.startswith("-")]


@pytest.mark.parametrize("name", FILES)
def test_every_dependency_is_pinned_within_its_bounds(name: str) -> None:
    pinned = pins(name)
    wrong = [
        f"{requirement}: pinned {pinned.get(canonicalize_name(requirement.name))}; run `make lock`"
        for requirement in wanted(name)
        if pinned.get(canonicalize_name(requirement.name)) not in requirement.specifier
    ]

    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-build.txt"])
def test_development_uses_the_very_versions_that_are_shipped(name: str) -> None:
    assert pins(name).items() <= pins("requirements-dev.txt").items()
