"""Each event counts once: in whatever order, pieces and company its logs come."""

from __future__ import annotations

import gzip
import os
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Engine

from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.db.usage_endpoints import EndpointNumbers
from rollout.adapters.db.usage_events import EventNames
from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.files import LogFile
from rollout.adapters.signatures import load_signatures
from rollout.domain.usage import Caller, Uses
from rollout.domain.usage.endpoints import MOST_ENDPOINTS, NO_ENDPOINT, OTHER, digest_endpoint
from rollout.services.usage import CallerNaming, Tally, UsageImport
from tests.support.database import digests, fresh_database, rows, run
from tests.support.processes import environment, wait_until

# When each thing was done, and in which pieces: all else must be equal.
BOOKKEEPING = {"usage_files", "facts", "facts_unsealed", "seals"}
BEGIN = datetime(2024, 11, 30, tzinfo=UTC)
CALLS = {"1": "GET /{id}", "v1/me": "GET /v1/me"}
AGENTS = ("Zapier", "curl/8.{}", "python-requests/2.{}", "Mozilla/5.0 (X11; rv:{}.0) Gecko")

Take = Callable[..., Tally | None]


def make_lines(many: int, seed: int) -> list[str]:
    """Write a log: busy seconds with equal lines, refusals, several offsets, lines out of order."""
    dice = random.Random(seed)
    lines = []
    for number in range(many):
        at = BEGIN + timedelta(seconds=number // 3 + dice.choice((0, 0, 0, -7200)))
        offset = dice.choice((0, 0, 1, -5))
        local = at + timedelta(hours=offset)
        key, agent = dice.randrange(9), dice.choice(AGENTS).format(dice.randrange(3))
        path = dice.choice(tuple(CALLS))
        lines.append(
            f"10.0.0.{key} - {f'k{key}' if key else '-'} [{local:%d/%b/%Y:%H:%M:%S} {offset:+03}00]"
            f' "GET /{path} HTTP/1.1" {dice.choice((200, 401))} 5 "-" "{agent}"\n'
        )
    return lines


def take_in(engine: Engine, path: Path, feed: str = "web") -> Tally | None:
    log, reader = LogFile(path), FEEDS[LogFormat.COMBINED]
    importing = UsageImport(lambda: SqlUnitOfWork(engine))
    return importing.import_log(log, reader, feed=feed, operator="olga")


@pytest.fixture
def take(engine: Engine) -> Take:
    """Take in an access log."""
    return partial(take_in, engine)


def content(engine: Engine) -> dict[str, str]:
    """Digest all tables, but for the instants at which things were done; all callers are named."""
    CallerNaming(lambda: SqlUnitOfWork(engine), load_signatures).name_all()
    run(engine, "UPDATE feeds SET imported_at = 'epoch'")
    return digests(engine, without=BOOKKEEPING)


def write(path: Path, lines: list[str]) -> Path:
    path.write_text("".join(lines))
    return path


@pytest.fixture
def whole(servers: EmbeddedServers, tmp_path: Path) -> tuple[list[str], dict[str, str]]:
    """A log, and what another database holds that took it in once, as it is."""
    lines = make_lines(6000, seed=1)
    with fresh_database(servers.database_url) as url:
        engine = make_engine(url)
        take_in(engine, write(tmp_path / "whole.log", lines))
        expected = content(engine)
        engine.dispose()
    return lines, expected


def overlapping(lines: list[str], dice: random.Random) -> Iterator[list[str]]:
    """Cut a log into pieces that overlap by more than any two equal lines are apart."""
    start = 0
    while start < len(lines):
        end = start + dice.randrange(900, 2000)
        yield lines[max(0, start - 700) : end]
        start = end


@pytest.mark.parametrize("seed", [2, 3, 4])
def test_overlapping_pieces_in_any_order_and_twice_leave_the_identical_database(
    engine: Engine,
    take: Take,
    whole: tuple[list[str], dict[str, str]],
    tmp_path: Path,
    seed: int,
) -> None:
    lines, expected = whole
    dice = random.Random(seed)
    pieces = [write(tmp_path / f"{n}.log", p) for n, p in enumerate(overlapping(lines, dice))]
    order = [*pieces, *pieces, tmp_path / "whole.log"]
    dice.shuffle(order)

    for path in order:
        take(path)

    assert content(engine) == expected


def test_logs_that_come_together_count_as_they_do_one_after_the_other(
    engine: Engine, whole: tuple[list[str], dict[str, str]], tmp_path: Path
) -> None:
    lines, expected = whole
    dice = random.Random(5)
    pieces = [write(tmp_path / f"{n}.log", p) for n, p in enumerate(overlapping(lines, dice))]
    damaged, odd = tmp_path / "damaged.gz", write(tmp_path / "odd", ["nonsense\n"])
    damaged.write_bytes(gzip.compress("".join(lines).encode())[:-9])
    paths = [*pieces, damaged, odd, *pieces]
    dice.shuffle(paths)
    importing = UsageImport(lambda: SqlUnitOfWork(engine))

    imported = list(
        importing.import_logs(
            map(LogFile, paths), FEEDS[LogFormat.COMBINED], feed="web", operator="olga"
        )
    )

    assert dict(rows(engine, "SELECT endpoint, sum(count) FROM key_endpoints GROUP BY 1")) == {
        endpoint: sum(f"GET /{path} " in line and "k" in line.split()[2] for line in lines)
        for path, endpoint in CALLS.items()
    }
    assert [one.log.name for one in imported] == list(map(str, paths))
    assert [one.log.name for one in imported if one.refused] == [
        str(path) for path in paths if path in {damaged, odd}
    ]
    tallies = [one.tally for one in imported if one.tally]
    assert len(tallies) == len(pieces)
    uses = sum("k" in line.split()[2] for line in lines)
    assert sum(tally.sightings for tally in tallies) == uses
    assert rows(engine, "SELECT count(*) FROM facts WHERE action = 'usage.imported'") == [
        (len(pieces),)
    ]
    assert rows(engine, "SELECT sum(events) FROM usage_files") == [(uses,)]
    assert content(engine) == expected


def test_of_more_endpoints_than_are_kept_apart_the_same_are_kept_in_every_order(
    engine: Engine, take: Take, servers: EmbeddedServers, tmp_path: Path
) -> None:
    dice = random.Random(6)
    words = [a + b + c for a in "bdgkm" for b in "aeiou" for c in "nst"]
    lines = [
        f"10.0.0.1 - k1 [{BEGIN + timedelta(seconds=n):%d/%b/%Y:%H:%M:%S} +0000]"
        f' "GET /{dice.choice(words)} HTTP/1.1" 200 5 "-" "curl"\n'
        for n in range(3000)
    ]
    take(write(tmp_path / "whole", lines))
    pieces = [write(tmp_path / f"{n}", piece) for n, piece in enumerate(overlapping(lines, dice))]
    with fresh_database(servers.database_url) as url:
        other = make_engine(url)
        for path in [*reversed(pieces), *pieces]:
            take_in(other, path)
        expected = content(other)
        other.dispose()

    assert content(engine) == expected
    kept = rows(engine, "SELECT endpoint, count FROM key_endpoints ORDER BY endpoint")
    called = Counter("GET /" + word for word in re.findall(r"GET /(\w+)", "".join(lines)))
    apart = sorted(called)[:MOST_ENDPOINTS]  # all are equally long
    assert dict(kept) == {name: called[name] for name in apart} | {
        OTHER: 3000 - sum(called[name] for name in apart)
    }


def test_a_line_that_two_servers_log_in_one_second_is_two_uses_if_their_feeds_have_names(
    engine: Engine, take: Take, tmp_path: Path
) -> None:
    line = make_lines(2, seed=1)[1]
    one, two = write(tmp_path / "1", [line]), write(tmp_path / "2", [line, "x" + line])

    take(one, "web-1")
    take(two, "web-2")

    assert rows(engine, "SELECT sum(count) FROM sightings") == [(3,)]
    assert rows(engine, "SELECT feed, events FROM feeds ORDER BY feed") == [
        ("web-1", 1),
        ("web-2", 2),
    ]


def test_equal_lines_of_one_log_are_as_many_uses_and_the_next_log_adds_only_what_is_more(
    engine: Engine, take: Take, tmp_path: Path
) -> None:
    line = make_lines(2, seed=1)[1]

    first = take(write(tmp_path / "1", [line] * 3))
    again = take(write(tmp_path / "2", [line] * 2 + ["\n"]))
    more = take(write(tmp_path / "3", [line] * 5))

    tallies = [(t.sightings, t.repeated) for t in (first, again, more) if t]
    assert tallies == [(3, 0), (0, 2), (2, 3)]
    assert rows(engine, "SELECT sum(count) FROM sightings") == [(5,)]


@given(
    batches=st.lists(st.lists(st.integers(0, 5), min_size=1, max_size=30), min_size=1, max_size=12),
    own_ids=st.booleans(),
)
@settings(deadline=None)
def test_names_are_unique_and_as_many_as_there_are_events(
    *, batches: list[list[int]], own_ids: bool
) -> None:
    caller = Caller("k", None, "curl", "10.0.0.1", "", BEGIN, own_ids)
    names, numbers = EventNames(), EndpointNumbers(count(7))
    numbers.add({digest_endpoint(name): name for name in ("GET /", "PUT /")})
    called = np.frombuffer(digest_endpoint("GET /"), ">u8").astype(np.uint64)
    given_names: list[bytes] = []
    for batch in batches:
        each = b"".join((digest * 2).to_bytes(8) + digest_endpoint("GET /") for digest in batch)
        for counted in names.number({caller: Uses(BEGIN, BEGIN, bytearray(each))}, numbers):
            assert counted.count == len(counted.events) // 8
            assert counted.endpoints == numbers.of(called).tobytes() * counted.count
            given_names += [counted.events[n : n + 8] for n in range(0, len(counted.events), 8)]

    everything = [digest for batch in batches for digest in batch]
    assert len(given_names) == len(set(given_names))
    assert len(given_names) == (len(set(everything)) if own_ids else len(everything))


def test_hours_that_are_set_aside_in_files_are_found_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("rollout.adapters.db.usage_events.IN_MEMORY", 10)
    names = EventNames()

    def bring(hour: int) -> bytes:
        at = BEGIN + timedelta(hours=hour)
        each = b"".join((2 * n).to_bytes(8) + NO_ENDPOINT for n in range(6))
        caller = Caller("k", None, "curl", "10.0.0.1", "", at, own_ids=False)
        (counted,) = names.number(
            {caller: Uses(at, at, bytearray(each))}, EndpointNumbers(count(1))
        )
        return counted.events

    brought = [bring(hour) for hour in (0, 1, 2, 0, 1, 2)]

    assert len(names._aside) == 2
    assert all(one != again for one, again in zip(brought[:3], brought[3:], strict=True))


def has_taken_in(engine: Engine, files: int) -> bool:
    return bool(rows(engine, "SELECT count(*) >= :files FROM usage_files", files=files)[0][0])


@pytest.mark.fault
def test_an_import_that_is_killed_leaves_nothing_and_is_done_again_as_if_it_had_not_been(
    servers: EmbeddedServers,
    engine: Engine,
    take: Take,
    whole: tuple[list[str], dict[str, str]],
    database_url: str,
    tmp_path: Path,
) -> None:
    lines, expected = whole
    folder = tmp_path / "logs"
    folder.mkdir()
    (tmp_path / "whole.log").rename(folder / "9.log")
    for number, piece in enumerate(overlapping(lines, random.Random(5))):
        # hostile enough for the patient reader, so that a kill finds it at work
        padding = [f"nonsense {n}\n" for n in range(60_000)]
        (folder / f"{number}.log.gz").write_bytes(
            gzip.compress("".join([*piece, *padding]).encode(), 1)
        )
    command = [sys.executable, "-m", "rollout", "import", "usage", "--format", "combined"]
    settings_ = environment(
        {
            "ROLLOUT_DATABASE_URL": database_url,
            "ROLLOUT_REDIS_URL": servers.redis_url,
            "ROLLOUT_DATA_DIR": str(tmp_path / "data"),
        }
    )
    arguments: dict[str, Any] = {"env": os.environ | settings_, "stdout": subprocess.DEVNULL}

    for done in (1, 2):
        with subprocess.Popen([*command, "--feed", "web", str(folder)], **arguments) as child:
            wait_until(partial(has_taken_in, engine, done), 60)
            child.kill()
    subprocess.run([*command, "--feed", "web", str(folder)], check=True, **arguments)

    assert content(engine) == expected
