"""Rates in Valkey: shared, by one round trip, leaving nothing behind; and what if it is away."""

from __future__ import annotations

import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress

import pytest
import redis
from structlog.testing import capture_logs

from rollout.adapters.clock import SystemClock
from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.adapters.send_rates import ValkeySendRates
from rollout.adapters.send_rates.local import AN_HOUR, MANY
from rollout.adapters.send_rates.shared import SILENCE, rate_key
from rollout.bootstrap.servers import impatient_valkey
from rollout.domain.notices.rates import Rate
from rollout.services.ports.send_rates import Wanted
from rollout.testing import FakeSendRates
from tests.support.mailing import HandSetClock
from tests.support.processes import free_port

FAST, SLOW = Rate(20, "s"), Rate(1, "min")
WORKERS = 2


@pytest.fixture
def nobody() -> Iterator[redis.Redis]:
    """A client of a Valkey that is not there."""
    client = impatient_valkey(f"redis://127.0.0.1:{free_port()}")
    yield client
    client.close()


def calls(valkey: redis.Redis) -> Counter[str]:
    """Count the commands since the statistics were reset."""
    stats = valkey.info("commandstats")
    return Counter({name.removeprefix("cmdstat_"): s["calls"] for name, s in stats.items()})


def one(rates: ValkeySendRates, limit: Rate, domain: str = "acme.example") -> int:
    return rates.ask({domain: Wanted(1, limit)})[domain].letters


def test_workers_that_ask_at_the_same_time_share_what_there_is(
    servers: EmbeddedServers, valkey: redis.Redis
) -> None:
    clients = [impatient_valkey(servers.redis_url) for _ in range(WORKERS)]
    together = threading.Barrier(WORKERS)
    given: list[int] = []

    def ask(client: redis.Redis) -> None:
        rates = ValkeySendRates(client, SystemClock())
        together.wait()
        given.extend(one(rates, FAST) for _ in range(100))

    began = time.monotonic()
    threads = [threading.Thread(target=ask, args=(client,)) for client in clients]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    took = time.monotonic() - began
    for client in clients:
        client.close()

    assert len(given) == WORKERS * 100
    assert FAST.at_once <= sum(given) <= FAST.at_once + took * FAST.per_second


def test_all_domains_of_a_batch_are_asked_about_by_one_command(valkey: redis.Redis) -> None:
    rates = ValkeySendRates(valkey, SystemClock())
    one(rates, SLOW)  # the script is there
    valkey.config_resetstat()
    rates.ask({f"{n}.example": Wanted(3, FAST if n % 2 else None) for n in range(50)})

    assert calls(valkey)["evalsha"] == 1


def test_where_nothing_is_limited_no_domain_is_looked_up(valkey: redis.Redis) -> None:
    rates = ValkeySendRates(valkey, SystemClock())
    valkey.config_resetstat()
    rates.ask({f"{n}.example": Wanted(3) for n in range(50)})
    assert (calls(valkey)["exists"], calls(valkey)["hmget"]) == (1, 0)

    rates.pause("7.example")
    allowed = rates.ask({f"{n}.example": Wanted(3) for n in range(50)})
    assert [domain for domain, each in allowed.items() if each.paused] == ["7.example"]


def test_where_there_is_no_limit_nothing_is_written(valkey: redis.Redis) -> None:
    rates = ValkeySendRates(valkey, SystemClock())
    rates.ask({"acme.example": Wanted(1_000)})
    rates.resume("acme.example")

    assert valkey.keys() == []


def test_nothing_is_kept_for_longer_than_it_matters(valkey: redis.Redis) -> None:
    rates = ValkeySendRates(valkey, SystemClock())
    asked = {
        "a.example": Wanted(1, FAST),
        "b.example": Wanted(1, SLOW),
        "c.example": Wanted(6, SLOW),
    }
    rates.ask(asked)
    rates.pause("d.example")

    left = {key.decode().rpartition(":")[2]: valkey.ttl(key) for key in valkey.scan_iter()}
    assert left == {
        "a.example": pytest.approx(2, abs=2),
        "b.example": pytest.approx(2 * 60, abs=2),
        "c.example": pytest.approx(5 * 60, abs=2),
        "d.example": pytest.approx(16 * 60, abs=2),
        "mail-slowed": pytest.approx(16 * 60, abs=2),
    }


def test_what_is_still_waited_for_outlives_what_is_forgotten_sooner(valkey: redis.Redis) -> None:
    rates = ValkeySendRates(valkey, SystemClock())
    rates.ask({"a.example": Wanted(30, SLOW)})
    rates.pause("a.example")
    rates.ask({"a.example": Wanted(1, SLOW)})

    assert valkey.ttl(rate_key("a.example")) == pytest.approx(29 * 60, abs=2)


def test_a_clock_of_valkey_that_is_set_back_takes_no_tokens_away(valkey: redis.Redis) -> None:
    rates = ValkeySendRates(valkey, SystemClock())
    one(rates, SLOW)
    valkey.hincrbyfloat(rate_key("acme.example"), "at", 3600)

    assert one(rates, SLOW) == 1


def test_of_many_domains_a_process_keeps_only_those_it_has_heard_of_lately() -> None:
    rates = FakeSendRates()
    rates.ask({f"{n}.example": Wanted(1, FAST) for n in range(MANY + 1)})
    rates.sleep(AN_HOUR)
    rates.ask({"acme.example": Wanted(1, FAST)})

    assert list(rates._domains) == ["acme.example"]


def test_without_valkey_a_process_keeps_to_the_same_rates_by_itself_and_says_it_once(
    nobody: redis.Redis,
) -> None:
    clock = HandSetClock()
    rates = ValkeySendRates(nobody, clock)
    with capture_logs() as said:
        assert [one(rates, SLOW) for _ in range(3)] == [1, 1, 0]
        clock.passed = SILENCE  # it is asked again, in vain
        rates.pause("beta.example")
        assert rates.ask({"beta.example": Wanted(1)})["beta.example"].paused
        rates.resume("beta.example")

    assert [line["event"] for line in said] == ["mail-rates.not-shared"]


def test_a_valkey_that_says_nothing_keeps_nobody_for_long() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        client = impatient_valkey(f"redis://127.0.0.1:{deaf.getsockname()[1]}")
        rates = ValkeySendRates(client, SystemClock())
        assert [one(rates, SLOW) for _ in range(50)] == [1, 1] + [0] * 48
        client.close()
        deaf.setblocking(False)
        tries = 0
        with suppress(BlockingIOError):
            while True:
                deaf.accept()[0].close()
                tries += 1

    assert tries == 2  # of half a second each


def test_a_valkey_that_is_away_is_asked_again_after_a_while_and_its_return_is_said(
    servers: EmbeddedServers, valkey: redis.Redis
) -> None:
    clock = HandSetClock()
    client = impatient_valkey(servers.redis_url)
    address = client.connection_pool.connection_kwargs
    there, address["path"] = address["path"], "/nowhere"
    rates = ValkeySendRates(client, clock)
    with capture_logs() as said:
        assert [one(rates, SLOW) for _ in range(2)] == [1, 1]
        address["path"] = there
        client.connection_pool.reset()
        clock.passed = SILENCE - 1
        assert one(rates, SLOW) == 0  # by its own count
        clock.passed = SILENCE
        assert one(rates, SLOW) == 1  # by that of Valkey, which knows of none
    client.close()

    assert [line["event"] for line in said] == ["mail-rates.not-shared", "mail-rates.shared-again"]


def test_a_valkey_that_has_no_room_left_is_no_reason_not_to_send(valkey: redis.Redis) -> None:
    rates = ValkeySendRates(valkey, SystemClock())
    valkey.config_set("maxmemory", 1)
    try:
        with capture_logs() as said:
            assert [one(rates, SLOW) for _ in range(3)] == [1, 1, 0]
    finally:
        valkey.config_set("maxmemory", 0)

    assert [line["event"] for line in said] == ["mail-rates.not-shared"]
