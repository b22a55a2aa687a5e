from __future__ import annotations

import asyncio
import base64
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
import redis
from sqlalchemy import Engine
from structlog.testing import capture_logs

from rollout.adapters.clock import SystemClock
from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.embedded.servers import EmbeddedServers, running_servers
from rollout.adapters.enforcers.verdict_reader import VerdictReader
from rollout.adapters.enforcers.verdict_store import ValkeyVerdictStore, record_key
from rollout.adapters.usage_stream import ValkeyUsageStream
from rollout.services.enforcement import Enforcement
from rollout.services.ports import UseSum
from rollout.testing import FakeUsageStream
from rollout.web.gateway import Gateway
from rollout.web.sightings import Sightings
from rollout.web.truth import Truth
from tests.support.enforced import PEPPER, SECRET, Cast
from tests.support.processes import free_port, listening, rollout

Start = Callable[[], SqlUnitOfWork]

NOWHERE = "redis://127.0.0.1:1/0"
PATIENCE = 4.0  # seconds: less than any server's own timeout, far more than the gateway's


def basic(key_id: str, secret: str = SECRET) -> str:
    return "Basic " + base64.b64encode(f"{key_id}:{secret}".encode()).decode()


@dataclass
class Door:
    """The gateway between a verdict store and a database, both of which may be gone."""

    redis_url: str
    enforcement: Enforcement
    stream: FakeUsageStream = field(default_factory=FakeUsageStream)

    def ask(self, authorization: str | None, query: str = "", **headers: str) -> httpx.Response:
        return self.ask_often([authorization], query, **headers)[0]

    def ask_often(
        self, authorizations: list[str | None], query: str = "", **headers: str
    ) -> list[httpx.Response]:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return asyncio.run(self._ask("/gateway/check" + query, authorizations, named))

    def seen(self) -> list[UseSum]:
        """What has been handed on."""
        batches = [entry.batch for entry in self.stream.read(100)]
        return [one for batch in batches if batch for one in batch.sums]

    def get(self, path: str) -> httpx.Response:
        return asyncio.run(self._ask(path, [None]))[0]

    async def _ask(
        self, path: str, authorizations: list[str | None], headers: dict[str, str] | None = None
    ) -> list[httpx.Response]:
        reader = VerdictReader(self.redis_url)
        sightings = Sightings(self.stream)
        gateway = Gateway(
            pepper=PEPPER,
            store=reader,
            truth=Truth(self.enforcement.look_up),
            sightings=sightings,
            clock=SystemClock(),
        )
        transport = httpx.ASGITransport(app=gateway)
        async with (
            asyncio.timeout(PATIENCE),
            httpx.AsyncClient(transport=transport, base_url="http://gateway") as client,
        ):
            answers = await asyncio.gather(
                *(
                    client.request(
                        "PATCH",
                        path,
                        headers=(headers or {}) | ({"Authorization": shown} if shown else {}),
                    )
                    for shown in authorizations
                )
            )
        await reader.close()
        await sightings.close()
        return answers


@pytest.fixture
def cast(engine: Engine) -> Cast:
    return Cast(engine)


@pytest.fixture
def enforcement(start: Start, valkey: redis.Redis) -> Enforcement:
    return Enforcement(start, ValkeyVerdictStore(valkey))


@pytest.fixture
def door(servers: EmbeddedServers, enforcement: Enforcement) -> Door:
    return Door(servers.redis_url, enforcement)


@pytest.fixture
def dead_database() -> Iterator[Enforcement]:
    """Look-ups in a database that refuses every connection."""
    engine = make_engine("postgresql://nobody@127.0.0.1:1/nothing")
    yield Enforcement(lambda: SqlUnitOfWork(engine), ValkeyVerdictStore(redis.Redis(port=1)))
    engine.dispose()


def enforce(enforcement: Enforcement) -> None:
    while enforcement.enforce():
        pass


def assert_cut(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:problem-type:api-key-disabled"


def assert_unknown(answer: httpx.Response) -> None:
    assert answer.status_code == 401
    assert answer.json()["type"] == "urn:problem-type:unknown-credential"


# -- what the store says


def test_a_live_key_passes_with_its_account(cast: Cast, door: Door) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    answer = door.ask(basic("k1"))
    assert answer.status_code == 204
    assert answer.headers["x-account"] == "acme"
    assert "deprecation" not in answer.headers


def test_an_enrolled_key_passes_with_its_date(cast: Cast, door: Door) -> None:
    cast.key("k1")
    cast.deprecation()
    cast.enroll()
    enforce(door.enforcement)
    answer = door.ask(basic("k1"))
    assert answer.status_code == 204
    assert answer.headers["deprecation"] == "@1796083200"
    assert answer.headers["sunset"] == "Tue, 02 Feb 2027 16:00:00 GMT"
    assert 'rel="successor-version"' in answer.headers["link"]


def test_a_cut_key_is_refused_and_a_restored_one_passes(cast: Cast, door: Door) -> None:
    cast.key("k1")
    cast.deprecation()
    cast.enroll()
    enforce(door.enforcement)
    cast.cut()
    enforce(door.enforcement)
    assert_cut(door.ask(basic("k1")))

    cast.restore()
    enforce(door.enforcement)
    assert door.ask(basic("k1")).status_code == 204


def test_a_cut_key_is_explained_only_to_who_holds_its_secret(cast: Cast, door: Door) -> None:
    cast.key("k1")
    cast.deprecation()
    cast.enroll()
    cast.cut()
    enforce(door.enforcement)
    answer = door.ask(basic("k1", "guessed"))
    assert_unknown(answer)
    assert "sunset" not in answer.headers


def test_two_keys_with_one_secret_are_told_apart(cast: Cast, door: Door) -> None:
    cast.key("live", account="a")
    cast.key("cut", account="b")
    cast.deprecation()
    cast.enroll("b")
    cast.cut("b")
    enforce(door.enforcement)
    assert door.ask(basic("live")).headers["x-account"] == "a"
    assert_cut(door.ask(basic("cut")))


def test_a_record_is_trusted_for_its_own_key_only(
    cast: Cast, door: Door, valkey: redis.Redis
) -> None:
    cast.key("cut", account="a")
    cast.key("live", account="b")
    cast.deprecation()
    cast.enroll("a")
    cast.cut("a")
    enforce(door.enforcement)
    misplaced = valkey.get(record_key("cut"))
    assert isinstance(misplaced, bytes)
    valkey.set(record_key("live"), misplaced)
    assert door.ask(basic("live")).headers["x-account"] == "b"


@pytest.mark.parametrize(
    ("shown", "problem"),
    [
        (None, "missing-credential"),
        ("Basic ???", "malformed-credential"),
        (basic("nobody"), "unknown-credential"),
        (basic("nobody" * 500), "unknown-credential"),
        (basic("k1", "wrong"), "unknown-credential"),
        ("Bearer of-bad-news", "unknown-credential"),
    ],
)
def test_what_is_no_good_credential_gets_an_explained_401(
    cast: Cast, door: Door, shown: str | None, problem: str
) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    answer = door.ask(shown)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"].startswith('Bearer realm="api"')
    assert answer.json()["type"] == f"urn:problem-type:{problem}"


def test_nginx_is_answered_in_its_own_way(cast: Cast, door: Door) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    assert door.ask(basic("k1"), "?profile=nginx").status_code == 204
    answer = door.ask(basic("nobody"), "?profile=nginx")
    assert answer.status_code == 403
    assert answer.headers["x-error-status"] == "401"
    assert answer.headers["x-error-body"].startswith('{"type": "urn:problem-type:unknown')


def test_envoy_may_append_the_path_that_was_called(cast: Cast, door: Door) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    assert door.ask(basic("k1"), "/v1/users").status_code == 204
    assert door.get("/gateway/checkers").status_code == 404


# -- a store that is behind, empty, wrong or gone must never refuse a live key (E0)


def test_a_key_that_is_not_in_the_store_yet_passes(cast: Cast, door: Door) -> None:
    enforce(door.enforcement)
    cast.key("brand-new")
    assert door.ask(basic("brand-new")).status_code == 204


def test_a_flushed_store_refuses_no_live_key_and_passes_no_cut_one(
    cast: Cast, door: Door, valkey: redis.Redis
) -> None:
    cast.key("live", account="a")
    cast.key("cut", account="b")
    cast.deprecation()
    cast.enroll("a")
    cast.enroll("b")
    cast.cut("b")
    enforce(door.enforcement)
    valkey.flushall()

    answer = door.ask(basic("live"))
    assert answer.status_code == 204
    assert answer.headers["sunset"] == "Tue, 02 Feb 2027 16:00:00 GMT"
    assert_cut(door.ask(basic("cut")))


def test_a_store_that_came_back_with_old_records_is_not_believed_until_it_is_complete(
    cast: Cast, door: Door, valkey: redis.Redis
) -> None:
    cast.key("k1")
    cast.deprecation()
    cast.enroll()
    cast.cut()
    enforce(door.enforcement)
    cast.restore()
    valkey.delete("rollout:complete")
    assert door.ask(basic("k1")).status_code == 204
    enforce(door.enforcement)
    assert door.ask(basic("k1")).status_code == 204


@pytest.mark.parametrize("rubbish", ["", "9 {}", "9 not json", "\xff"])
def test_a_record_that_cannot_be_read_is_looked_up(
    cast: Cast, door: Door, valkey: redis.Redis, rubbish: str
) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    valkey.set(record_key("k1"), rubbish)
    assert door.ask(basic("k1")).status_code == 204


def test_with_the_store_unreachable_the_database_is_asked(
    cast: Cast, enforcement: Enforcement
) -> None:
    cast.key("live", account="a")
    cast.key("cut", account="b")
    cast.deprecation()
    cast.enroll("b")
    cast.cut("b")
    door = Door(NOWHERE, enforcement)
    assert door.ask(basic("live")).status_code == 204
    assert_cut(door.ask(basic("cut")))
    assert_unknown(door.ask(basic("nobody")))


@contextmanager
def own_valkey(data_dir: Path) -> Iterator[tuple[EmbeddedServers, int]]:
    with EmbeddedServers.start(data_dir, postgres=False) as servers:
        pid = running_servers(data_dir)["Valkey"]
        assert pid is not None
        yield servers, pid


@pytest.mark.fault
@pytest.mark.parametrize("sent", [signal.SIGSTOP, signal.SIGKILL])
def test_a_store_that_hangs_or_dies_refuses_no_live_key(
    cast: Cast, start: Start, tmp_path: Path, sent: signal.Signals
) -> None:
    cast.key("k1")
    with own_valkey(tmp_path / "valkey") as (servers, pid):
        with redis.Redis.from_url(servers.redis_url) as client:
            enforcement = Enforcement(start, ValkeyVerdictStore(client))
            enforce(enforcement)
        door = Door(servers.redis_url, enforcement)
        assert door.ask(basic("k1")).status_code == 204
        os.kill(pid, sent)
        try:
            assert {a.status_code for a in door.ask_often([basic("k1")] * 20)} == {204}
        finally:
            os.kill(pid, signal.SIGCONT) if sent == signal.SIGSTOP else None


def test_a_live_key_passes_by_the_store_alone_while_the_database_is_down(
    cast: Cast, door: Door, dead_database: Enforcement
) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    alone = Door(door.redis_url, dead_database)
    assert alone.ask(basic("k1")).status_code == 204


def test_with_the_database_down_an_incomplete_store_still_vouches_for_what_it_has(
    cast: Cast, door: Door, dead_database: Enforcement, valkey: redis.Redis
) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    valkey.delete("rollout:complete")
    alone = Door(door.redis_url, dead_database)
    assert alone.ask(basic("k1")).status_code == 204


def test_when_nobody_can_tell_the_answer_is_503_and_never_401(
    cast: Cast, door: Door, dead_database: Enforcement, valkey: redis.Redis
) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    valkey.delete(record_key("k1"))
    for lost in (Door(door.redis_url, dead_database), Door(NOWHERE, dead_database)):
        answer = lost.ask(basic("k1"))
        assert answer.status_code == 503
        assert answer.headers["retry-after"] == "1"
        assert answer.json()["type"] == "urn:problem-type:temporarily-unavailable"
        tunnelled = lost.ask(basic("k1"), "?profile=nginx")
        assert tunnelled.headers["x-error-status"] == "503"


def test_a_database_that_hangs_holds_nobody_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        engine = make_engine(f"postgresql://nobody@127.0.0.1:{port}/nothing")
        hanging = Enforcement(
            lambda: SqlUnitOfWork(engine), ValkeyVerdictStore(redis.Redis(port=1))
        )
        answers = Door(NOWHERE, hanging).ask_often([basic("k1")] * 30)
        assert {answer.status_code for answer in answers} == {503}
    engine.dispose()


# -- every decision about a key is a sighting


def test_who_has_passed_is_seen_with_key_account_program_and_address(
    cast: Cast, door: Door
) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    before = datetime.now(UTC)
    door.ask_often([basic("k1")] * 3, user_agent="Zapier/1.2", x_forwarded_for="192.0.2.7")
    (one,) = door.seen()

    assert one[:4] == ("k1", "acme", "Zapier/1.2", "192.0.2.7")
    assert before <= one.first_at <= one.last_at <= datetime.now(UTC)
    assert (one.uses, one.refused) == (3, False)


@pytest.mark.parametrize("status", ["disabled", "revoked"])
def test_who_is_refused_for_the_keys_state_is_seen_as_refused(
    cast: Cast, door: Door, status: str
) -> None:
    cast.key("k1", status=status)
    enforce(door.enforcement)
    assert door.ask(basic("k1"), "?profile=nginx").status_code == 403
    (one,) = door.seen()

    assert (one.key_id, one.uses, one.refused) == ("k1", 1, True)


def test_a_key_that_only_the_database_could_vouch_for_is_seen_too(
    cast: Cast, enforcement: Enforcement
) -> None:
    cast.key("k1")
    lost = Door(NOWHERE, enforcement)
    assert lost.ask(basic("k1")).status_code == 204
    assert [one.key_id for one in lost.seen()] == ["k1"]


def test_whoever_cannot_show_the_secret_has_used_no_key(
    cast: Cast, door: Door, dead_database: Enforcement
) -> None:
    cast.key("k1")
    cast.key("cut", status="disabled")
    enforce(door.enforcement)
    shown = [basic("k1", "wrong"), basic("cut", "wrong"), basic("nobody"), "Basic ???", None]
    assert {answer.status_code for answer in door.ask_often(list(shown))} == {401}
    door.get("/healthz")
    nobody_can_tell = Door(NOWHERE, dead_database)
    assert nobody_can_tell.ask(basic("k1")).status_code == 503

    assert (door.seen(), nobody_can_tell.seen()) == ([], [])


@pytest.mark.parametrize(
    ("query", "headers", "address"),
    [
        ("?profile=nginx", {"x_real_ip": "192.0.2.7", "x_forwarded_for": "6.6.6.6"}, "192.0.2.7"),
        ("?profile=nginx", {"x_forwarded_for": "6.6.6.6"}, ""),
        ("", {"x_real_ip": "6.6.6.6", "x_forwarded_for": "192.0.2.7"}, "192.0.2.7"),
        ("", {"x_forwarded_for": "6.6.6.6, 192.0.2.7"}, "192.0.2.7"),
        ("", {"x_real_ip": "6.6.6.6"}, ""),
        ("", {"x_forwarded_for": "2001:db8::7"}, "2001:db8::7"),
    ],
)
def test_an_address_is_believed_only_where_the_proxy_wrote_it(
    cast: Cast, door: Door, query: str, headers: dict[str, str], address: str
) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    door.ask(basic("k1"), query, **headers)

    assert [one.network for one in door.seen()] == [address]


@pytest.mark.parametrize(
    ("where", "headers", "endpoint"),
    [
        (
            "?profile=nginx",
            {"x_original_method": "GET", "x_original_uri": "/v1/users/42?token=s3cret"},
            "GET /v1/users/{id}",
        ),
        ("?profile=nginx", {"x_forwarded_method": "GET", "x_forwarded_uri": "/v1/users"}, ""),
        (
            "",
            {"x_forwarded_method": "PUT", "x_forwarded_uri": "/v1/users/42"},
            "PUT /v1/users/{id}",
        ),
        ("", {"x_forwarded_uri": "/v1/users"}, "/v1/users"),
        ("/v1/users/42?page=2", {}, "PATCH /v1/users/{id}"),
        ("/v1/users", {"x_forwarded_uri": "/v1/lies"}, "PATCH /v1/users"),
        ("", {}, ""),
    ],
)
def test_what_is_called_is_what_the_proxy_says(
    cast: Cast, door: Door, where: str, headers: dict[str, str], endpoint: str
) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    door.ask(basic("k1"), where, **headers)

    assert [one.endpoint for one in door.seen()] == [endpoint]


def test_a_stream_that_does_not_answer_holds_nobody_up_and_changes_no_answer(
    cast: Cast, door: Door
) -> None:
    cast.key("k1")
    enforce(door.enforcement)
    door.stream.broken = True
    answers = door.ask_often([basic("k1")] * 50)

    assert {answer.status_code for answer in answers} == {204}


def test_the_end_of_the_server_hands_on_what_was_seen_last(cast: Cast, door: Door) -> None:
    cast.key("k1")
    enforce(door.enforcement)

    async def live() -> list[str]:
        gateway = Gateway(
            pepper=PEPPER,
            store=VerdictReader(NOWHERE),
            truth=Truth(door.enforcement.look_up),
            sightings=Sightings(door.stream),
            clock=SystemClock(),
        )
        told = iter([{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}])
        said: list[str] = []

        async def receive() -> dict[str, str]:
            message = next(told)
            if message["type"] == "lifespan.shutdown":
                transport = httpx.ASGITransport(app=gateway)
                async with httpx.AsyncClient(transport=transport, base_url="http://g") as client:
                    await client.get("/gateway/check", headers={"Authorization": basic("k1")})
                assert door.seen() == []
            return message

        async def send(message: dict[str, str]) -> None:
            said.append(message["type"])

        await gateway({"type": "lifespan"}, receive, send)
        return said

    assert asyncio.run(live()) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert [one.key_id for one in door.seen()] == ["k1"]


# -- alive and ready


def test_it_is_ready_while_the_store_or_the_database_answers(
    door: Door, dead_database: Enforcement
) -> None:
    assert door.get("/healthz").status_code == 200
    assert door.get("/readyz").status_code == 200
    assert Door(NOWHERE, door.enforcement).get("/readyz").status_code == 200
    assert Door(door.redis_url, dead_database).get("/readyz").status_code == 200

    assert Door(NOWHERE, dead_database).get("/readyz").status_code == 503
    assert Door(NOWHERE, dead_database).get("/healthz").status_code == 200


def test_what_falls_silent_is_logged_once_and_without_secrets(
    cast: Cast, enforcement: Enforcement
) -> None:
    cast.key("k1")
    with capture_logs() as logs:
        Door(NOWHERE, enforcement).ask_often([basic("k1")] * 5)
    assert [line["event"] for line in logs] == ["gateway.silent"]
    assert SECRET not in repr(logs)
    assert basic("k1") not in repr(logs)


def test_a_gateway_that_is_asked_to_end_hands_on_what_it_saw_last(
    cast: Cast, enforcement: Enforcement, engine: Engine, servers: EmbeddedServers, tmp_path: Path
) -> None:
    cast.key("k1")
    enforce(enforcement)
    port = free_port()
    settings = {
        "ROLLOUT_DATABASE_URL": engine.url.render_as_string(hide_password=False),
        "ROLLOUT_REDIS_URL": servers.redis_url,
        "ROLLOUT_PEPPER": PEPPER.decode(),
        "ROLLOUT_DATA_DIR": str(tmp_path),
    }
    command = rollout("gateway", "--listen", f"127.0.0.1:{port}")
    with listening(command, port, settings) as process:
        url = f"http://127.0.0.1:{port}/gateway/check"
        assert httpx.get(url, headers={"Authorization": basic("k1")}).status_code == 204
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    with redis.Redis.from_url(servers.redis_url) as client:
        (entry,) = ValkeyUsageStream(client).read(10)
    assert entry.batch
    assert [one.key_id for one in entry.batch.sums] == ["k1"]
