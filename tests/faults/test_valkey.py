"""Valkey is emptied, killed and comes back without its data, in the middle of a cutoff."""

from __future__ import annotations

import base64
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import httpx
import pytest
import redis
from sqlalchemy import Engine

from rollout.adapters.enforcers.verdict_store import COMPLETE, ValkeyVerdictStore
from tests.support.crowd import SECRET, cut_so_far, gateways_know, gather
from tests.support.database import rows
from tests.support.fragile import FragileServers
from tests.support.processes import Crew, free_port, wait_until
from tests.support.soundness import assert_sound

pytestmark = pytest.mark.fault

ACCOUNTS = 1_600
SPREAD = timedelta(seconds=8)


@contextmanager
def asked_all_the_time(port: int) -> Iterator[Counter[int]]:
    """Ask the gateway about live keys until the end of the block; count its answers."""
    answers: Counter[int] = Counter()
    enough = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=f"http://127.0.0.1:{port}") as client:
            while not enough.wait(0.005):
                nth = sum(answers.values()) % ACCOUNTS
                shown = base64.b64encode(f"ios-a{nth}:{SECRET}".encode()).decode()
                headers = {"Authorization": f"Basic {shown}"}
                answers[client.get("/gateway/check", headers=headers).status_code] += 1

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        yield answers
    finally:
        enough.set()
        asking.join()


def is_listening(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").is_success
    except httpx.TransportError:
        return False


def test_the_cutoff_goes_on_while_valkey_is_gone_and_no_live_key_is_refused_meanwhile(
    engine: Engine, crew: Crew, valkey: redis.Redis, fragile: FragileServers
) -> None:
    door = free_port()
    programs = [
        crew.start("workers.worker"),
        crew.start("workers.clock"),
        crew.start("rollout", "gateway", "--listen", f"127.0.0.1:{door}"),
    ]
    wait_until(lambda: is_listening(door))
    gather(engine, ACCOUNTS, first=timedelta(seconds=1), spread=SPREAD)
    with asked_all_the_time(door) as answers:
        wait_until(lambda: cut_so_far(engine) > 150)
        valkey.flushall()
        wait_until(lambda: cut_so_far(engine) > 400)
        fragile.strike("Valkey", signal.SIGKILL)
        gone_since = cut_so_far(engine)
        wait_until(lambda: cut_so_far(engine) > gone_since + 250)
        fragile.empty_valkey()
        fragile.revive()
        wait_until(lambda: cut_so_far(engine) == ACCOUNTS)
        wait_until(lambda: gateways_know(engine))
        wait_until(lambda: valkey.exists(COMPLETE))

    store = ValkeyVerdictStore(valkey)
    for key_id, version, status in rows(engine, "SELECT key_id, version, status FROM keys"):
        record = store.read(key_id)
        assert record is not None
        assert (record.version, record.status) == (version, status)
    assert set(answers) == {204}
    assert [program.poll() for program in programs] == [None] * 3
    assert "Traceback" not in crew.said()
    assert_sound(engine)
