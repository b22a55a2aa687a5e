"""The doorbell: a ring is a name and nothing else, and it never waits long."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import redis

from rollout.adapters.embedded.servers import EmbeddedServers, running_servers
from rollout.adapters.task_queue import CeleryTaskQueue, make_celery
from rollout.services.ports import TaskQueue
from rollout.testing import FakeTaskQueue
from tests.support.processes import wait_until

SOON = 15.0  # seconds; the settings allow five for a connection and five for an answer


def bell(redis_url: str) -> CeleryTaskQueue:
    return CeleryTaskQueue(make_celery(redis_url))


@pytest.fixture(params=["real", "fake"])
def queue(request: pytest.FixtureRequest, servers: EmbeddedServers) -> TaskQueue:
    return bell(servers.redis_url) if request.param == "real" else FakeTaskQueue()


def test_a_ring_is_taken(queue: TaskQueue) -> None:
    assert queue.ring("rollout.cutoff.sweep")
    assert queue.ring("rollout.notices.deliver")


@pytest.mark.parametrize("name", ["rollout.cutoff.sweep", "rollout.notices.deliver"])
def test_a_ring_waits_in_its_queue_and_carries_nothing_but_its_name(
    servers: EmbeddedServers, valkey: redis.Redis, name: str
) -> None:
    bell(servers.redis_url).ring(name)
    (waiting,) = valkey.lrange(f"rollout:celery:{name.split('.')[1]}", 0, -1)
    message = json.loads(waiting)
    arguments, named, _ = json.loads(base64.b64decode(message["body"]))

    assert message["headers"]["task"] == name
    assert (arguments, named) == ([], {})
    assert message["headers"]["expires"] is not None


def refused() -> Iterator[str]:
    """An address where nobody listens."""
    yield "redis://127.0.0.1:1/0"


def silent() -> Iterator[str]:
    """An address where somebody listens and never says a word."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"redis://127.0.0.1:{listener.getsockname()[1]}/0"


def gone(place: Path) -> Iterator[str]:
    """A socket that is not there."""
    yield f"unix://{place}/none.sock?db=0"


@pytest.mark.parametrize("how", ["refused", "silent", "gone"])
def test_without_a_broker_a_ring_is_refused_within_seconds(how: str, tmp_path: Path) -> None:
    addresses = {"refused": refused(), "silent": silent(), "gone": gone(tmp_path)}[how]
    for url in addresses:
        began = time.monotonic()
        assert not bell(url).ring("rollout.cutoff.sweep")
        assert time.monotonic() - began < SOON


def test_rings_are_heard_again_after_an_outage() -> None:
    with TemporaryDirectory(prefix="rollout-test-") as directory:
        place = Path(directory).resolve()
        with EmbeddedServers.start(place, postgres=False) as first:
            queue = bell(first.redis_url)
            before = queue.ring("rollout.cutoff.sweep")
            pid = running_servers(place)["Valkey"]
            assert pid is not None
            os.kill(pid, signal.SIGKILL)
            meanwhile = queue.ring("rollout.cutoff.sweep")
            with EmbeddedServers.start(place, postgres=False):
                after = queue.ring("rollout.cutoff.sweep")

    assert (before, meanwhile, after) == (True, False, True)


def test_a_ring_that_a_broker_cannot_take_back_is_forgotten(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with (
        TemporaryDirectory(prefix="rollout-test-") as directory,
        EmbeddedServers.start(place := Path(directory).resolve(), postgres=False) as broker,
    ):
        app = make_celery(broker.redis_url)
        app.amqp.queues.select("audit")
        CeleryTaskQueue(app).ring("rollout.audit.seal")
        heard: list[object] = []
        connection = app.connection_for_read()
        app.amqp.TaskConsumer(connection, callbacks=[lambda _, ring: heard.append(ring)]).consume()
        connection.drain_events(timeout=10)
        pid = running_servers(place)["Valkey"]
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: not CeleryTaskQueue(app).ring("rollout.audit.seal"))

        connection.collect()  # a worker does both before it connects again
        connection.close()

    assert len(heard) == 1
    assert "RESTORE" not in caplog.text  # it would write the ring to a file in /tmp


@pytest.mark.parametrize(
    ("url", "verifies"),
    [
        ("rediss://valkey:6379/0", ssl.CERT_REQUIRED),
        ("rediss://valkey:6379/0?ssl_cert_reqs=none", ssl.CERT_NONE),
    ],
)
def test_the_certificate_of_a_broker_is_verified(url: str, verifies: ssl.VerifyMode) -> None:
    assert make_celery(url).connection_for_write().ssl["ssl_cert_reqs"] == verifies


@pytest.mark.parametrize(
    ("given", "broker"),
    [
        ("redis://valkey:6379/0", "redis://valkey:6379/0"),
        ("rediss://u:p@valkey:6379/3", "rediss://u:p@valkey:6379/3"),
        ("unix:///run/valkey.sock", "redis+socket:///run/valkey.sock?virtual_host=0"),
        ("unix:///run/valkey.sock?db=2", "redis+socket:///run/valkey.sock?virtual_host=2"),
    ],
)
def test_an_address_becomes_one_that_celery_knows(given: str, broker: str) -> None:
    assert make_celery(given).conf.broker_url == broker
