"""Import rates: ``rollout import`` of 400,000 rows, beside a bare COPY of the same files.

Owed (issue 2): 100,000 accounts with two contacts and one key each in under 60 s and 500 MB.
"""

from __future__ import annotations

import csv
import time
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import psycopg
from sqlalchemy import Engine

from bench.figures import Figure
from bench.servers import Servers, rollout
from bench.size import Size

ZONES = ("Europe/Berlin", "America/New_York", "Asia/Tokyo", "UTC")
LOCALES = ("de", "en-US", "ja", "en")


def measure(servers: Servers, size: Size) -> Iterator[Figure]:
    """Import each file, then each again, which must change nothing."""
    files = list(make_files(servers.directory, size.accounts))
    total = most = 0.0
    with servers.database("imports") as engine:
        for again in ("", " again"):
            for file in files:
                rows, floor = bare_copy(file, engine)
                seconds, peak = rollout(servers, engine, "import", file.stem, str(file))
                most = max(most, peak)
                total += 0 if again else seconds
                yield Figure(
                    what=f"import {file.stem}{again}, {rows:,} rows",
                    value=rows / seconds,
                    unit="rows/s",
                    beside="a bare COPY",
                    floor=rows / floor,
                )
    yield Figure(what="  all three together, once", value=total, unit="s", owed="≤ 60 s")
    yield Figure(what="  their memory at most", value=most, unit="MB", owed="≤ 500 MB")


def make_files(directory: Path, accounts: int) -> Iterator[Path]:
    """Write accounts.csv, contacts.csv and keys.csv."""
    numbers = range(accounts)
    yield _write(
        directory / "accounts.csv",
        "account_id,name,timezone,locale,tier",
        (
            (f"acc-{n:06}", f"Company {n}, Inc.", ZONES[n % 4], LOCALES[n % 4], "pro")
            for n in numbers
        ),
    )
    yield _write(
        directory / "contacts.csv",
        "account_id,email,name,role",
        (
            (f"acc-{n:06}", f"{role}{n}@company{n}.example", f"Person {n}", role)
            for n in numbers
            for role in ("owner", "developer")
        ),
    )
    yield _write(
        directory / "keys.csv",
        "key_id,account_id,kind,label,created_at,secret",
        (
            (f"key-{n:08x}", f"acc-{n:06}", "rest", "sync", "2019-03-04", f"secret-{n:032x}")
            for n in numbers
        ),
    )


def bare_copy(file: Path, engine: Engine) -> tuple[int, float]:
    """Return the rows of a file, and the seconds of a COPY of it into a table of text."""
    connection = engine.raw_connection()
    driver = cast("psycopg.Connection[Any]", connection.driver_connection)
    with closing(connection), file.open("rb") as stream, driver.cursor() as cursor:
        columns = stream.readline().decode().strip().replace(",", " text, ")
        cursor.execute(f"CREATE TEMPORARY TABLE bare ({columns} text)".encode())
        began = time.perf_counter()
        with cursor.copy("COPY bare FROM STDIN (FORMAT csv)") as copy:
            while chunk := stream.read(1 << 16):
                copy.write(chunk)
        return cursor.rowcount, time.perf_counter() - began


def _write(path: Path, header: str, rows: Iterable[tuple[str, ...]]) -> Path:
    with path.open("w", encoding="utf-8", newline="") as stream:
        stream.write(header + "\n")
        csv.writer(stream).writerows(rows)
    return path
