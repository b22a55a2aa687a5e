"""What gateways saw counts once: whatever is repeated, emptied, poisoned or killed on the way."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.domain.errors import Unavailable
from rollout.services.ports import StreamEntry
from rollout.services.usage.collecting import ENTRIES, REMEMBERED, UsageCollector
from rollout.testing import FakeUsageStream
from tests.support.database import rows, set_clock
from tests.support.sums import AT, use_batch, use_sum

Start = Callable[[], SqlUnitOfWork]

TOTALS = "SELECT key_id, count, refused FROM key_usage ORDER BY key_id"


class Forgetful(FakeUsageStream):
    """Whoever reads it is killed before it can forget."""

    def forget(self, _names: Sequence[str]) -> None:
        raise Unavailable("killed")


@pytest.fixture
def stream() -> FakeUsageStream:
    return FakeUsageStream()


@pytest.fixture
def collector(start: Start, stream: FakeUsageStream) -> UsageCollector:
    return UsageCollector(start, stream)


@pytest.fixture(autouse=True)
def clock(engine: Engine) -> None:
    set_clock(engine, AT + timedelta(minutes=1))


def totals(engine: Engine) -> list[tuple[Any, ...]]:
    return rows(engine, TOTALS)


def test_uses_are_counted_by_key_source_and_hour_and_refused_ones_apart(
    engine: Engine, stream: FakeUsageStream, collector: UsageCollector
) -> None:
    later = {"first_at": AT + timedelta(hours=1), "last_at": AT + timedelta(hours=1)}
    stream.put(use_batch(1, use_sum(), use_sum(uses=2, refused=True), use_sum("k2", uses=1)))
    stream.put(use_batch(1, use_sum(user_agent="Zapier/2.0", **later), gateway="g2"))
    done = collector.collect()

    assert (done.entries, done.uses, done.repeated) == (2, 9, 0)
    assert totals(engine) == [("k1", 8, 2), ("k2", 1, 0)]
    assert rows(
        engine,
        "SELECT key_id, user_agent, network, hour, count, refused, first_at, last_at"
        " FROM sightings JOIN sources USING (source_id) ORDER BY key_id, hour",
    ) == [
        ("k1", "Zapier", "192.0.2.7", at.replace(minute=0), count, refused, at, last)
        for at, last, count, refused in (
            (AT, AT + timedelta(seconds=1), 5, 2),
            (AT + timedelta(hours=1), AT + timedelta(hours=1), 3, 0),
        )
    ] + [("k2", "Zapier", "192.0.2.7", AT.replace(minute=0), 1, 0, AT, AT + timedelta(seconds=1))]
    assert rows(engine, "SELECT named_account FROM key_usage") == [("acme",), ("acme",)]
    assert rows(engine, "SELECT feed, events, newest_event FROM feeds") == [
        ("gateway", 9, AT + timedelta(hours=1))
    ]
    assert stream.read(10) == []


def test_what_gateways_saw_called_is_counted_by_key_and_day(
    engine: Engine, stream: FakeUsageStream, collector: UsageCollector
) -> None:
    users = use_sum(endpoint="GET /v1/users")
    later = {"first_at": AT + timedelta(hours=1), "last_at": AT + timedelta(hours=1)}
    stream.put(use_batch(1, users, users._replace(**later), use_sum("k2", endpoint="GET /v1")))
    stream.put(use_batch(2, use_sum(), users._replace(refused=True, uses=1)))
    collector.collect()
    stream.put(use_batch(3, users))
    collector.collect()

    assert rows(engine, "SELECT * FROM key_endpoints ORDER BY key_id") == [
        ("k1", AT.date(), "GET /v1/users", 10),
        ("k2", AT.date(), "GET /v1", 3),
    ]


def test_nothing_is_done_where_nothing_came(engine: Engine, collector: UsageCollector) -> None:
    assert collector.collect().entries == 0
    assert rows(engine, "SELECT 1 FROM feeds") == []


def test_sums_of_one_source_in_several_batches_add_up(
    engine: Engine, stream: FakeUsageStream, collector: UsageCollector
) -> None:
    for number in range(1, 4):
        stream.put(use_batch(number))
        assert collector.collect().uses == 3
    assert totals(engine) == [("k1", 9, 0)]


def test_a_batch_that_was_sent_twice_counts_once(
    engine: Engine, stream: FakeUsageStream, collector: UsageCollector
) -> None:
    stream.put(use_batch(1))
    stream.put(use_batch(1))
    stream.put(use_batch(1, gateway="g2"))
    done = collector.collect()

    assert (done.uses, done.repeated) == (6, 1)
    stream.put(use_batch(1))
    assert (collector.collect().repeated, totals(engine)) == (1, [("k1", 6, 0)])


def test_a_collector_that_is_killed_after_its_commit_has_counted_once(
    engine: Engine, start: Start
) -> None:
    stream = Forgetful()
    stream.put(use_batch(1))
    for number in (2, 3):
        with pytest.raises(Unavailable):
            UsageCollector(start, stream).collect()
        stream.put(use_batch(number))
    with pytest.raises(Unavailable):
        UsageCollector(start, stream).collect()

    assert totals(engine) == [("k1", 9, 0)]


def test_a_collector_that_is_killed_before_its_commit_has_counted_nothing(
    engine: Engine, stream: FakeUsageStream, collector: UsageCollector
) -> None:
    stream.put(use_batch(1))
    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE key_usage ADD CHECK (count < 3)")
    with pytest.raises(Exception, match="violates check constraint"):
        collector.collect()
    assert (totals(engine), len(stream.read(10))) == ([], 1)

    with engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE key_usage DROP CONSTRAINT key_usage_count_check")
    collector.collect()
    assert totals(engine) == [("k1", 3, 0)]


def test_a_stream_that_was_emptied_on_the_way_loses_only_what_was_in_it(
    engine: Engine, stream: FakeUsageStream, collector: UsageCollector
) -> None:
    stream.put(use_batch(1))
    collector.collect()
    stream.put(use_batch(2))
    stream.empty()
    assert collector.collect().entries == 0
    stream.put(use_batch(3))
    done = collector.collect()

    assert (done.uses, done.missing) == (3, 1)
    assert totals(engine) == [("k1", 6, 0)]


def test_a_stream_that_came_back_with_old_entries_counts_none_of_them_again(
    engine: Engine, stream: FakeUsageStream, collector: UsageCollector
) -> None:
    for number in (1, 2):
        stream.put(use_batch(number))
    collector.collect()
    stream.empty()
    for number in (1, 2, 3):
        stream.put(use_batch(number))
    done = collector.collect()

    assert (done.uses, done.repeated, done.missing) == (3, 2, 0)
    assert totals(engine) == [("k1", 9, 0)]


def test_an_entry_that_cannot_be_read_is_named_and_does_not_stop_the_others(
    engine: Engine, stream: FakeUsageStream, collector: UsageCollector
) -> None:
    stream.put(use_batch(1))
    stream.put(None, "it holds no batch")
    stream.put(use_batch(2, dropped=40))
    done = collector.collect()

    assert done.unreadable == ["2-0: it holds no batch"]
    assert (done.uses, done.missing, done.dropped) == (6, 0, 40)
    assert (totals(engine), stream.read(10)) == ([("k1", 6, 0)], [])


def test_a_gateway_with_a_clock_ahead_proves_no_use(
    engine: Engine, stream: FakeUsageStream, collector: UsageCollector
) -> None:
    ahead = AT + timedelta(days=3)
    stream.put(use_batch(1, use_sum(), use_sum("k2", first_at=ahead, last_at=ahead)))
    done = collector.collect()

    assert (done.uses, done.ahead) == (3, 1)
    assert totals(engine) == [("k1", 3, 0)]
    assert rows(engine, "SELECT feed, key_id, at FROM usage_ahead") == [("gateway", "k2", ahead)]


def test_more_than_one_piece_of_work_is_done_in_several(
    engine: Engine, stream: FakeUsageStream, collector: UsageCollector
) -> None:
    for number in range(1, ENTRIES + 6):
        stream.put(use_batch(number, use_sum(uses=1)))

    assert [collector.collect().entries for _ in range(3)] == [ENTRIES, 5, 0]
    assert totals(engine) == [("k1", ENTRIES + 5, 0)]


def test_gateways_that_ended_long_ago_are_not_remembered(
    engine: Engine, stream: FakeUsageStream, collector: UsageCollector
) -> None:
    stream.put(use_batch(1, gateway="old"))
    collector.collect()
    set_clock(engine, AT + REMEMBERED + timedelta(hours=1))
    stream.put(use_batch(1, gateway="new"))
    collector.collect()
    ((position,),) = rows(engine, "SELECT position FROM usage_cursors WHERE name = 'gateway'")

    assert "new" in position
    assert "old" not in position


class Gate(FakeUsageStream):
    """Lets the first reader wait while it holds what it has read."""

    def __init__(self) -> None:
        super().__init__()
        self.inside, self.go_on = threading.Event(), threading.Event()

    def read(self, limit: int) -> Sequence[StreamEntry]:
        entries = super().read(limit)
        if not self.inside.is_set():
            self.inside.set()
            assert self.go_on.wait(30)
        return entries


@pytest.fixture
def gate() -> Iterator[Gate]:
    gate = Gate()
    yield gate
    gate.go_on.set()


@pytest.mark.fault
def test_two_collectors_at_once_count_once(engine: Engine, start: Start, gate: Gate) -> None:
    for number in range(1, 4):
        gate.put(use_batch(number))
    found: list[int] = []

    def collect() -> None:
        found.append(UsageCollector(start, gate).collect().uses)

    threads = [threading.Thread(target=collect) for _ in range(2)]
    threads[0].start()
    assert gate.inside.wait(30)
    threads[1].start()
    threads[1].join(0.5)
    assert threads[1].is_alive()  # it waits for the first
    gate.go_on.set()
    for thread in threads:
        thread.join(30)

    assert sorted(found) == [0, 9]
    assert totals(engine) == [("k1", 9, 0)]
