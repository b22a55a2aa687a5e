"""Who reads the data of many companies? A real log without user agents, by the documented commands.

Every question is asked through the command line, as docs/maps.md shows it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import CommandLine

MAPS = Path(__file__).parents[2] / "docs" / "maps"
ALL = {
    "requests": 17_486,
    "keys": 9_243,
    "sources": 769,
    "at_least": {10: 161, 50: 61, 100: 34},
    "top": [
        ("183.195.251.hah", 677, 691),
        ("52.45.218.ihf", 520, 543),
        ("68.180.231.abf", 490, 499),
        ("103.238.106.gif", 424, 434),
        ("208.77.215.jeh", 399, 407),
    ],
    "busiest": ("54.152.17.ccg", 187, 1275),
}
ANSWERED = {
    "requests": 11_406,
    "keys": 6_825,
    "sources": 538,
    "at_least": {10: 127, 50: 45, 100: 21},
    "top": [
        ("183.195.251.hah", 677, 691),
        ("52.45.218.ihf", 519, 542),
        ("208.77.215.jeh", 396, 404),
        ("208.77.214.jeh", 393, 398),
        ("218.50.187.afh", 300, 304),
    ],
    "busiest": ("54.152.17.ccg", 184, 989),
}


def seen(item: dict[str, Any]) -> tuple[str, int, int]:
    return item["network"], item["accounts"], item["count"]


@pytest.mark.parametrize(
    ("the_map", "expected"), [("edgar", ALL), ("edgar-answered", ANSWERED)], ids=str
)
def test_the_sources_that_touch_many_companies_come_out_exactly(
    cli: CommandLine, shared_data: Path, the_map: str, expected: dict[str, Any]
) -> None:
    log = shared_data / "access-edgar-small" / "small.csv.gz"
    take_in = ("import", "usage", "--map", MAPS / f"{the_map}.yaml", "--discover", "--json")
    taken = cli(*take_in, log).json
    found = cli("usage", "sources", "--by", "network", "--json").json
    shown = cli("usage", "sources", "--by", "network").stdout

    assert (taken["records"], taken["sightings"]) == (17_486, expected["requests"])
    assert taken["discovered_accounts"] == taken["discovered_keys"] == expected["keys"]
    assert found["sources"] == len(found["items"]) == expected["sources"]
    assert {one["accounts"]: one["sources"] for one in found["fan_out"]} == expected["at_least"]
    assert [seen(item) for item in found["items"][:5]] == expected["top"]
    # Volume is not fan-out.
    busiest = max(found["items"], key=lambda item: int(item["count"]))
    assert seen(busiest) == expected["busiest"]
    ten, fifty, hundred = expected["at_least"].values()
    assert shown.endswith(
        f"{expected['sources']} sources: {ten} use keys of 10 accounts or more,"
        f" {fifty} of 50, {hundred} of 100\n"
    )
    # Of one day nobody can say who comes back: many companies alone make no candidate.
    for which in ((), ("--candidates",)):
        assert cli("usage", "integrations", *which, "--json").items == []
    for least, sources in expected["at_least"].items():
        for option in ("--accounts-at-least", "--keys-at-least"):
            many = cli("usage", "sources", "--by", "network", option, least, "--json").items
            assert len(many) == sources
