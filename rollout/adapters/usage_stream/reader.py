"""The worker's end of the stream."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import redis

from rollout.adapters.usage_stream.batch_codec import decode
from rollout.adapters.usage_stream.writer import STREAM
from rollout.domain.errors import Unavailable
from rollout.services.ports.usage_stream import StreamEntry


class ValkeyUsageStream:
    """Implements ``services.ports.usage_stream.UsageStream`` on Valkey or Redis.

    It always reads from the front, never after a remembered id: a server that was emptied, or came
    back on another machine, may give ids that are lower than those it gave before.
    """

    def __init__(self, client: redis.Redis) -> None:
        self._client = client

    def read(self, limit: int) -> Sequence[StreamEntry]:
        """Read the first entries that are not forgotten, in the order in which they came in."""
        with _explained():
            found = self._client.xrange(STREAM, count=limit) or ()
        return [_entry(_text(name), fields or {}) for name, fields in found]

    def forget(self, names: Sequence[str]) -> None:
        """Take entries out for good; those that are gone already do not matter."""
        if names:
            with _explained():
                self._client.xdel(STREAM, *names)


def _entry(name: str, fields: Mapping[bytes | str, bytes | str]) -> StreamEntry:
    content = fields.get(b"batch")
    if not isinstance(content, bytes):
        return StreamEntry(name, None, "it holds no batch")
    try:
        return StreamEntry(name, decode(content))
    except ValueError as error:
        return StreamEntry(name, None, str(error))


def _text(name: bytes | str | None) -> str:
    return name.decode() if isinstance(name, bytes) else name or ""


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise Unavailable(
            f"the usage stream does not answer: {error}",
            fix="is Valkey running, and is ROLLOUT_REDIS_URL right? `rollout doctor` says more",
        ) from error
