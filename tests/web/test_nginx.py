"""The nginx profile of docs/gateway/nginx.conf, in a real nginx before a sample API."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import httpx
import pytest
import redis
from sqlalchemy import Engine

from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.adapters.enforcers.verdict_store import ValkeyVerdictStore
from rollout.adapters.usage_stream import ValkeyUsageStream
from rollout.services.enforcement import Enforcement
from rollout.services.usage.collecting import UsageCollector
from tests.support.database import fresh_database, rows
from tests.support.enforced import PEPPER, SECRET, Cast
from tests.support.processes import free_port, listening, rollout, wait_until

PROFILE = Path(__file__).parents[2] / "docs" / "gateway" / "nginx.conf"
MAIN = """
daemon off;
pid {directory}/nginx.pid;
error_log stderr warn;
{user}
events {{}}
http {{
  access_log off;
  client_body_temp_path {directory}/body;
  proxy_temp_path {directory}/proxy;
  fastcgi_temp_path {directory}/fastcgi;
  uwsgi_temp_path {directory}/uwsgi;
  scgi_temp_path {directory}/scgi;
  include {directory}/rollout.conf;
}}
"""


@pytest.fixture(scope="module")
def nginx() -> str:
    found = shutil.which("nginx", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None and os.environ.get("CI") == "true":
        pytest.fail("nginx is missing, and CI must not go without these tests")
    if found is None:
        pytest.skip("nginx is missing: apt install nginx-light")
    return found


class Api(BaseHTTPRequestHandler):
    """The sample API: it says what reached it, and fails where it is asked to."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        status = int(self.path.rpartition("/")[2]) if "/status/" in self.path else 200
        sent = self.rfile.read(int(self.headers.get("Content-Length", 0))).decode()
        seen = {name.lower(): value for name, value in self.headers.items()}
        body = json.dumps({"path": self.path, "headers": seen, "body": sent}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self) -> None:
        self.do_GET()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base's name
        pass


@pytest.fixture(scope="module")
def api() -> Iterator[int]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Api)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


Front = Callable[[str, str], AbstractContextManager[httpx.Client]]


@pytest.fixture(scope="module")
def front(nginx: str, api: int, tmp_path_factory: pytest.TempPathFactory) -> Front:
    """Put nginx and the gateway service before the API."""

    @contextmanager
    def run(database_url: str, redis_url: str) -> Iterator[httpx.Client]:
        tmp_path = tmp_path_factory.mktemp("nginx")
        public, door = free_port(), free_port()
        (tmp_path / "rollout.conf").write_text(profile(public=public, gateway=door, api=api))
        user = "user root;" if os.geteuid() == 0 else ""
        (tmp_path / "nginx.conf").write_text(MAIN.format(directory=tmp_path, user=user))
        settings = {
            "ROLLOUT_DATABASE_URL": database_url,
            "ROLLOUT_REDIS_URL": redis_url,
            "ROLLOUT_PEPPER": PEPPER.decode(),
            "ROLLOUT_DATA_DIR": str(tmp_path / "data"),
        }
        with (
            listening(rollout("gateway", "--listen", f"127.0.0.1:{door}"), door, settings),
            listening([nginx, "-e", "stderr", "-c", str(tmp_path / "nginx.conf")], public),
            httpx.Client(base_url=f"http://127.0.0.1:{public}") as client,
        ):
            yield client

    return run


def profile(*, public: int, gateway: int, api: int) -> str:
    """The shipped file, with its addresses exchanged and nothing else."""
    text = PROFILE.read_text(encoding="utf-8")
    for address, instead in (
        ("server gateway:8081;", f"server 127.0.0.1:{gateway};"),
        ("server 127.0.0.1:9000;", f"server 127.0.0.1:{api};"),
        ("listen 8082;", f"listen 127.0.0.1:{public};"),
        ("listen 127.0.0.1:9000;", f"listen 127.0.0.1:{free_port()};"),
    ):
        assert text.count(address) == 1, address
        text = text.replace(address, instead)
    return text


@dataclass
class World:
    """One nginx, gateway and database for this module: each test has a key of its own."""

    client: httpx.Client
    cast: Cast
    enforcement: Enforcement
    engine: Engine
    collector: UsageCollector

    def enforce(self) -> None:
        while self.enforcement.enforce():
            pass


@pytest.fixture(scope="module")
def world(front: Front, servers: EmbeddedServers) -> Iterator[World]:
    with (
        fresh_database(servers.database_url) as database_url,
        redis.Redis.from_url(servers.redis_url) as valkey,
        front(database_url, servers.redis_url) as client,
    ):
        engine = make_engine(database_url)
        valkey.flushall()
        enforcement = Enforcement(lambda: SqlUnitOfWork(engine), ValkeyVerdictStore(valkey))
        collector = UsageCollector(lambda: SqlUnitOfWork(engine), ValkeyUsageStream(valkey))
        yield World(client, Cast(engine), enforcement, engine, collector)
        engine.dispose()


def with_key(key_id: str, secret: str = SECRET) -> dict[str, str]:
    shown = base64.b64encode(f"{key_id}:{secret}".encode()).decode()
    return {"Authorization": f"Basic {shown}"}


def test_the_same_call_passes_until_the_cut_and_is_then_refused_with_the_reason(
    world: World,
) -> None:
    client, cast = world.client, world.cast
    cast.key("icm_9fQ2", account="acme")
    cast.deprecation()
    cast.enroll("acme")
    world.enforce()

    before = client.get("/v1/users?page=2", headers=with_key("icm_9fQ2"))
    assert before.status_code == 200
    deprecated = re.fullmatch(r"@(\d+)", before.headers["deprecation"])  # RFC 9651: a Date
    assert deprecated
    sunset = parsedate_to_datetime(before.headers["sunset"])
    assert sunset == datetime(2027, 2, 2, 16, tzinfo=UTC)
    assert datetime.fromtimestamp(int(deprecated[1]), UTC) <= sunset
    assert (
        '<https://developers.example.com/keys-to-tokens>; rel="deprecation"'
        in (before.headers["link"])
    )
    assert before.headers["cache-control"] == "private"
    assert before.headers["vary"] == "Authorization"
    reached = before.json()
    assert reached["path"] == "/v1/users?page=2"
    assert reached["headers"]["x-account"] == "acme"
    assert "authorization" not in reached["headers"]

    cast.cut("acme")
    world.enforce()

    after = client.get("/v1/users?page=2", headers=with_key("icm_9fQ2"))
    assert after.status_code == 401
    assert after.headers["content-type"] == "application/problem+json"
    assert after.headers["cache-control"] == "no-store"
    assert after.headers["www-authenticate"] == (
        'Bearer realm="api", error="invalid_token",'
        ' error_description="this API key was disabled on 2027-02-02T16:00:00Z"'
    )
    assert after.headers["sunset"] == before.headers["sunset"]
    assert 'rel="deprecation"' in after.headers["link"]
    assert "x-account" not in after.headers
    problem = after.json()
    assert problem["status"] == 401
    assert problem["reason"] == "cutoff"
    assert problem["disabled_at"] == "2027-02-02T16:00:00Z"
    assert problem["replacement"]["url"] == "https://developers.example.com/access-tokens"
    assert problem["key_hint"] == "…9fQ2"
    assert "acme" not in after.text


def test_calls_before_and_after_the_cut_become_sightings_of_the_key_with_program_and_address(
    world: World,
) -> None:
    client, cast = world.client, world.cast
    cast.key("seen", account="eve")
    cast.deprecation("seen-keys")
    cast.enroll("eve", deprecation="seen-keys")
    world.enforce()

    def sightings() -> list[tuple[Any, ...]]:
        world.collector.collect()
        return rows(
            world.engine,
            "SELECT user_agent, example, network, count, refused FROM sightings"
            " JOIN sources USING (source_id) WHERE key_id = 'seen' ORDER BY user_agent",
        )

    lies = {"X-Real-IP": "203.0.113.9", "X-Forwarded-For": "203.0.113.9"}
    zapier = with_key("seen") | {"User-Agent": "Zapier/3.1"} | lies
    for _ in range(3):
        assert client.get("/v1/users", headers=zapier).status_code == 200
    wait_until(lambda: sightings() == [("Zapier", "Zapier/3.1", "127.0.0.1", 3, 0)])

    cast.cut("eve")
    world.enforce()
    for _ in range(2):
        assert client.get("/v1/users", headers=zapier).status_code == 401
    nameless = with_key("seen") | {"User-Agent": ""}
    assert client.get("/v1/users", headers=nameless).status_code == 401
    wrong = with_key("seen", "wrong") | {"User-Agent": "guesser"}
    assert client.get("/v1/users", headers=wrong).status_code == 401

    expected = [("-", "", "127.0.0.1", 1, 1), ("Zapier", "Zapier/3.1", "127.0.0.1", 5, 2)]
    wait_until(lambda: sightings() == expected)
    assert rows(world.engine, "SELECT count, refused FROM key_usage WHERE key_id = 'seen'") == [
        (6, 3)
    ]


def test_a_key_without_a_date_passes_plainly_and_bodies_reach_the_api(
    world: World,
) -> None:
    world.cast.key("plain", account="bolt")
    world.enforce()
    shown = with_key("plain") | {"X-Account": "somebody else"}
    answer = world.client.post("/v1/users", content="the body", headers=shown)
    assert answer.status_code == 200
    assert answer.json()["body"] == "the body"
    assert answer.json()["headers"]["x-account"] == "bolt"
    assert not {"deprecation", "sunset", "link"} & set(answer.headers)


def test_what_is_no_credential_is_refused_with_a_challenge_and_a_problem(
    world: World,
) -> None:
    world.cast.key("guarded", account="cora")
    world.enforce()
    client = world.client
    missing = client.get("/")
    assert missing.headers["www-authenticate"] == 'Bearer realm="api"'
    for answer in (
        missing,
        client.get("/", headers=with_key("guarded", "wrong")),
        client.get("/", headers={"Authorization": "Basic ???"}),
        client.get("/", headers={"Authorization": "Bearer nothing"}),
    ):
        assert answer.status_code == 401
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.headers["www-authenticate"].startswith("Bearer realm=")
        assert answer.json()["status"] == 401


def test_a_refusal_of_the_api_itself_comes_through_unchanged(world: World) -> None:
    world.cast.key("refused", account="dent")
    world.enforce()
    for status in (401, 403, 500):
        answer = world.client.get(f"/status/{status}", headers=with_key("refused"))
        assert answer.status_code == status
        assert answer.json()["path"] == f"/status/{status}"


def test_nobody_outside_may_ask_the_gateway_through_nginx(world: World) -> None:
    assert world.client.get("/_rollout_check").status_code == 404


def test_when_nobody_can_tell_the_client_is_asked_to_come_back(front: Front) -> None:
    with front("postgresql://nobody@127.0.0.1:1/nothing", "redis://127.0.0.1:1/0") as client:
        answer = client.get("/", headers=with_key("k1"))
    assert answer.status_code == 503
    assert answer.headers["retry-after"] == "1"
    assert answer.headers["content-type"] == "application/problem+json"
    assert "www-authenticate" not in answer.headers
