"""``POST /api/v1/usage``: what is counted, what is refused, and how it is said."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from openapi_spec_validator import validate
from sqlalchemy import Engine

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.bootstrap import Rollout, bootstrap
from rollout.settings import Settings
from rollout.web.api.uploads import MOST_SENT, MOST_UNPACKED, TooLarge, Upload, temporary_file
from rollout.web.app import make_app
from tests.support.database import rows

TOKEN = "a token of more than sixteen characters"
NDJSON = "application/x-ndjson"
USE = {"key_id": "k1", "at": "2026-05-01T12:30:00Z", "user_agent": "Zapier", "network": "192.0.2.7"}


def lines(*records: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


class Door:
    """A client of the API, in this process."""

    def __init__(self, rollout: Rollout) -> None:
        self._app = make_app(rollout)

    def post(
        self,
        content: bytes | Callable[[], AsyncIterator[bytes]],
        *,
        token: str | None = TOKEN,
        query: str = "",
        **headers: str,
    ) -> httpx.Response:
        named = {"content-type": NDJSON} | {k.replace("_", "-"): v for k, v in headers.items()}
        if token is not None:
            named["authorization"] = f"Bearer {token}"
        return self._send("POST", "/api/v1/usage" + query, content, named)

    def get(self, path: str) -> httpx.Response:
        return self._send("GET", path, b"", {})

    def _send(
        self,
        method: str,
        path: str,
        content: bytes | Callable[[], AsyncIterator[bytes]],
        headers: dict[str, str],
    ) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="http://web") as client:
                body = content if isinstance(content, bytes) else content()
                raw = [(name, value.encode()) for name, value in headers.items()]
                return await client.request(method, path, content=body, headers=raw)

        return asyncio.run(send())


@pytest.fixture
def settings(database_url: str, servers: EmbeddedServers, tmp_path: Path) -> Settings:
    return Settings(
        database_url=database_url,
        redis_url=servers.redis_url,
        data_dir=tmp_path,
        usage_token=TOKEN,
    )


@pytest.fixture
def wired(settings: Settings) -> Iterator[Rollout]:
    with bootstrap(settings) as rollout:
        yield rollout


@pytest.fixture
def door(wired: Rollout) -> Door:
    return Door(wired)


def totals(engine: Engine) -> list[tuple[Any, ...]]:
    return rows(engine, "SELECT key_id, count, refused FROM key_usage ORDER BY key_id")


def assert_problem(answer: httpx.Response, status: int, kind: str) -> dict[str, Any]:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert problem["type"] == f"urn:problem-type:{kind}"
    assert problem["status"] == status
    assert problem["title"]
    assert problem["detail"]
    return problem


# -- what is counted


def test_uses_are_counted_and_the_answer_says_what_became_of_each_line(
    door: Door, engine: Engine
) -> None:
    body = lines(
        USE,
        USE | {"status": 401},
        USE | {"key_id": "k2", "refused": True},
        {"at": USE["at"]},
        USE | {"at": "2999-01-01T00:00:00Z"},
    )
    answer = door.post(body + b"not JSON\n", query="?feed=billing")

    assert answer.status_code == 200
    told = answer.json()
    (example,) = told.pop("examples")
    assert "line 6" in example
    assert told == {
        "feed": "billing",
        "already_imported": False,
        "records": 6,
        "sightings": 3,
        "repeated": 0,
        "ahead": 1,
        "keyless": 1,
        "unreadable": 1,
    }
    assert totals(engine) == [("k1", 2, 1), ("k2", 1, 1)]
    assert rows(engine, "SELECT feed, events FROM feeds") == [("billing", 3)]
    assert rows(engine, "SELECT actor, action, subject FROM facts") == [
        ("usage-api", "usage.imported", "feed:billing")
    ]


def test_a_gzipped_body_is_the_same_as_a_plain_one(door: Door, engine: Engine) -> None:
    body = lines(USE, USE | {"key_id": "k2"})
    packed = gzip.compress(body[:50]) + gzip.compress(body[50:])
    assert door.post(packed, content_encoding="gzip").json()["sightings"] == 2

    again = door.post(body)
    assert (again.status_code, again.json()["already_imported"]) == (200, True)
    assert totals(engine) == [("k1", 1, 0), ("k2", 1, 0)]


def test_an_empty_body_is_fine_and_counts_nothing(door: Door) -> None:
    assert door.post(b"").json()["records"] == 0


def test_without_a_name_the_feed_is_the_format(door: Door) -> None:
    assert door.post(lines(USE)).json()["feed"] == "ndjson"


# -- sending again


@pytest.mark.parametrize("headers", [{}, {"idempotency_key": "abc"}])
def test_the_same_body_again_gets_the_counts_of_the_first_time(
    door: Door, engine: Engine, headers: dict[str, str]
) -> None:
    assert door.post(lines(USE)).json()["sightings"] == 1
    body = lines(USE, USE | {"key_id": "k2"}, {"at": USE["at"]})
    assert not door.post(body, **headers).json()["already_imported"]
    again = door.post(body, **headers)

    assert again.status_code == 200
    assert again.json() == {
        "feed": "ndjson",
        "already_imported": True,
        "sightings": 1,
        "repeated": 1,
        "keyless": 1,
        "unreadable": 0,
    }
    assert totals(engine) == [("k1", 1, 0), ("k2", 1, 0)]


def test_a_key_is_of_one_body_only(door: Door, engine: Engine) -> None:
    assert door.post(lines(USE), idempotency_key="abc").status_code == 200
    other = door.post(lines(USE | {"key_id": "k2"}), idempotency_key="abc")
    assert_problem(other, 422, "idempotency-key-reused")
    assert totals(engine) == [("k1", 1, 0)]

    assert door.post(lines(USE), idempotency_key="abc").json()["already_imported"]
    assert door.post(lines(USE | {"key_id": "k2"}), idempotency_key="abd").status_code == 200


def test_a_body_that_was_refused_takes_no_key(door: Door) -> None:
    assert door.post(b"rubbish\n", idempotency_key="abc").status_code == 422
    assert door.post(lines(USE), idempotency_key="abc").json()["sightings"] == 1


def test_while_a_body_is_counted_another_request_under_its_key_is_told_so(
    door: Door, wired: Rollout
) -> None:
    with wired.start() as uow:
        assert uow.usage.claim_name("POST /api/v1/usage, Idempotency-Key abc")
        assert_problem(door.post(lines(USE), idempotency_key="abc"), 409, "under-way")
        assert door.post(lines(USE)).status_code == 200
    assert door.post(lines(USE | {"key_id": "k2"}), idempotency_key="abc").status_code == 200


def test_two_at_once_under_one_key_count_one_body(door: Door, engine: Engine) -> None:
    bodies = [lines(*[USE | {"key_id": f"k{n}"}] * 2000) for n in (1, 2)]
    codes: list[int] = []

    def post(body: bytes) -> None:
        codes.append(door.post(body, idempotency_key="abc").status_code)

    threads = [threading.Thread(target=post, args=(body,)) for body in bodies]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)

    assert codes.count(200) == 1
    assert set(codes) - {200} <= {409, 422}
    assert len(totals(engine)) == 1


# -- who may


def test_the_door_is_closed_until_a_token_is_set(settings: Settings) -> None:
    with bootstrap(replace(settings, usage_token=None)) as rollout:
        for token in (None, "", TOKEN):
            problem = assert_problem(
                Door(rollout).post(lines(USE), token=token), 404, "not-enabled"
            )
            assert "ROLLOUT_USAGE_TOKEN" in problem["detail"]


@pytest.mark.parametrize("token", [None, "", "x", TOKEN[:-1], TOKEN + "x", TOKEN.upper(), "é"])
def test_whoever_has_not_the_token_is_challenged_and_nothing_is_read(
    door: Door, engine: Engine, token: str | None
) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = door.post(never, token=token)
    assert_problem(answer, 401, "token-needed")
    wrong = token is not None and token != ""
    challenge = answer.headers["www-authenticate"]
    assert challenge.startswith('Bearer realm="usage"')
    assert ("invalid_token" in challenge) is wrong
    assert totals(engine) == []


def test_another_scheme_is_no_token(door: Door) -> None:
    answer = door.post(lines(USE), token=None, authorization=f"Basic {TOKEN}")
    assert_problem(answer, 401, "token-needed")


# -- what is refused


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "application/json"},
        {"content_type": ""},
        {"content_type": "text/plain; charset=utf-8"},
        {"content_encoding": "br"},
        {"content_encoding": "gzip, gzip"},
    ],
)
def test_a_body_in_another_format_is_not_supported(door: Door, headers: dict[str, str]) -> None:
    answer = door.post(lines(USE), **headers)
    assert_problem(answer, 415, "unsupported-body")
    assert answer.headers["accept-post"] == NDJSON


def test_a_charset_beside_the_type_is_fine(door: Door) -> None:
    assert door.post(lines(USE), content_type=f"{NDJSON}; charset=utf-8").status_code == 200


@pytest.mark.parametrize("feed", ["", "f" * 101, "a%0Ab", "%00"])
def test_a_feed_needs_a_name_that_can_be_shown(door: Door, feed: str) -> None:
    assert_problem(door.post(lines(USE), query=f"?feed={feed}"), 400, "bad-feed")


@pytest.mark.parametrize("key", ["", "k" * 256, "\xe9"])
def test_an_idempotency_key_is_short_and_ascii(door: Door, key: str) -> None:
    answer = door.post(lines(USE), idempotency_key=key)
    assert_problem(answer, 400, "bad-idempotency-key")


@pytest.mark.parametrize(
    "body",
    [
        gzip.compress(lines(USE) * 1000)[:-9],
        lines(USE),
        gzip.compress(lines(USE)) + b"rest",
        gzip.compress(lines(USE))[:20] + b"\0" * 40,
    ],
    ids=["cut off", "not gzip", "something behind", "broken inside"],
)
def test_damaged_gzip_keeps_nothing(door: Door, engine: Engine, body: bytes) -> None:
    assert_problem(door.post(body, content_encoding="gzip"), 400, "damaged-body")
    assert totals(engine) == []
    assert rows(engine, "SELECT 1 FROM usage_files") == []


def test_a_body_of_which_no_line_can_be_read_is_refused_with_examples(
    door: Door, engine: Engine
) -> None:
    problem = assert_problem(door.post(b"rubbish\nmore\n"), 422, "unreadable")
    assert len(problem["examples"]) == 2
    assert rows(engine, "SELECT 1 FROM usage_files") == []


def test_a_body_that_says_it_is_too_large_is_not_read(door: Door) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was read")
        yield b""

    answer = door.post(never, content_length=str(MOST_SENT + 1))
    assert_problem(answer, 413, "too-large")


def test_a_body_that_does_not_say_how_large_it_is_is_read_no_further_than_the_bound(
    door: Door,
) -> None:
    read = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal read
        while True:
            read += 1 << 20
            yield bytes(1 << 20)

    assert_problem(door.post(endless), 413, "too-large")
    assert read <= MOST_SENT + (1 << 20)


def test_a_gzip_bomb_is_refused_before_it_has_gone_off(door: Door, engine: Engine) -> None:
    megabyte = gzip.compress(b"\n" * (1 << 20))
    bomb = megabyte * ((MOST_UNPACKED >> 20) + 2)
    assert len(bomb) < 1 << 20
    assert_problem(door.post(bomb, content_encoding="gzip"), 413, "too-large")
    assert rows(engine, "SELECT 1 FROM usage_files") == []


def test_no_more_than_a_block_is_unpacked_at_a_time() -> None:
    with temporary_file() as file:
        file.write(gzip.compress(bytes(64 << 20)))
        blocks = Upload("bomb", file, gzipped=True).blocks()
        assert max(len(block) for block in blocks) <= 1 << 20
        file.seek(0)
        file.truncate()
        file.write(gzip.compress(bytes(1 << 20)) * ((MOST_UNPACKED >> 20) + 1))
        with pytest.raises(TooLarge):
            Upload("bomb", file, gzipped=True).check()


def test_a_database_that_gives_up_is_a_reason_to_try_again(door: Door, engine: Engine) -> None:
    with engine.connect() as connection:
        connection.exec_driver_sql("LOCK TABLE usage_files IN ACCESS EXCLUSIVE MODE")
        answer = door.post(lines(USE))
    assert_problem(answer, 503, "temporarily-unavailable")
    assert answer.headers["retry-after"] == "1"


def test_a_line_that_would_hurt_a_terminal_comes_back_harmless(door: Door) -> None:
    answer = door.post(lines(USE) + b"\x1b[2J\x00=cmd|calc\n")
    (example,) = answer.json()["examples"]
    assert "\x1b" not in example
    assert "\x00" not in example


# -- described


def test_the_description_is_valid_and_names_what_is_there(door: Door) -> None:
    document = door.get("/api/v1/openapi.json").json()
    validate(document)

    assert document["openapi"].startswith("3.1")
    operation = document["paths"]["/api/v1/usage"]["post"]
    assert set(operation["responses"]) == {
        *("200", "400", "401", "404", "409", "413", "415", "422", "503")
    }
    counts = set(document["components"]["schemas"]["Counts"]["properties"])
    assert set(door.post(lines(USE)).json()) == counts


def test_only_post_is_answered(door: Door) -> None:
    assert door.get("/api/v1/usage").status_code == 405
