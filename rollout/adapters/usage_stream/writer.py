"""The gateway's end of the stream."""

from __future__ import annotations

import asyncio

import redis.asyncio
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

from rollout.adapters.usage_stream.batch_codec import encode
from rollout.domain.errors import Unavailable
from rollout.services.ports.usage_stream import UseBatch

STREAM = "rollout:usage"
# While no worker collects, the oldest entries go: the verdicts beside them need room too. One busy
# gateway fills this in more than an hour.
MOST_ENTRIES = 20_000
TIMEOUT = 0.5  # seconds


class ValkeyUsageSink:
    """Implements ``services.ports.usage_stream.UsageSink``; it connects when first used."""

    def __init__(self, redis_url: str) -> None:
        self._client = redis.asyncio.Redis.from_url(redis_url, retry=Retry(NoBackoff(), 0))

    async def append(self, batch: UseBatch) -> None:
        """Append a batch; raise ``Unavailable`` if nobody can say whether it arrived."""
        try:
            async with asyncio.timeout(TIMEOUT):
                await self._client.xadd(
                    STREAM, {"batch": encode(batch)}, maxlen=MOST_ENTRIES, approximate=True
                )
        except (redis.RedisError, OSError, TimeoutError) as error:
            raise Unavailable(f"the usage stream does not answer: {error}") from error

    async def close(self) -> None:
        """Close the connections."""
        await self._client.aclose()
