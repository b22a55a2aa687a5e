"""How a gateway reads the verdict store: one round trip, and never a long wait."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import redis.asyncio
from redis.asyncio.connection import AbstractConnection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from rollout.adapters.enforcers.record_codec import decode
from rollout.adapters.enforcers.verdict_store import COMPLETE, record_key
from rollout.domain.errors import Unavailable
from rollout.domain.gateway import Record

TIMEOUT = 0.1  # seconds; the truth is asked after that


@dataclass(frozen=True, slots=True)
class Seen:
    """What the store says of a key. Only a complete store is taken at its word."""

    record: Record | None = None
    complete: bool = False


class VerdictReader:
    """Reads records; it connects when first asked."""

    def __init__(self, redis_url: str) -> None:
        self._run_id = b""
        self._client = redis.asyncio.Redis.from_url(
            redis_url, retry=Retry(NoBackoff(), 0), redis_connect_func=self._greet
        )

    async def read(self, key_id: str) -> Seen:
        """Return what the store says; raise ``Unavailable`` if it does not say it in time."""
        try:
            async with asyncio.timeout(TIMEOUT):
                record, complete = await self._client.mget(record_key(key_id), COMPLETE)
        except (redis.RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"the verdict store does not answer: {error}") from error
        return Seen(decode(record), self._is_complete(complete))

    def _is_complete(self, sync: bytes | str | None) -> bool:
        """Say whether the sync was made by the server as it runs now."""
        return isinstance(sync, bytes) and bool(self._run_id) and sync.startswith(self._run_id)

    async def _greet(self, connection: AbstractConnection) -> None:
        """Ask a new connection which run of the server it leads to: no restart leaves one open."""
        await connection.on_connect()
        await connection.send_command("INFO", "server")
        info: bytes = await connection.read_response()
        self._run_id = info.partition(b"run_id:")[2].partition(b"\r")[0]

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
