"""The two services as processes: how they start, what they refuse, how they end."""

from __future__ import annotations

import signal
import socket
import subprocess
from pathlib import Path

import httpx
import pytest

from rollout.adapters.embedded.servers import EmbeddedServers, running_servers
from rollout.cli.serving import listen_on
from rollout.domain.errors import BadInput, Unavailable
from tests.support.enforced import PEPPER
from tests.support.processes import environment, free_port, listening, rollout

NOWHERE = {
    "ROLLOUT_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
    "ROLLOUT_REDIS_URL": "redis://127.0.0.1:1/0",
    "ROLLOUT_PEPPER": PEPPER.decode(),
}


def test_a_port_that_is_taken_is_named_with_the_way_out() -> None:
    with listen_on("127.0.0.1:0") as first:
        port = first.getsockname()[1]
        with pytest.raises(Unavailable, match=f"127.0.0.1:{port}: somebody else") as caught:
            listen_on(f"127.0.0.1:{port}")
    assert "--listen" in str(caught.value.fix)


def test_an_address_of_another_machine_is_refused() -> None:
    with pytest.raises(Unavailable, match=r"cannot listen on 192\.0\.2\.1:8081"):
        listen_on("192.0.2.1:8081")


@pytest.mark.parametrize(
    "address", ["8081", "localhost", "localhost:", "localhost:http", "h:70000"]
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(BadInput, match="not host:port"):
        listen_on(address)


def test_an_ipv6_address_stands_in_brackets() -> None:
    if not socket.has_dualstack_ipv6():
        pytest.skip("this machine has no IPv6")
    with listen_on("[::1]:0") as listener:
        assert listener.family is socket.AF_INET6


@pytest.mark.parametrize("service", ["gateway", "web"])
def test_a_taken_port_ends_the_command_with_one_sentence(service: str) -> None:
    with listen_on("127.0.0.1:0") as first:
        port = first.getsockname()[1]
        ended = subprocess.run(
            rollout(service, "--listen", f"127.0.0.1:{port}"),
            env=environment(NOWHERE),
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
    assert ended.returncode == 1
    assert "somebody else listens there already" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_gateway_starts_while_its_servers_are_down_and_ends_when_asked() -> None:
    port = free_port()
    with listening(rollout("gateway", "--listen", f"127.0.0.1:{port}"), port, NOWHERE) as process:
        assert httpx.get(f"http://127.0.0.1:{port}/healthz").status_code == 200
        assert httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 503
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0


def test_web_does_not_start_on_a_database_that_is_down() -> None:
    ended = subprocess.run(
        rollout("web", "--listen", "127.0.0.1:0"),
        env=environment(NOWHERE),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr


def test_without_configured_servers_they_start_and_end_with_the_service(tmp_path: Path) -> None:
    port = free_port()
    data = tmp_path / "data"
    command = rollout("web", "--listen", f"127.0.0.1:{port}")
    with listening(command, port, {"ROLLOUT_DATA_DIR": str(data)}) as process:
        assert httpx.get(f"http://127.0.0.1:{port}/readyz", timeout=60).json() == {
            "database": "ok",
            "valkey": "ok",
        }
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=60) == 0
    assert running_servers(data) == {"PostgreSQL": None, "Valkey": None}


def test_metrics_are_served_over_http(database_url: str, servers: EmbeddedServers) -> None:
    port = free_port()
    settings = {
        **NOWHERE,
        "ROLLOUT_DATABASE_URL": database_url,
        "ROLLOUT_REDIS_URL": servers.redis_url,
    }
    with listening(rollout("web", "--listen", f"127.0.0.1:{port}"), port, settings):
        answer = httpx.get(f"http://127.0.0.1:{port}/metrics", timeout=30)
    assert answer.headers["content-type"].startswith("text/plain")
    assert "rollout_keys_unenforced 0.0" in answer.text
