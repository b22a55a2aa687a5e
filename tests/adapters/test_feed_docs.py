"""The pages on log formats and maps are true: every example in them is read."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.mapped import load_map, read_map
from rollout.adapters.feeds.mapped.file import _shape
from rollout.adapters.feeds.mapped.file_records import RECORDS
from rollout.adapters.feeds.mapped.file_sources import CUTS, SourceReader
from rollout.adapters.feeds.mapped.file_times import DIRECTIVES
from rollout.adapters.feeds.mapped.file_times import FORMATS as TIME_FORMATS
from rollout.adapters.feeds.reading import Piece
from rollout.domain.usage import Sighting
from rollout.services.ports import LastUse

DOCS = Path(__file__).parents[2] / "docs"
FORMATS = (DOCS / "formats.md").read_text(encoding="utf-8")
MAPS = (DOCS / "maps.md").read_text(encoding="utf-8")
SECTION = re.compile(r"^## (\S+)\n(.*?)(?=^## |\Z)", re.MULTILINE | re.DOTALL)


def blocks(language: str, text: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def test_every_format_has_a_section_and_every_section_a_format() -> None:
    assert sorted(name for name, _ in SECTION.findall(FORMATS)) == sorted(FEEDS)


@pytest.mark.parametrize(("name", "section"), SECTION.findall(FORMATS))
def test_every_line_that_the_page_shows_is_a_use_of_a_key(name: str, section: str) -> None:
    (example,) = blocks("log", section)

    readings = list(FEEDS[LogFormat(name)].read(Piece("page", example.encode())))

    assert readings
    for reading in readings:
        assert isinstance(reading, Sighting | LastUse)
        assert reading.key_id in {
            "app-7",
            "AKIAIOSFODNN7EXAMPLE",
            "arn:aws:iam::123456789012:user/jane#1",
        }
        if isinstance(reading, Sighting):
            assert reading.at.replace(second=14, microsecond=0) == datetime(
                2026, 5, 17, 8, 5, 14, tzinfo=UTC
            )


def test_the_map_on_the_page_reads_the_line_on_the_page() -> None:
    (line,) = blocks("json", MAPS)

    (sighting,) = read_map(blocks("yaml", MAPS)[0], "page").read(Piece("page", line.encode()))

    assert isinstance(sighting, Sighting)
    assert sighting == Sighting(
        key_id="app-7",
        at=datetime(2026, 5, 17, 8, 5, 14, 250_000, tzinfo=UTC),
        user_agent="Zapier",
        network="203.0.113.9",
        refused=True,
        account_id="acme",
        event=sighting.event,
        own_id=True,
        client="zap",
        endpoint="GET /v1/users/{id}",
    )


def test_the_map_without_a_header_reads_fields_by_their_position() -> None:
    (sighting,) = read_map(blocks("yaml", MAPS)[2], "page").read(
        Piece("page", b'2026-05-17,08:05:14,app-7,"203.0.113.9"\r\n')
    )

    assert isinstance(sighting, Sighting)
    assert (sighting.key_id, sighting.network) == ("app-7", "203.0.113.9")


@pytest.mark.parametrize("path", sorted((DOCS / "maps").glob("*.yaml")), ids=lambda p: p.stem)
def test_every_map_that_ships_with_us_is_one_and_has_the_name_of_its_file(path: Path) -> None:
    assert load_map(path).name == path.stem


def test_everything_that_a_map_may_say_is_on_the_page() -> None:
    map_names = _shape(SourceReader(frozenset(), paths=True))
    names = [*map_names, *RECORDS, *CUTS, *TIME_FORMATS]

    assert [name for name in names if f"`{name}" not in MAPS] == []
    assert [letter for letter in DIRECTIVES - {"%"} if f"%{letter}" not in MAPS] == []
