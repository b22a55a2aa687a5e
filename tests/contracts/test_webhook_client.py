"""What every client of webhooks promises, proven on the shipped fake and on the real one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

import pytest

from rollout.domain.webhooks.attempts import Answer, Ending
from rollout.services.ports.webhooks import WebhookClient
from rollout.testing import FakeWebhookClient, Posted
from tests.support.webhook_server import WebhookServer, answer
from tests.support.webhooks import REACH, real_client

BODY = '{"text": "Grüße"}'.encode()
BUSY = Answer(503, "503 Service Unavailable: busy", timedelta(seconds=60))


@dataclass
class Place:
    """A client under test, what has arrived through it, and how to make the next one fail."""

    client: WebhookClient
    url: str
    arrived: Callable[[], list[Posted]]
    fail: Callable[[], None]

    def post(self) -> Answer:
        headers = {"webhook-id": "msg_1", "Content-Type": "application/json"}
        return self.client.post(REACH.read(self.url), headers, BODY)


@contextmanager
def fake_place() -> Iterator[Place]:
    client = FakeWebhookClient()
    url = "https://hooks.acme.example/hooks"
    yield Place(client, url, lambda: client.posted, lambda: client.plan(BUSY))


@contextmanager
def real_place() -> Iterator[Place]:
    with WebhookServer() as server:

        def arrived() -> list[Posted]:
            return [Posted(server.url, r.headers, r.body) for r in server.received]

        def fail() -> None:
            server.plan(answer(503, "busy", Retry_After="60"))

        yield Place(real_client(), server.url, arrived, fail)


@pytest.fixture(params=[fake_place, real_place], ids=["fake", "real"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    with request.param() as place:
        yield place


def test_what_is_posted_arrives_as_it_is_with_its_headers(place: Place) -> None:
    assert place.post().ending is Ending.DELIVERED

    [posted] = place.arrived()
    assert (posted.url, posted.body) == (place.url, BODY)
    headers = {name.lower(): value for name, value in posted.headers.items()}
    assert headers["webhook-id"] == "msg_1"
    assert headers["content-type"] == "application/json"


def test_a_failure_is_told_with_what_the_server_asks_for_and_the_next_one_goes_through(
    place: Place,
) -> None:
    place.fail()

    assert place.post() == BUSY
    assert place.post().status == 200
    assert len(place.arrived()) == 2
