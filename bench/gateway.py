"""The gateway check, beside an empty ASGI endpoint behind the same nginx and the same profile.

Owed (DESIGN, section 11): 0.7 of its requests per second, at most 150 µs more at the median.
"""

from __future__ import annotations

import asyncio
import base64
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
import uvloop
from sqlalchemy import Engine, text

from bench.figures import Figure
from bench.servers import PEPPER, Servers
from bench.size import Size
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.enforcers.verdict_store import ValkeyVerdictStore
from rollout.domain.inventory import digest_secret
from rollout.services.enforcement import Enforcement

PROFILE = Path(__file__).parents[1] / "docs" / "gateway" / "nginx.conf"
PROGRAM = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin")
CONNECTIONS = 16

NGINX = """
daemon off; pid {directory}/nginx.pid; worker_processes 1; error_log stderr error; {user}
events {{ worker_connections 1024; }}
http {{ access_log off; keepalive_requests 10000000;
  client_body_temp_path {directory}/b; proxy_temp_path {directory}/p;
  fastcgi_temp_path {directory}/f; uwsgi_temp_path {directory}/u; scgi_temp_path {directory}/s;
  include {directory}/rollout.conf; }}
"""


async def empty(_scope: Any, _receive: Any, send: Any) -> None:
    """Let everybody pass: the floor."""
    headers = [(b"x-account", b"acme")]
    await send({"type": "http.response.start", "status": 204, "headers": headers})
    await send({"type": "http.response.body", "body": b""})


@dataclass(frozen=True, slots=True)
class Load:
    """What one round gave: requests per second, and the median latency in µs."""

    rate: float
    median: float


def measure(servers: Servers, size: Size) -> Iterator[Figure]:
    """Ask the two through the same nginx, in turn."""
    if PROGRAM is None:
        print("gateway: left out, nginx is missing: apt install nginx-light", file=sys.stderr)
        return
    with ExitStack() as stack:
        engine = stack.enter_context(servers.database("gateway"))
        yield from fill(servers, engine, size.gateway_keys)
        floor, check, *public = free_ports(6)
        command = [sys.executable, "-m", "uvicorn", "bench.gateway:empty", "--no-access-log"]
        stack.enter_context(running([*command, "--lifespan", "off", "--port", str(floor)]))
        listen = ["gateway", "--listen", f"127.0.0.1:{check}"]
        environment = servers.environment(engine)
        stack.enter_context(running([sys.executable, "-m", "rollout", *listen], environment))
        doors = [
            stack.enter_context(nginx(servers.directory / name, port, *ports))
            for name, port, ports in (("floor", floor, public[:2]), ("check", check, public[2:]))
        ]
        wait_for(doors, size.gateway_keys)
        for connections in (1, CONNECTIONS):
            yield from figures(connections, *best(doors, connections, size))


def best(doors: Sequence[int], connections: int, size: Size) -> Sequence[Load]:
    """Return the best round of each door."""
    found = [Load(0, 0) for _ in doors]
    for _ in range(size.gateway_rounds):
        for number, port in enumerate(doors):
            try:
                load = uvloop.run(sample(port, connections, size))
            except ConnectionError:  # a stall of half a second: nginx has given up on the gateway
                continue
            found[number] = max(found[number], load, key=lambda load: load.rate)
    return found


def figures(connections: int, floor: Load, check: Load) -> Iterator[Figure]:
    yield Figure(
        what=f"gateway check, {connections} connections".replace("1 connections", "1 connection"),
        value=check.rate,
        unit="/s",
        beside="an empty endpoint",
        floor=floor.rate,
        owed="≥ 0.7",
    )
    if connections == 1:  # with more, it is how long they queue
        added = check.median - floor.median
        yield Figure(what="  added at the median", value=added, unit="µs", owed="≤ 150 µs")


async def sample(port: int, connections: int, size: Size) -> Load:
    """Ask as fast as the answers come, over so many connections."""
    latencies: list[float] = []
    end = time.perf_counter() + size.gateway_seconds
    asking = (ask(port, n, size.gateway_keys, end, latencies) for n in range(connections))
    await asyncio.gather(*asking)
    rate = len(latencies) / size.gateway_seconds
    return Load(rate, statistics.median(latencies) * 1e6)


async def ask(port: int, key: int, keys: int, end: float, latencies: list[float]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    while (begun := time.perf_counter()) < end:
        key = (key + 7919) % keys
        shown = base64.b64encode(f"key-{key}:secret-{key}".encode()).decode()
        writer.write(f"GET / HTTP/1.1\r\nHost: a\r\nAuthorization: Basic {shown}\r\n\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise ConnectionError(f"refused: {head!r}")
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r")[0])
        await reader.readexactly(length)
        latencies.append(time.perf_counter() - begun)
    writer.close()


def fill(servers: Servers, engine: Engine, keys: int) -> Iterator[Figure]:
    """Make keys and let the relay write them."""
    with engine.begin() as connection:
        connection.execute(
            text(
                "INSERT INTO accounts (account_id, name, timezone, locale, tier)"
                " VALUES ('acme', 'Acme', 'UTC', 'en', '')"
            )
        )
        connection.execute(
            text(
                "INSERT INTO keys (key_id, account_id, kind, label, hint, secret_digest)"
                " VALUES (:key_id, 'acme', 'rest', '', '', :digest)"
            ),
            [
                {"key_id": f"key-{n}", "digest": digest_secret(PEPPER.encode(), f"secret-{n}")}
                for n in range(keys)
            ],
        )
    with redis.Redis.from_url(servers.redis_url) as client:
        enforcement = Enforcement(lambda: SqlUnitOfWork(engine), ValkeyVerdictStore(client))
        begun = time.perf_counter()
        handled = 0
        while more := enforcement.enforce():
            handled += more
    seconds = time.perf_counter() - begun
    yield Figure(what="fill an empty Valkey", value=handled / seconds, unit="records/s")


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]


@contextmanager
def nginx(directory: Path, gateway: int, public: int, sample_api: int) -> Iterator[int]:
    """Run the shipped profile in front of its own sample API."""
    directory.mkdir()
    profile = PROFILE.read_text(encoding="utf-8")
    for address, instead in (
        ("server gateway:8081;", f"server 127.0.0.1:{gateway};"),
        ("listen 8082;", f"listen 127.0.0.1:{public};"),
        ("server 127.0.0.1:9000;", f"server 127.0.0.1:{sample_api};"),
        ("listen 127.0.0.1:9000;", f"listen 127.0.0.1:{sample_api};"),
    ):
        profile = profile.replace(address, instead)
    (directory / "rollout.conf").write_text(profile)
    user = "user root;" if os.geteuid() == 0 else ""
    (directory / "nginx.conf").write_text(NGINX.format(directory=directory, user=user))
    with running([str(PROGRAM), "-e", "stderr", "-c", str(directory / "nginx.conf")]):
        yield public


@contextmanager
def running(command: list[str], environment: dict[str, str] | None = None) -> Iterator[None]:
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        process.terminate()
        process.wait()


def wait_for(ports: Sequence[int], keys: int) -> None:
    """Wait until every door lets a key pass."""
    for port in ports:
        for attempt in range(300):
            try:
                uvloop.run(ask(port, 0, keys, time.perf_counter() + 0.01, []))
            except OSError:
                if attempt == 299:
                    raise
                time.sleep(0.1)
            else:
                break
