"""Usage import: lines of an access log per second, beside a bare DuckDB scan of the same file.

The floor takes every line apart with one regular expression and counts by key, user agent, address
and hour. It tolerates nothing, checks nothing, and keeps nothing.
"""

from __future__ import annotations

import random
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path

import duckdb

from bench.figures import Figure
from bench.servers import Servers, rollout
from bench.size import Size

BEGIN = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)
KEYS = 2_000
AGENTS = (
    "acme-sync/{}.4.1 (linux; x86_64)",
    "python-requests/2.{}.0",
    "okhttp/4.{}.0",
    "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{}.0.0.0",
)
SCAN = r"""
SELECT line.user, line.agent, line.address, line.hour, count(*), min(line.at), max(line.at)
  FROM (SELECT regexp_extract(line,
    '^(\S+) \S+ (\S+) \[((\d+/\w+/\d+:\d+)[^\]]+)\] "[^"]*" (\d+) \S+ "[^"]*" "([^"]*)"',
    ['address', 'user', 'at', 'hour', 'status', 'agent']) AS line
  FROM read_csv($file, columns = {'line': 'VARCHAR'}, delim = '\x01', quote = '', escape = '',
                header = false, auto_detect = false))
 GROUP BY ALL
"""


def measure(servers: Servers, size: Size) -> Iterator[Figure]:
    """Import a log, and scan it."""
    file = servers.directory / "access.log"
    write_log(file, size.lines)
    with ProcessPoolExecutor(1, get_context("spawn")) as aside:  # its memory is not ours
        floor = aside.submit(scan, file).result()
    with servers.database("usage") as engine:
        command = ("import", "usage", "--format", "combined", str(file))
        seconds, peak = rollout(servers, engine, *command)
    file.unlink()
    yield Figure(
        what=f"import an access log of {size.lines:,} lines",
        value=size.lines / seconds,
        unit="lines/s",
        beside="a bare DuckDB scan",
        floor=size.lines / floor,
        owed="≥ 0.5",
    )
    yield Figure(what="  its memory at most", value=peak, unit="MB", owed="≤ 500 MB")


def scan(file: Path) -> float:
    """Return the seconds that DuckDB takes, on all cores."""
    with duckdb.connect() as connection:
        began = time.perf_counter()
        groups = connection.execute(SCAN, {"file": str(file)}).fetchall()
        seconds = time.perf_counter() - began
    assert groups, "DuckDB has read nothing"
    return seconds


def write_log(file: Path, lines: int) -> None:
    """Write a day: keys with one program on two addresses each, a tenth of the lines without key.

    The same every time.
    """
    dice = random.Random(4711)
    with file.open("w", encoding="utf-8") as log:
        for number in range(lines):
            at = BEGIN + number * DAY / lines
            key = dice.randrange(KEYS)
            user = f"key-{key}" if dice.random() < 0.9 else "-"
            agent = AGENTS[key % len(AGENTS)].format(key % 20)
            log.write(
                f"10.{dice.randrange(2)}.{key >> 8}.{key & 255} - {user}"
                f" [{at:%d/%b/%Y:%H:%M:%S +0000}]"
                f' "GET /v1/orders/{number} HTTP/1.1" {dice.choice((200, 200, 200, 401))}'
                f' {dice.randrange(9_999)} "-" "{agent}"\n'
            )
