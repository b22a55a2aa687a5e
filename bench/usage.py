"""Usage import: access log lines and CloudTrail events per second.

The floor is a bare DuckDB scan of the same files: it takes every line apart with one regular
expression, or reads the JSON, and counts by key, user agent, address and hour. It tolerates
nothing, checks nothing, and keeps nothing. The peer is GoAccess, where it is installed.
"""

from __future__ import annotations

import gzip
import json
import random
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from uuid import UUID

import duckdb
from sqlalchemy import text

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

SCAN_TRAIL = """
SELECT e.userIdentity.accessKeyId AS key, e.userAgent, e.sourceIPAddress,
       date_trunc('hour', e.eventTime)::varchar AS hour, count(*),
       min(e.eventTime)::varchar, max(e.eventTime)::varchar
  FROM (SELECT unnest(Records) AS e FROM read_json($files, maximum_object_size = 268435456))
 GROUP BY ALL
"""
# In the worst case, every key comes through each of its sources in every hour of the log.
BOUND = """
SELECT (SELECT count(*) FROM key_sources)
     * (SELECT extract(epoch FROM max(hour) - min(hour))::bigint / 3600 + 1 FROM sightings)
"""


def measure(servers: Servers, size: Size) -> Iterator[Figure]:
    """Import an access log and a trail, and scan them."""
    yield from measure_access_log(servers, size)
    yield from measure_trail(servers, size)


def measure_access_log(servers: Servers, size: Size) -> Iterator[Figure]:
    """Import a day of an access log, beside a scan, and beside GoAccess where it is installed."""
    file = servers.directory / "access.log"
    write_log(file, size.lines)
    floor = aside(scan, file)
    peer = go_access(file) if shutil.which("goaccess") else None
    with servers.database("usage") as engine:
        command = ("import", "usage", "--format", "combined", str(file))
        seconds, peak = rollout(servers, engine, *command)
        with engine.connect() as connection:
            sightings = connection.execute(text("SELECT count(*) FROM sightings")).scalar_one()
            bound = connection.execute(text(BOUND)).scalar_one()
    file.unlink()
    rate = {"what": f"import an access log of {size.lines:,} lines", "value": size.lines / seconds}
    yield Figure(
        **rate,
        unit="lines/s",
        beside="a bare DuckDB scan",
        floor=size.lines / floor,
        owed="≥ 0.5",
    )
    if peer:
        rate["what"] = "  the same"
        yield Figure(**rate, unit="lines/s", beside="GoAccess", floor=size.lines / peer, owed="≥ 3")
    yield Figure(what="  its memory at most", value=peak, unit="MB", owed="≤ 500 MB")
    yield Figure(
        what="  rows of sightings",
        value=sightings,
        unit="rows",
        beside="keys × sources × hours in use",
        floor=bound,
        owed="≤ 1",
    )


def measure_trail(servers: Servers, size: Size) -> Iterator[Figure]:
    """Import gzipped CloudTrail files, beside a scan of the same."""
    folder = servers.directory / "trail"
    folder.mkdir()
    write_trail(folder, size.trail_files, size.trail_events)
    events = size.trail_files * size.trail_events
    floor = aside(scan_trail, folder)
    with servers.database("trail") as engine:
        command = ("import", "usage", "--format", "cloudtrail", str(folder))
        seconds, peak = rollout(servers, engine, *command)
    shutil.rmtree(folder)
    yield Figure(
        what=f"import CloudTrail, {size.trail_files:,} files of {size.trail_events} events",
        value=events / seconds,
        unit="events/s",
        beside="a bare DuckDB scan",
        floor=events / floor,
        owed="≥ 0.5",
    )
    yield Figure(what="  its memory at most", value=peak, unit="MB", owed="≤ 500 MB")


def aside(work: Callable[[Path], float], path: Path) -> float:
    """Measure in another process: its memory is not ours."""
    with ProcessPoolExecutor(1, get_context("spawn")) as pool:
        return pool.submit(work, path).result()


def go_access(file: Path) -> float:
    """Return the seconds that GoAccess takes for the log."""
    command = ["goaccess", str(file), "--log-format=COMBINED", "--no-progress", "-o", "json"]
    began = time.perf_counter()
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - began


def scan(file: Path) -> float:
    """Return the seconds that DuckDB takes, on all cores."""
    with duckdb.connect() as connection:
        began = time.perf_counter()
        groups = connection.execute(SCAN, {"file": str(file)}).fetchall()
        seconds = time.perf_counter() - began
    assert groups, "DuckDB has read nothing"
    return seconds


def scan_trail(folder: Path) -> float:
    """Return the seconds that DuckDB takes, on all cores."""
    with duckdb.connect() as connection:
        began = time.perf_counter()
        groups = connection.execute(SCAN_TRAIL, {"files": f"{folder}/*.json.gz"}).fetchall()
        seconds = time.perf_counter() - began
    assert groups, "DuckDB has read nothing"
    return seconds


def write_trail(folder: Path, files: int, events: int) -> None:
    """Write gzipped files as AWS delivers them. The same every time."""
    dice = random.Random(4711)
    for number in range(files):
        records = []
        for nth in range(events):
            at = BEGIN + (number * events + nth) * DAY / (files * events)
            key = dice.randrange(KEYS)
            records.append(
                {
                    "eventVersion": "1.08",
                    "userIdentity": {
                        "type": "IAMUser",
                        "principalId": f"AIDA{key:016}",
                        "arn": f"arn:aws:iam::{key:012}:user/sync",
                        "accountId": f"{key:012}",
                        "accessKeyId": f"AKIA{key:016}",
                        "userName": "sync",
                    },
                    "eventTime": f"{at:%Y-%m-%dT%H:%M:%SZ}",
                    "eventSource": "s3.amazonaws.com",
                    "eventName": "GetObject",
                    "awsRegion": "eu-central-1",
                    "sourceIPAddress": f"10.{dice.randrange(2)}.{key >> 8}.{key & 255}",
                    "userAgent": AGENTS[key % len(AGENTS)].format(key % 20),
                    "requestParameters": {"bucketName": "acme", "key": f"orders/{nth}.json"},
                    "responseElements": None,
                    "requestID": f"{dice.getrandbits(64):016X}",
                    "eventID": str(UUID(int=dice.getrandbits(128), version=4)),
                    "readOnly": True,
                    "eventType": "AwsApiCall",
                    "managementEvent": False,
                    "recipientAccountId": f"{key:012}",
                }
            )
        content = json.dumps({"Records": records}, separators=(",", ":")).encode()
        (folder / f"{number:05}.json.gz").write_bytes(gzip.compress(content, 6))


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
