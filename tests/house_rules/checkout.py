"""The files of this checkout, for the rules that read them."""

from __future__ import annotations

import subprocess
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


@cache
def tracked_files() -> tuple[Path, ...]:
    """Return the files that git keeps or would keep."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"]
    names = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    paths = (ROOT / name for name in sorted(set(names.split("\0"))) if name)
    return tuple(path for path in paths if path.is_file())


def documents() -> Iterator[Path]:
    """Yield README, CHANGELOG and everything in ``docs/`` that is Markdown."""
    return (path for path in tracked_files() if path.suffix == ".md")


def modules(*packages: str) -> Iterator[Path]:
    """Yield the Python files of top-level packages."""
    for package in packages:
        found = sorted((ROOT / package).rglob("*.py"))
        assert found, f"no modules in {package}: the rule would hold for nothing"
        yield from found


def pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
