"""The client of webhooks before servers that lie, stall, redirect, or stand in our own network."""

from __future__ import annotations

import socket
import ssl
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from rollout.adapters.clock import SystemClock
from rollout.adapters.webhooks.client import HttpWebhooks
from rollout.domain.webhooks.addresses import Reach
from rollout.domain.webhooks.attempts import Answer
from tests.support.processes import free_port
from tests.support.webhook_server import DRIP, DROP, STALL, WebhookServer, answer
from tests.support.webhooks import REACH

TRUSTED = Reach(frozenset({"localhost"}), trying_out=True)
TOKEN = "T0K3Nt0k3n"


PUBLIC_IP = "192.0.2.1"  # of RFC 5737, where nobody is, so that no test calls a stranger


class OnePublicAddress(Reach):
    """Takes it for a public one."""

    def permits(self, _host: str, ip: str) -> bool:
        return ip == PUBLIC_IP


@pytest.fixture
def server() -> Iterator[WebhookServer]:
    with WebhookServer() as server:
        yield server


def post(
    url: str, reach: Reach = REACH, tls: ssl.SSLContext | None = None, timeout: float = 5
) -> Answer:
    client = HttpWebhooks(reach, SystemClock(), tls, timeout)
    return client.post(Reach(reach.private_hosts, trying_out=True).read(url), {}, b"{}")


def test_a_redirect_is_not_followed(server: WebhookServer) -> None:
    server.plan(answer(302, Location=server.url + "/elsewhere"))

    assert post(server.url) == Answer(302, "302 Found")
    assert [request.path for request in server.received] == ["/hooks"]


@pytest.mark.parametrize("act", [STALL, DRIP], ids=["stall", "drip"])
def test_no_server_takes_more_than_its_time_however_it_spends_it(
    server: WebhookServer, act: object
) -> None:
    server.plan(act)  # type: ignore[arg-type]
    began = time.monotonic()

    assert post(server.url, timeout=0.4) == Answer(None, "no answer within 0.4 s")
    assert time.monotonic() - began < 2


def test_a_connection_that_drops_or_is_refused_is_an_answer_too(server: WebhookServer) -> None:
    server.plan(DROP)
    assert post(server.url).text.startswith("RemoteDisconnected: ")
    assert post(f"http://127.0.0.1:{free_port()}/").text.startswith("ConnectionRefusedError: ")


def test_a_name_that_nobody_knows_is_an_answer_too() -> None:
    said = post("https://nowhere.invalid/hook")
    assert said.status is None
    assert said.text.startswith("gaierror: ")


def test_a_name_that_leads_into_our_own_network_is_not_called() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(0.2)
        said = post(f"https://localhost:{listening.getsockname()[1]}/hook")

        assert said == Answer(None, "NotPublicError: no public address, so it is not called")
        with pytest.raises(TimeoutError):
            listening.accept()


def test_only_the_address_that_was_checked_is_called(
    server: WebhookServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server may tell a public address when it is asked first, and a private one later."""
    asked: list[str] = []

    def resolve(host: str, *_: object, **__: object) -> list[object]:
        asked.append(host)
        ip = "127.0.0.1" if asked.count("rebinding.example") > 1 else PUBLIC_IP
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, server.port))]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    said = post(f"https://rebinding.example:{server.port}/hook", OnePublicAddress(), timeout=0.4)

    assert said.status is None
    assert asked == ["rebinding.example", PUBLIC_IP]


def test_what_a_server_says_is_bounded_printable_and_does_not_repeat_our_address(
    server: WebhookServer,
) -> None:
    url = f"{server.url}/{TOKEN}?key={TOKEN[::-1]}"
    server.plan(answer(400, f"\x1b[31mno {TOKEN}, {TOKEN[::-1]}\n" + "x" * 100_000))
    text = post(url).text

    assert text.startswith("400 Bad Request: \N{REPLACEMENT CHARACTER}[31mno …, … xxx")
    assert len(text) == 200


@pytest.mark.parametrize(
    ("headers", "asked"),
    [
        ({"Retry_After": "120"}, timedelta(seconds=120)),
        ({"Retry_After": "9" * 5000}, timedelta(seconds=999_999_999)),
        ({"Retry_After": "soon"}, None),
        ({"Retry_After": "-1"}, None),
        ({"Retry_After": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, None),
    ],
)
def test_it_reads_how_long_a_server_wants_to_be_left_alone(
    server: WebhookServer, headers: dict[str, str], asked: timedelta | None
) -> None:
    server.plan(answer(503, "", **headers))
    assert post(server.url).retry_after == asked


def test_an_instant_is_read_by_the_servers_own_clock(server: WebhookServer) -> None:
    server.judge(lambda _: answer(503, Retry_After="Fri, 31 Dec 2100 23:59:59 GMT"))
    asked = post(server.url).retry_after

    assert asked is not None
    assert asked > timedelta(days=365)


@pytest.mark.parametrize("trusted", [True, False])
def test_a_server_whose_certificate_is_not_trusted_is_told_nothing(
    certificate: Path, *, trusted: bool
) -> None:
    own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    own.load_cert_chain(certificate)
    tls = ssl.create_default_context(cafile=str(certificate)) if trusted else None
    with WebhookServer(tls=own) as server:
        said = post(f"https://localhost:{server.port}/hooks", TRUSTED, tls)

        assert (said.status == 200) is trusted
        assert len(server.received) == trusted
    if not trusted:
        assert said.text.startswith("SSLCertVerificationError: ")
