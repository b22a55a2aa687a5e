"""The verdict store in Valkey: one string per key, and beside them how complete they are.

``rollout:complete`` names the sync that copied everything, ``rollout:sync`` the one under way and
how far it is. A name begins with the run id of the server, which is another one after each restart:
a server that comes back with old data does not pass for complete.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import redis

from rollout.adapters.enforcers.record_codec import decode, encode
from rollout.domain.errors import Unavailable
from rollout.domain.gateway import Record
from rollout.services.ports.verdicts import Sync

COMPLETE = "rollout:complete"
SYNC = "rollout:sync"
CHUNK = 100  # records per script call: a gateway that asks meanwhile waits for one chunk only

# Versions lead the values. Lua's numbers are exact up to 2^53.
WRITE_IF_NEWER = """
for i, key in ipairs(KEYS) do
  local there = tonumber(string.match(redis.call('GET', key) or '', '^%d+') or 0)
  if tonumber(string.match(ARGV[i], '^%d+')) > there then redis.call('SET', key, ARGV[i]) end
end
"""
ADVANCE = """
if redis.call('GET', KEYS[1]) == ARGV[1] then redis.call('SET', KEYS[1], ARGV[2]) end
"""
FINISH = """
if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('DEL', KEYS[1])
  redis.call('SET', KEYS[2], ARGV[2])
end
"""


def record_key(key_id: str) -> str:
    """Return the name under which the record of a key lies."""
    return f"rollout:key:{key_id}"


class ValkeyVerdictStore:
    """Implements ``services.ports.verdicts`` on Valkey or Redis."""

    def __init__(self, client: redis.Redis) -> None:
        self._client = client
        self._write_if_newer = client.register_script(WRITE_IF_NEWER)
        self._advance = client.register_script(ADVANCE)
        self._finish = client.register_script(FINISH)

    def write(self, records: Sequence[Record]) -> None:
        """Write records. One whose version is not above that of the record there is left out."""
        with _explained(), self._client.pipeline(transaction=False) as pipeline:
            for start in range(0, len(records), CHUNK):
                chunk = records[start : start + CHUNK]
                self._write_if_newer(
                    keys=[record_key(record.key_id) for record in chunk],
                    args=[encode(record) for record in chunk],
                    client=pipeline,
                )
            pipeline.execute()

    def read(self, key_id: str) -> Record | None:
        """Return the record of a key, or None."""
        with _explained():
            return decode(self._client.get(record_key(key_id)))

    def unfinished_sync(self) -> Sync | None:
        """Return the sync that is under way, or None; begin one where a full copy is missing."""
        with _explained():
            run_id = self._client.info("server")["run_id"]
            complete, sync = self._client.mget(COMPLETE, SYNC)
            if _text(complete).startswith(run_id):
                return None
            name, _, cursor = _text(sync).partition(" ")
            return Sync(name, cursor) if name.startswith(run_id) else self._begin(run_id)

    def advance(self, sync: Sync, cursor: str) -> None:
        """Note how far a sync has come, unless another one has been begun or has gone further."""
        with _explained():
            self._advance(keys=[SYNC], args=[_state(sync), _state(Sync(sync.name, cursor))])

    def finish(self, sync: Sync) -> None:
        """Declare the store complete, unless another sync has been begun or has gone further."""
        with _explained():
            self._finish(keys=[SYNC, COMPLETE], args=[_state(sync), sync.name])

    def _begin(self, run_id: str) -> Sync:
        sync = Sync(f"{run_id}-{secrets.token_hex(8)}", "")
        with self._client.pipeline(transaction=True) as pipeline:
            pipeline.delete(COMPLETE)
            pipeline.set(SYNC, _state(sync))
            pipeline.execute()
        return sync


def _text(value: bytes | str | None) -> str:
    return value.decode() if isinstance(value, bytes) else value or ""


def _state(sync: Sync) -> str:
    return f"{sync.name} {sync.cursor}"


@contextmanager
def _explained() -> Iterator[None]:
    try:
        yield
    except redis.RedisError as error:
        raise Unavailable(
            f"the verdict store does not answer: {error}",
            fix="is Valkey running, and is ROLLOUT_REDIS_URL right? `rollout doctor` says more",
        ) from error
