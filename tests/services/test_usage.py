"""Logs become exact counts: whatever their order, however often, and whole or not at all."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, text

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.files import LogFile
from rollout.domain.errors import BadInput, BadRows
from rollout.domain.usage import Usage
from rollout.services.ports.usage_questions import KeyFilter
from rollout.services.usage import Discovery, Tally, UsageImport, UsageService
from rollout.services.usage.counting import count_log
from rollout.services.usage.questions import KeyUse, UsageQuestions
from tests.support.database import set_clock

CLOUDTRAIL, COMBINED = LogFormat.CLOUDTRAIL, LogFormat.COMBINED
NOW = datetime(2024, 12, 1, tzinfo=UTC)

# Everything that an import writes, except when it did.
CONTENT = """
SELECT 'key', key_id, count, refused, first_seen, last_seen, named_account FROM key_usage
UNION ALL
SELECT 'sighting', key_id || encode(source_id, 'hex') || hour, count, refused, first_at, last_at, ''
FROM sightings
UNION ALL
SELECT 'source', user_agent || network || example, 0, 0, NULL, NULL, encode(source_id, 'hex')
FROM sources
UNION ALL
SELECT 'seen', scope || hour || encode(events, 'hex'), 0, 0, NULL, NULL, '' FROM usage_seen
UNION ALL
SELECT 'feed', feed, events, 0, first_event, newest_event, '' FROM feeds
UNION ALL
SELECT 'registered', key_id, 0, 0, NULL, NULL, account_id FROM keys
ORDER BY 1, 2
"""

TABLES = ["sightings", "sources", "key_usage", "usage_seen", "usage_files", "feeds", "keys"]

Import = Callable[..., Tally | None]
Keys = Callable[..., Iterator[KeyUse]]


@pytest.fixture
def usage(start: Callable[[], SqlUnitOfWork], engine: Engine) -> UsageService:
    set_clock(engine, NOW)
    return UsageService(start)


@pytest.fixture
def keys(start: Callable[[], SqlUnitOfWork], engine: Engine) -> Keys:
    """Read what is known of keys."""
    set_clock(engine, NOW)
    return UsageQuestions(start).keys


@pytest.fixture
def importing(start: Callable[[], SqlUnitOfWork], engine: Engine) -> UsageImport:
    set_clock(engine, NOW)
    return UsageImport(start)


@pytest.fixture
def take(importing: UsageImport) -> Import:
    """Take in a log file."""

    def take_in(path: Path, log_format: LogFormat = CLOUDTRAIL, feed: str = "trail") -> Any:
        return importing.import_log(LogFile(path), FEEDS[log_format], feed=feed, operator="olga")

    return take_in


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Write a CloudTrail log with one event for each (key, event id, minute, account)."""

    def write_log(name: str, *uses: tuple[str, str, int, str]) -> Path:
        path = tmp_path / name
        path.write_text(
            json.dumps(
                [
                    {
                        "eventID": event_id,
                        "eventTime": (NOW - timedelta(hours=1) + timedelta(minutes=m)).isoformat(),
                        "userAgent": "Zapier",
                        "sourceIPAddress": "10.0.0.1",
                        "userIdentity": {"accessKeyId": key, "accountId": account},
                    }
                    for key, event_id, m, account in uses
                ]
            )
        )
        return path

    return write_log


def read(engine: Engine, query: str) -> list[tuple[Any, ...]]:
    with engine.connect() as connection:
        return [tuple(row) for row in connection.execute(text(query))]


def stratus(shared_data: Path) -> list[Path]:
    return sorted((shared_data / "cloudtrail-stratus").glob("*.json"))


def discover(usage: UsageService) -> Discovery:
    return usage.discover(feed="trail", operator="olga")


# The real CloudTrail log


def test_the_stratus_log_gives_each_key_its_account_counts_and_times(
    shared_data: Path, keys: Keys, usage: UsageService, take: Import
) -> None:
    truth = json.loads((shared_data / "truth.json").read_text())["cloudtrail-stratus"]["keys"]

    total = Tally()
    for path in stratus(shared_data):
        total.add(take(path) or Tally())
    discover(usage)

    def known(at: datetime | None) -> str:
        return at.strftime("%Y-%m-%dT%H:%M:%SZ") if at else ""

    assert {
        key.row.key_id: (
            key.row.account_id,
            key.row.count,
            key.row.refused,
            known(key.row.first_seen),
            known(key.row.history.last_seen),
        )
        for key in keys()
    } == {
        key_id: (key["account"], key["events"], key["errors"], key["first"], key["last"])
        for key_id, key in truth.items()
    }
    assert len(truth) == 40
    assert (total.records, total.sightings, total.keyless) == (310, 309, 1)
    assert (total.repeated, total.unreadable) == (0, 0)
    assert (total.addresses, total.user_agents) == (35, 35)
    assert (known(total.first), known(total.last)) == (
        "2024-07-30T21:31:10Z",
        "2024-11-30T08:43:18Z",
    )


def test_events_with_addresses_that_are_none_are_kept(
    shared_data: Path, engine: Engine, take: Import
) -> None:
    truth = json.loads((shared_data / "truth.json").read_text())["cloudtrail-stratus"]
    for path in stratus(shared_data):
        take(path)

    counts = dict(
        read(engine, "SELECT network, sum(count) FROM sightings JOIN sources USING (source_id)"
             " GROUP BY network")
    )  # fmt: skip

    malformed = truth["malformed_ips"]
    assert malformed.pop("225.01.00.16") == 1  # the event that no key signed
    assert {ip: counts[ip] for ip in malformed} == malformed


@pytest.mark.parametrize(
    ("now", "used", "older"),
    [("2024-12-01T00:00:00+00:00", 1, 31), ("2024-08-31T00:00:00+00:00", 20, 11)],
)
def test_use_within_30_days_is_judged_by_the_databases_clock(
    shared_data: Path,
    engine: Engine,
    keys: Keys,
    usage: UsageService,
    take: Import,
    now: str,
    used: int,
    older: int,
) -> None:
    set_clock(engine, datetime.fromisoformat(now))
    for path in stratus(shared_data):
        try:
            take(path)
        except BadRows:  # all of it is in the future
            assert now < "2024-12"
    discover(usage)

    judged = [key.judged.usage for key in keys() if key.row.key_id.startswith("AKIA")]

    assert judged.count(Usage.IN_USE) == used
    assert len(judged) - judged.count(Usage.IN_USE) == older


def test_the_stratus_sources_are_two_programs(
    start: Callable[[], SqlUnitOfWork], shared_data: Path, usage: UsageService, take: Import
) -> None:
    for path in stratus(shared_data):
        take(path)
    discover(usage)

    first, second = UsageQuestions(start).sources().rows

    assert first.source == "stratus-red-team"
    assert first.user_agent.startswith("stratus-red-team_")
    # without the one event that no key signed: 34 accounts and 308 events in all
    assert (first.accounts, first.keys, first.networks, first.count) == (33, 38, 33, 307)
    assert second.source.startswith("aws-sdk-go-v2 os/linux")
    assert (second.accounts, second.keys, second.networks, second.count) == (1, 2, 1, 2)


def test_the_order_of_files_leaves_no_trace_and_a_second_import_changes_nothing(
    shared_data: Path, engine: Engine, usage: UsageService, take: Import
) -> None:
    files = stratus(shared_data)
    for path in files:
        take(path)
    discover(usage)
    forwards = read(engine, CONTENT)
    facts = read(engine, "SELECT count(*) FROM facts")

    random.Random(7).shuffle(files)
    assert [take(path) for path in files] == [None] * 35
    assert discover(usage) == Discovery(accounts=0, keys=0)
    assert read(engine, CONTENT) == forwards
    assert read(engine, "SELECT count(*) FROM facts") == facts

    with engine.begin() as connection:
        for table in TABLES:
            connection.execute(text(f"DELETE FROM {table}"))
    for path in files:
        take(path)
    discover(usage)
    assert read(engine, CONTENT) == forwards


def test_repeats_among_the_fixtures_count_once_and_shared_event_ids_lose_nothing(
    shared_data: Path, engine: Engine, take: Import
) -> None:
    set_clock(engine, datetime(2026, 1, 1, tzinfo=UTC))
    tally = take(shared_data / "cloudtrail-fixtures/cloudtrail.jsonl.gz")

    assert tally is not None
    assert (tally.records, tally.keyless, tally.unreadable) == (463, 108, 0)
    assert (tally.sightings, tally.repeated) == (338, 17)
    assert read(engine, "SELECT count(*), sum(count) FROM key_usage") == [(49, 338)]


def test_ten_thousand_keyless_requests_are_accounted_for(
    shared_data: Path, engine: Engine, take: Import
) -> None:
    tally = take(shared_data / "access-elastic/access.log.gz", COMBINED)

    assert tally is not None
    assert (tally.records, tally.keyless) == (10_000, 10_000)
    assert (tally.addresses, tally.user_agents) == (1753, 559)
    assert tally.first == datetime(2015, 5, 17, 10, 5, tzinfo=UTC)
    assert tally.last == datetime(2015, 5, 20, 21, 5, 59, tzinfo=UTC)
    assert read(engine, "SELECT events, keyless FROM usage_files") == [(0, 10_000)]
    assert read(engine, "SELECT newest_event FROM feeds") == [(None,)]


# Whole or not at all, and once


def test_an_event_counts_once_in_whichever_files_it_comes(
    engine: Engine, take: Import, write: Callable[..., Path]
) -> None:
    one = take(write("1", ("k", "a", 1, "acme"), ("k", "a", 1, "acme"), ("k", "b", 2, "acme")))
    two = take(write("2", ("k", "b", 2, "acme"), ("k", "c", 3, "acme")))

    assert one is not None
    assert two is not None
    assert (one.sightings, one.repeated) == (2, 1)
    assert (two.sightings, two.repeated) == (1, 1)
    assert read(engine, "SELECT count FROM key_usage") == [(3,)]
    assert read(engine, "SELECT events FROM feeds") == [(3,)]


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_uses_in_several_files_add_up_exactly_in_any_order(
    engine: Engine, take: Import, tmp_path: Path, order: tuple[int, ...]
) -> None:
    line = '10.0.0.1 - k [30/Nov/2024:10:{}:00 +0000] "GET / HTTP/1.1" {} 5 "-" "app/1.{}"\n'
    for number in order:
        path = tmp_path / f"{number}"
        path.write_text(line.format(10 + number, 401 if number else 200, number))
        take(path, COMBINED)

    first, last = (datetime(2024, 11, 30, 10, minute, tzinfo=UTC) for minute in (10, 12))
    assert read(engine, "SELECT count, refused, first_seen, last_seen FROM key_usage") == [
        (3, 2, first, last)
    ]
    assert read(engine, "SELECT count, refused, first_at, last_at, hour FROM sightings") == [
        (3, 2, first, last, first.replace(minute=0))
    ]
    assert read(engine, "SELECT events, first_event, newest_event FROM feeds") == [(3, first, last)]
    assert read(engine, "SELECT user_agent, example FROM sources") == [("app", "app/1.0")]


def test_a_log_that_is_known_touches_no_row(
    engine: Engine, take: Import, write: Callable[..., Path]
) -> None:
    path = write("1", ("k", "", 1, "acme"))
    take(path)
    take(path)

    for table in ("key_usage", "sightings"):
        assert read(engine, f"SELECT xmax::text FROM {table}") == [("0",)]


def test_the_same_log_at_once_counts_once(engine: Engine, take: Import, tmp_path: Path) -> None:
    path = tmp_path / "log"
    line = '10.0.0.1 - k{} [30/Nov/2024:10:10:00 +0000] "GET / HTTP/1.1" 200 5\n'
    path.write_text("".join(line.format(n) for n in range(2000)))

    with ThreadPoolExecutor(4) as pool:
        tallies = list(pool.map(lambda _: take(path, COMBINED), range(4)))

    assert sum(tally is not None for tally in tallies) == 1
    assert read(engine, "SELECT count(*), sum(count) FROM key_usage") == [(2000, 2000)]


def test_the_same_content_under_another_name_or_packed_is_known(
    engine: Engine, take: Import, write: Callable[..., Path], tmp_path: Path
) -> None:
    path = write("1", ("k", "", 1, "acme"))
    packed = tmp_path / "2.gz"
    packed.write_bytes(gzip.compress(path.read_bytes()))

    assert take(path) is not None
    assert take(packed, feed="elsewhere") is None
    assert read(engine, "SELECT count FROM key_usage") == [(1,)]
    assert read(engine, "SELECT feed FROM feeds") == [("trail",)]


def test_bytes_that_somebody_else_takes_in_meanwhile_do_not_count_again_under_another_feed(
    engine: Engine,
    take: Import,
    start: Callable[[], SqlUnitOfWork],
    write: Callable[..., Path],
) -> None:
    path = write("1", ("k", "", 1, "acme"))
    log = LogFile(path)
    (counts,) = count_log(FEEDS[LogFormat.CLOUDTRAIL], log, datetime(2027, 1, 1, tzinfo=UTC))

    with start() as uow:
        with uow.usage.staging() as staged:
            staged.add(counts)
            assert staged.keep_as(log.digest())
        assert take(path, feed="elsewhere") is not None
        (merged,) = uow.usage.merge("trail")
        uow.commit()

    assert (merged.late, merged.counted) == (True, 0)
    assert read(engine, "SELECT count FROM key_usage") == [(1,)]


def test_nothing_is_kept_of_a_truncated_gzip(engine: Engine, take: Import, tmp_path: Path) -> None:
    line = b'10.0.0.1 - k%d [17/May/2015:10:05:14 +0000] "GET / HTTP/1.1" 200 5\n'
    path = tmp_path / "cut.gz"
    path.write_bytes(gzip.compress(b"".join(line % n for n in range(250_000)))[:-9])

    with pytest.raises(BadInput, match=r"cut\.gz: the gzip data is cut off"):
        take(path, COMBINED)

    assert read(engine, CONTENT) == []
    assert read(engine, "SELECT * FROM facts") == []


def test_a_log_of_another_format_is_refused_and_can_be_imported_rightly_afterwards(
    engine: Engine, take: Import, write: Callable[..., Path]
) -> None:
    path = write("1", ("k", "a", 1, "acme"))

    with pytest.raises(BadRows, match="none of its 1 records can be read as combined") as refused:
        take(path, COMBINED)

    assert "line 1: not an access log line" in refused.value.rows[0]
    assert read(engine, CONTENT) == []
    assert take(path) is not None


def test_a_use_in_the_future_is_set_aside_where_it_is_seen_and_proves_nothing(
    engine: Engine, usage: UsageService, take: Import, write: Callable[..., Path]
) -> None:
    day = 24 * 60
    uses = ("k", "a", 60 + day, "acme"), ("k", "b", 61 + day, "acme")
    for name in ("1", "2"):
        tally = take(write(name, *uses, ("k", name, 0, "acme")))

    assert tally is not None
    assert (tally.sightings, tally.ahead, tally.unreadable) == (1, 1, 0)
    assert read(engine, "SELECT newest_event FROM feeds") == [(NOW + timedelta(days=1),)]
    (aside,) = usage.ahead()
    assert (aside.feed, aside.key_id, aside.at) == (
        "trail",
        "k",
        NOW + timedelta(days=1, minutes=1),
    )


def test_hostile_text_is_kept_or_refused_but_never_breaks_an_import(
    engine: Engine, take: Import, write: Callable[..., Path]
) -> None:
    long, nul, half = "k" * 256, "a\0\x1b[31m", "\ud800"

    tally = take(write("1", (long, "a", 1, "x"), (nul, "b", 2, half), ("k", "c", 3, "x" * 256)))

    assert tally is not None
    assert (tally.sightings, tally.unreadable) == (1, 2)
    assert all(example.isprintable() for example in tally.examples)
    assert read(engine, "SELECT key_id, named_account FROM key_usage") == [("a\ufffd\x1b[31m", "?")]


def test_imports_at_once_add_up_and_never_block_each_other_for_good(
    engine: Engine, take: Import, write: Callable[..., Path]
) -> None:
    keys = [f"k{n:04}" for n in range(1000)]
    paths = []
    for number in range(4):
        random.Random(number).shuffle(keys)
        events = ((key, f"{number if key < 'k0500' else 0}-{key}", 1, "acme") for key in keys)
        paths.append(write(f"{number}", *events))

    with ThreadPoolExecutor(4) as pool:
        tallies = list(pool.map(take, [*paths, *paths]))

    assert sum(tally is None for tally in tallies) == 4
    assert sum(tally.sightings for tally in tallies if tally) == 4 * 500 + 500
    assert read(engine, "SELECT count, count(*) FROM key_usage GROUP BY 1 ORDER BY 1") == [
        (1, 500),
        (4, 500),
    ]


def test_a_merge_waits_for_another_one_as_long_as_that_takes(
    start: Callable[[], SqlUnitOfWork],
) -> None:
    with start() as uow:
        with uow.usage.staging():
            pass
        uow.usage.merge("trail")

        assert uow._connection.execute(text("SHOW lock_timeout")).scalar_one() == "0"


def test_the_fact_of_an_import_tells_what_became_of_the_log(
    engine: Engine, usage: UsageService, take: Import, write: Callable[..., Path]
) -> None:
    path = write("1", ("k", "a", 1, "acme"), ("", "b", 1, "acme"))
    take(path)
    discover(usage)

    imported, discovered = read(
        engine, "SELECT actor, action, subject, data FROM facts ORDER BY seq"
    )

    assert imported[:3] == ("olga", "usage.imported", "feed:trail")
    assert imported[3].pop("sha256")
    assert imported[3] == {
        "file": str(path),
        "records": 2,
        "sightings": 1,
        "repeated": 0,
        "last_uses": 0,
        "ahead": 0,
        "keyless": 1,
        "unreadable": 0,
    }
    assert discovered == (
        "olga",
        "inventory.discovered",
        "feed:trail",
        {"accounts": 1, "keys": 1},
    )


# Keys that nobody registered


def register(engine: Engine, *key_ids: str) -> None:
    with engine.begin() as connection:
        connection.execute(
            text("INSERT INTO accounts (account_id, name, timezone, locale, tier)"
                 " VALUES ('other', 'Other', 'UTC', 'en', '') ON CONFLICT DO NOTHING")
        )  # fmt: skip
        for key_id in key_ids:
            connection.execute(
                text("INSERT INTO keys (key_id, account_id, kind, label, hint)"
                     " VALUES (:key_id, 'other', 'ios', '', '')"),
                {"key_id": key_id},
            )  # fmt: skip


def ids(keys: Iterable[Any]) -> list[str]:
    return [key.row.key_id for key in keys]


def test_an_unknown_key_is_kept_aside_until_it_is_registered_and_then_counts_at_once(
    engine: Engine,
    keys: Keys,
    usage: UsageService,
    take: Import,
    write: Callable[..., Path],
) -> None:
    take(write("1", ("k1", "a", 1, "acme"), ("k2", "b", 1, "acme")))

    assert usage.unknown_keys(1) == (2, ["k1"])
    assert ids(keys()) == []
    assert ids(keys(KeyFilter(registered=False))) == ["k1", "k2"]

    register(engine, "k2")

    assert usage.unknown_keys(5) == (1, ["k1"])
    (key,) = keys()
    assert (key.row.key_id, key.row.count, key.judged.usage) == ("k2", 1, Usage.IN_USE)


def test_discovery_adopts_keys_of_logs_that_were_taken_in_before(
    engine: Engine, usage: UsageService, take: Import, write: Callable[..., Path]
) -> None:
    path = write("1", ("key-1", "a", 1, "acme"), ("key-2", "b", 1, "acme"))
    take(path)
    register(engine, "key-2")

    assert take(path) is None
    assert discover(usage) == Discovery(accounts=1, keys=1)
    assert read(
        engine, "SELECT account_id, kind, status, hint, discovered FROM keys ORDER BY key_id"
    ) == [("acme", "rest", "active", "…ey-1", True), ("other", "ios", "active", "", False)]
    assert read(engine, "SELECT name, timezone, locale, tier FROM accounts WHERE discovered") == [
        ("acme", "UTC", "en", "")
    ]


@pytest.mark.parametrize("accounts", [("acme", "zeta"), ("zeta", "acme"), ("", "")])
def test_a_key_without_one_account_that_logs_agree_on_stays_aside(
    keys: Keys,
    usage: UsageService,
    take: Import,
    write: Callable[..., Path],
    accounts: tuple[str, str],
) -> None:
    for number, account in enumerate((*accounts, accounts[0])):
        take(write(f"{number}", ("k", f"{number}", 1, account)))

    assert discover(usage) == Discovery(accounts=0, keys=0)
    (key,) = keys(KeyFilter(registered=False))
    assert key.row.account_id is None


def test_a_log_that_names_no_account_does_not_unname_it(
    usage: UsageService, take: Import, write: Callable[..., Path]
) -> None:
    for number, account in enumerate(("", "acme", "")):
        take(write(f"{number}", ("k", f"{number}", 1, account)))

    assert discover(usage) == Discovery(accounts=1, keys=1)


def test_a_silent_key_is_unused_while_a_feed_listens_and_unknown_when_it_stops(
    engine: Engine, keys: Keys, take: Import, write: Callable[..., Path]
) -> None:
    register(engine, "silent", "used")
    assert {key.judged.usage for key in keys()} == {Usage.UNKNOWN}

    day = 24 * 60
    take(write("1", *(("used", f"{n}", 60 - n * day, "acme") for n in range(32))))
    assert {key.row.key_id: key.judged.usage for key in keys()} == {
        "silent": Usage.UNUSED,
        "used": Usage.IN_USE,
    }

    set_clock(engine, NOW + timedelta(days=2, seconds=1))
    assert {key.row.key_id: key.judged.usage for key in keys()} == {
        "silent": Usage.UNKNOWN,
        "used": Usage.IN_USE,
    }
