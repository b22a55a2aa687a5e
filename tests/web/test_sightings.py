"""What a gateway sees is summed up and handed on, and nobody waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from structlog.testing import capture_logs

from rollout.domain.gateway import Record
from rollout.domain.inventory import KeyStatus
from rollout.services.ports import UseBatch
from rollout.testing import FakeUsageStream
from rollout.web.callers import Caller
from rollout.web.sightings import LARGEST, MOST, Sightings

AT = datetime(2027, 1, 1, 12, 59, 59, 900_000, tzinfo=UTC)
CALLER = Caller((), b"curl/8", b"192.0.2.7")


def record(key_id: str = "k1", account_id: str = "acme") -> Record:
    return Record(
        key_id=key_id,
        account_id=account_id,
        status=KeyStatus.ACTIVE,
        version=1,
        hint="",
        secret_digest=b"",
        disabled_at=None,
        retirement=None,
    )


class Bench:
    """Sightings over a fake stream."""

    def __init__(self) -> None:
        self.stream = FakeUsageStream()
        self.sightings = Sightings(self.stream)

    def note(
        self,
        key_id: str = "k1",
        caller: Caller = CALLER,
        *,
        after: float = 0,
        refused: bool = False,
    ) -> None:
        at = AT + timedelta(seconds=after)
        self.sightings.note(record(key_id), caller, at=at, refused=refused)

    def batches(self) -> list[UseBatch]:
        return [entry.batch for entry in self.stream.read(1000) if entry.batch]

    def uses(self) -> dict[str, int]:
        """Uses by key, each batch once."""
        found: dict[str, int] = {}
        for batch in {batch.number: batch for batch in self.batches()}.values():
            for one in batch.sums:
                found[one.key_id] = found.get(one.key_id, 0) + one.uses
        return found


def run(do: Callable[[Bench], Awaitable[None]]) -> Bench:
    """Do something with sightings in an event loop of its own, and close them."""

    async def work() -> Bench:
        bench = Bench()
        await do(bench)
        await bench.sightings.close()
        return bench

    return asyncio.run(work())


def test_equal_calls_of_an_hour_are_one_sum_and_all_others_are_apart() -> None:
    async def see(bench: Bench) -> None:
        for after in (0.0, 0.05, 0.02, 0.2):  # the last one is in the next hour
            bench.note(after=after)
        bench.note(refused=True)
        bench.note("k2")
        bench.note(caller=CALLER._replace(user_agent=b"wget"))
        bench.note(caller=CALLER._replace(network=b"::1"))
        for number in range(2):
            bench.note(caller=CALLER._replace(method=b"GET", target=b"/v1/users/%d" % number))

    (batch,) = run(see).batches()

    assert [(one.key_id, one.user_agent, one.network, one.refused) for one in batch.sums] == [
        ("k1", "curl/8", "192.0.2.7", False),
        ("k1", "curl/8", "192.0.2.7", False),
        ("k1", "curl/8", "192.0.2.7", True),
        ("k2", "curl/8", "192.0.2.7", False),
        ("k1", "wget", "192.0.2.7", False),
        ("k1", "curl/8", "::1", False),
        ("k1", "curl/8", "192.0.2.7", False),
    ]
    assert [one.uses for one in batch.sums] == [3, 1, 1, 1, 1, 1, 2]
    assert [one.endpoint for one in batch.sums] == [""] * 6 + ["GET /v1/users/{id}"]
    assert (batch.sums[0].first_at, batch.sums[0].last_at) == (AT, AT + timedelta(seconds=0.05))


def test_a_clock_that_is_set_back_moves_the_first_use_not_the_last() -> None:
    async def see(bench: Bench) -> None:
        bench.note()
        bench.note(after=-3)

    (batch,) = run(see).batches()
    assert (batch.sums[0].first_at, batch.sums[0].last_at) == (AT - timedelta(seconds=3), AT)


def test_what_is_seen_is_handed_on_without_being_asked() -> None:
    class Telling(FakeUsageStream):
        arrived: asyncio.Queue[int] = asyncio.Queue()

        async def append(self, batch: UseBatch) -> None:
            await self.arrived.put(batch.number)

    async def see() -> None:
        seen = Sightings(stream := Telling(), interval=0.01)
        for number in (1, 2):
            seen.note(record(), CALLER, at=AT, refused=False)
            async with asyncio.timeout(10):
                assert await stream.arrived.get() == number
        await seen.close()

    asyncio.run(see())


def test_while_nobody_calls_nothing_is_sent_and_nothing_runs() -> None:
    async def see(bench: Bench) -> None:
        assert len(asyncio.all_tasks()) == 1

    assert run(see).batches() == []


def test_user_agents_that_are_no_text_are_mended() -> None:
    async def see(bench: Bench) -> None:
        bench.note(caller=CALLER._replace(user_agent=b"\xff\x00 caf\xc3\xa9"))

    (batch,) = run(see).batches()
    assert batch.sums[0].user_agent == "\ufffd\ufffd café"


def test_a_stream_that_comes_back_gets_everything_and_silence_is_logged_once() -> None:
    async def see(bench: Bench) -> None:
        bench.stream.broken = True
        for _ in range(3):
            bench.note()
            await bench.sightings._send()
        bench.note("k2")
        bench.stream.broken = False

    with capture_logs() as logs:
        bench = run(see)
    assert bench.uses() == {"k1": 3, "k2": 1}
    assert [line["event"] for line in logs] == ["gateway.sightings-wait", "gateway.sightings-go-on"]


def test_a_batch_of_which_nobody_knows_whether_it_arrived_is_sent_again_as_it_was() -> None:
    async def see(bench: Bench) -> None:
        bench.stream.deaf = True
        bench.note()
        await bench.sightings._send()
        bench.stream.deaf = False
        bench.note()

    batches = run(see).batches()

    assert [batch.number for batch in batches] == [1, 1, 2]
    assert batches[0] == batches[1]


def test_many_sums_go_in_several_batches() -> None:
    async def see(bench: Bench) -> None:
        for number in range(LARGEST * 2 + 1):
            bench.note(f"k{number}")

    batches = run(see).batches()
    assert [len(batch.sums) for batch in batches] == [LARGEST, LARGEST, 1]


def test_beyond_a_bound_the_oldest_are_dropped_and_the_next_batch_says_how_many() -> None:
    async def see(bench: Bench) -> None:
        bench.stream.broken = True
        bench.note("first")
        bench.note("first")
        for number in range(MOST):
            bench.note(f"k{number}")
        bench.note("k7")
        bench.stream.broken = False

    with capture_logs() as logs:
        bench = run(see)
    uses = bench.uses()
    assert "first" not in uses
    assert (len(uses), uses["k7"]) == (MOST, 2)
    assert bench.batches()[0].dropped == 2
    assert [line["event"] for line in logs] == ["gateway.sightings-dropped"]


def test_a_server_that_ends_while_the_stream_is_down_says_what_is_lost() -> None:
    async def see(bench: Bench) -> None:
        bench.stream.broken = True
        bench.note()

    with capture_logs() as logs:
        run(see)
    assert logs[-1]["event"] == "gateway.sightings-lost"
    assert logs[-1]["sums"] == 1
