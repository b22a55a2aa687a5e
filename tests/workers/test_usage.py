"""The sweep that counts what gateways saw, on a real Valkey and with workers that are killed."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import redis
from structlog.testing import capture_logs

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.adapters.usage_stream import STREAM, ValkeyUsageSink
from rollout.bootstrap import Rollout
from rollout.services.ports import UseBatch
from tests.support.database import rows, set_clock
from tests.support.processes import Crew, kill, wait_until
from tests.support.sums import AT, use_batch, use_sum
from workers.usage import collect

BATCHES = 2000


@pytest.fixture(autouse=True)
def clock(wired: Rollout) -> None:
    set_clock(wired.engine, AT)


def send(servers: EmbeddedServers, *batches: UseBatch) -> None:
    async def append() -> None:
        sink = ValkeyUsageSink(servers.redis_url)
        for batch in batches:
            await sink.append(batch)
        await sink.close()

    asyncio.run(append())


def totals(wired: Rollout) -> list[tuple[Any, ...]]:
    return rows(wired.engine, "SELECT key_id, count, refused FROM key_usage ORDER BY key_id")


def test_what_gateways_saw_is_counted_and_taken_out_of_the_stream(
    wired: Rollout, servers: EmbeddedServers, valkey: redis.Redis
) -> None:
    send(servers, use_batch(1), use_batch(2, use_sum("k2", refused=True)))

    assert (collect(wired), collect(wired)) == (2, 0)
    assert totals(wired) == [("k1", 3, 0), ("k2", 3, 3)]
    assert valkey.xlen(STREAM) == 0


def test_what_was_lost_on_the_way_is_said(
    wired: Rollout, servers: EmbeddedServers, valkey: redis.Redis
) -> None:
    send(servers, use_batch(1), use_batch(4, dropped=9))
    valkey.xadd(STREAM, {"batch": b"poison"})
    with capture_logs() as logs:
        assert collect(wired) == 3

    said = {line["event"]: line for line in logs}
    assert said["usage.unreadable"]["entries"] == 1
    assert (said["usage.lost"]["batches"], said["usage.lost"]["dropped_uses"]) == (2, 9)
    assert totals(wired) == [("k1", 6, 0)]


def test_a_valkey_that_is_flushed_between_two_looks_disturbs_nobody(
    wired: Rollout, servers: EmbeddedServers, valkey: redis.Redis
) -> None:
    send(servers, use_batch(1))
    collect(wired)
    send(servers, use_batch(2))
    valkey.flushall()
    assert collect(wired) == 0
    send(servers, use_batch(2), use_batch(3))
    assert collect(wired) == 2
    assert totals(wired) == [("k1", 9, 0)]


@pytest.mark.fault
def test_workers_that_are_killed_again_and_again_count_every_use_once(
    wired: Rollout,
    servers: EmbeddedServers,
    settings: dict[str, str],
    tmp_path: Path,
    valkey: redis.Redis,
) -> None:
    sent = [use_batch(number, use_sum(uses=1)) for number in range(1, BATCHES + 1)]
    send(servers, *sent)
    with Crew(settings, tmp_path) as crew:

        def start() -> Sequence[subprocess.Popen[bytes]]:
            return [crew.start("workers.worker", "usage", ROLLOUT_POLL="0.2") for _ in range(2)]

        for part in (1, 2, 3):
            workers = start()
            enough = BATCHES * part // 10
            wait_until(lambda least=enough: sum(row[1] for row in totals(wired)) >= least)
            for worker in workers:
                kill(worker)
        send(servers, *sent[-50:])  # sent again: nobody told the gateway that they had arrived
        last = start()
        wait_until(lambda: valkey.xlen(STREAM) == 0)
        assert all(worker.poll() is None for worker in last)
        assert "Traceback" not in crew.said()

    assert totals(wired) == [("k1", BATCHES, 0)]
