"""One suite for the usage stream and its fake; what only the real one can be given is below."""

from __future__ import annotations

import asyncio
import json
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest
import redis

from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.adapters.usage_stream import STREAM, ValkeyUsageSink, ValkeyUsageStream
from rollout.adapters.usage_stream.batch_codec import encode
from rollout.adapters.usage_stream.writer import MOST_ENTRIES
from rollout.domain.errors import Unavailable
from rollout.services.ports import UsageSink, UsageStream, UseBatch
from rollout.testing import FakeUsageStream
from tests.support.sums import AT, use_batch, use_sum


@dataclass
class Subject:
    stream: UsageStream
    sink: Callable[[], UsageSink]  # made where it is used: it belongs to one event loop
    empty: Callable[[], object]

    def append(self, *batches: UseBatch) -> None:
        async def append() -> None:
            sink = self.sink()
            for batch in batches:
                await sink.append(batch)
            await sink.close()

        asyncio.run(append())

    def numbers(self, limit: int = 10) -> list[int]:
        return [entry.batch.number for entry in self.stream.read(limit) if entry.batch]

    def names(self) -> Sequence[str]:
        return [entry.name for entry in self.stream.read(100)]


@pytest.fixture(params=["fake", "real"])
def subject(request: pytest.FixtureRequest, servers: EmbeddedServers) -> Subject:
    if request.param == "fake":
        fake = FakeUsageStream()
        return Subject(fake, lambda: fake, fake.empty)
    valkey = request.getfixturevalue("valkey")
    return Subject(
        ValkeyUsageStream(valkey), lambda: ValkeyUsageSink(servers.redis_url), valkey.flushall
    )


def test_what_goes_in_comes_out_equal_and_in_order(subject: Subject) -> None:
    refused = use_sum("clé ü", account_id=None, user_agent="", network="", refused=True)
    refused = refused._replace(endpoint="GET /v1/users/{id}")
    batches = [use_batch(1, use_sum(), refused), use_batch(2, dropped=7)]
    subject.append(*batches)

    assert [entry.batch for entry in subject.stream.read(10)] == batches


def test_reading_forgets_nothing_and_takes_no_more_than_was_asked_for(subject: Subject) -> None:
    subject.append(*(use_batch(number) for number in range(1, 6)))

    assert subject.numbers(2) == [1, 2]
    assert subject.numbers(2) == [1, 2]
    assert subject.numbers() == [1, 2, 3, 4, 5]


def test_what_is_forgotten_does_not_come_again_and_may_be_forgotten_twice(subject: Subject) -> None:
    subject.append(*(use_batch(number) for number in range(1, 5)))
    first = subject.names()[:2]
    subject.stream.forget(first)
    subject.stream.forget(first)
    subject.stream.forget([])

    assert subject.numbers() == [3, 4]


def test_an_empty_stream_and_one_that_was_emptied_hold_nothing(subject: Subject) -> None:
    assert subject.numbers() == []
    subject.append(use_batch(1))
    names = subject.names()
    subject.empty()
    assert subject.numbers() == []
    subject.stream.forget(names)
    subject.append(use_batch(2))
    assert subject.numbers() == [2]


def test_a_stream_that_does_not_answer_says_so_at_both_ends() -> None:
    nowhere = "redis://127.0.0.1:1/0"
    fake = FakeUsageStream()
    fake.broken = True
    for subject in (
        Subject(fake, lambda: fake, fake.empty),
        Subject(
            ValkeyUsageStream(redis.Redis.from_url(nowhere)),
            lambda: ValkeyUsageSink(nowhere),
            list,
        ),
    ):
        for call in (
            lambda it=subject: it.append(use_batch(1)),
            lambda it=subject: it.stream.read(1),
            lambda it=subject: it.stream.forget(["1-0"]),
        ):
            with pytest.raises(Unavailable, match="does not answer"):
                call()


# -- Valkey only


def test_the_oldest_go_when_nobody_collects(servers: EmbeddedServers, valkey: redis.Redis) -> None:
    with valkey.pipeline() as pipeline:
        for _ in range(MOST_ENTRIES + 1000):
            pipeline.xadd(STREAM, {"batch": "x"})
        pipeline.execute()
    real = Subject(
        ValkeyUsageStream(valkey), lambda: ValkeyUsageSink(servers.redis_url), valkey.flushall
    )
    real.append(use_batch(1))

    assert MOST_ENTRIES <= valkey.xlen(STREAM) < MOST_ENTRIES + 500


def test_a_stream_whose_ids_begin_anew_below_the_old_ones_is_read_all_the_same(
    valkey: redis.Redis,
) -> None:
    stream = ValkeyUsageStream(valkey)
    valkey.xadd(STREAM, {"batch": encode(use_batch(1))}, id="9999999999999-5")
    stream.forget([entry.name for entry in stream.read(10)])
    valkey.flushall()
    valkey.xadd(STREAM, {"batch": encode(use_batch(2))}, id="5-1")

    assert [entry.name for entry in stream.read(10)] == ["5-1"]


def test_a_gateway_of_an_earlier_release_does_not_say_what_was_called(valkey: redis.Redis) -> None:
    sound = json.loads(zlib.decompress(encode(use_batch(1))))
    sound["sums"] = [one[:8] for one in sound["sums"]]
    valkey.xadd(STREAM, {"batch": packed(sound)})

    assert [entry.batch for entry in ValkeyUsageStream(valkey).read(1)] == [use_batch(1)]


def test_what_is_no_endpoint_is_not_believed_and_the_use_is_not_lost(valkey: redis.Redis) -> None:
    valkey.xadd(STREAM, {"batch": damaged(endpoint="GET /v1/s3cret-42")})

    assert [entry.batch for entry in ValkeyUsageStream(valkey).read(1)] == [use_batch(1)]


def packed(value: Any) -> bytes:
    return zlib.compress(json.dumps(value).encode())


def damaged(**fields: Any) -> bytes:
    """A batch that is right but for these fields, of the batch or of its one sum."""
    sound = json.loads(zlib.decompress(encode(use_batch(1))))
    names = use_sum()._fields
    sums = dict(zip(names, sound["sums"][0], strict=True))
    sums |= {name: value for name, value in fields.items() if name in names}
    rest = {name: value for name, value in fields.items() if name not in names}
    return packed(sound | {"sums": [list(sums.values())]} | rest)


POISON = {
    "nothing": b"",
    "not compressed": b'{"gateway": "g"}',
    "cut off": encode(use_batch(1))[:-9],
    "a bomb": zlib.compress(b" " * (64 << 20)),
    "not JSON": zlib.compress(b"{"),
    "nested": zlib.compress(b"[" * 100_000),
    "not an object": packed([1]),
    "fields missing": packed({"gateway": "g"}),
    "no gateway": damaged(gateway=""),
    "an endpoint that is no text": damaged(endpoint=7),
    "a number that is none": damaged(number="1"),
    "number nought": damaged(number=0),
    "true as a number": damaged(number=True),
    "sums that are none": damaged(sums=[[1]]),
    "a key with NUL": damaged(key_id="k\0"),
    "a key with half a surrogate": damaged(key_id="k\ud800"),
    "a long key": damaged(key_id="k" * 300),
    "no key": damaged(key_id=None),
    "no user agent": damaged(user_agent=None),
    "no time": damaged(first_at="yesterday"),
    "no zone": damaged(first_at=AT.replace(tzinfo=None).isoformat()),
    "another century": damaged(first_at="0001-01-01T00:00:00+14:00"),
    "more than an hour": damaged(last_at=(AT + timedelta(hours=1)).isoformat()),
    "backwards": damaged(last_at=(AT - timedelta(seconds=1)).isoformat()),
    "no uses": damaged(uses=0),
    "too many uses": damaged(uses=10**30),
    "half a use": damaged(uses=1.5),
    "no outcome": damaged(refused="no"),
}


@pytest.mark.parametrize("content", POISON.values(), ids=POISON.keys())
def test_an_entry_that_is_no_batch_says_why_and_the_next_one_is_read(
    valkey: redis.Redis, content: bytes
) -> None:
    valkey.xadd(STREAM, {"batch": content})
    valkey.xadd(STREAM, {"other": b"field"})
    valkey.xadd(STREAM, {"batch": encode(use_batch(1))})
    poisoned, other, sound = ValkeyUsageStream(valkey).read(10)

    assert poisoned.batch is None
    assert poisoned.why
    assert (other.batch, other.why) == (None, "it holds no batch")
    assert sound.batch == use_batch(1)


def test_texts_that_a_database_cannot_keep_are_mended_where_no_use_would_be_lost() -> None:
    content = damaged(user_agent="a\0b\ud800" + "c" * 5000)
    fake_free = zlib.decompress(content)
    assert b"\\u0000" in fake_free

    from rollout.adapters.usage_stream.batch_codec import decode

    (one,) = decode(content).sums
    assert one.user_agent.startswith("a\ufffdb?c")
    assert len(one.user_agent) == 1000
