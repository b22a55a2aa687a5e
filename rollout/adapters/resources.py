"""Where the files lie that are not Python: notice templates and database migrations.

An installed wheel carries them in ``rollout/_data``; in a checkout they stand beside the package.
"""

from __future__ import annotations

from pathlib import Path

from rollout.domain.errors import Unavailable

PACKAGE = Path(__file__).resolve().parents[1]


def templates_dir(package: Path = PACKAGE) -> Path:
    """Return the directory of the templates; raise ``Unavailable`` if there is none."""
    return _find("templates", package)


def migrations_dir(package: Path = PACKAGE) -> Path:
    """Return the directory of the migrations; raise ``Unavailable`` if there is none."""
    return _find("migrations", package)


def _find(name: str, package: Path) -> Path:
    places = (package / "_data" / name, package.parent / name)
    for place in places:
        if place.is_dir():
            return place
    raise Unavailable(
        f"this installation lacks its {name}: neither {places[0]} nor {places[1]} exists",
        fix="install Rollout again, from its wheel or a whole checkout",
    )
