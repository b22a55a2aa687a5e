from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Thread

import pytest
import redis
from sqlalchemy import Engine, text

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.enforcers.verdict_store import ValkeyVerdictStore
from rollout.domain.errors import Unavailable
from rollout.domain.gateway import Record
from rollout.domain.inventory import KeyStatus, digest_secret
from rollout.services.enforcement import Enforcement
from rollout.testing import FakeVerdictStore
from tests.support.enforced import DEADLINE, PEPPER, SECRET, Cast

Start = Callable[[], SqlUnitOfWork]


@pytest.fixture
def cast(engine: Engine) -> Cast:
    return Cast(engine)


@pytest.fixture
def store() -> FakeVerdictStore:
    return FakeVerdictStore()


@pytest.fixture
def enforcement(start: Start, store: FakeVerdictStore) -> Enforcement:
    return Enforcement(start, store)


def run_to_the_end(enforcement: Enforcement, limit: int = 1000) -> int:
    total = 0
    while handled := enforcement.enforce(limit):
        total += handled
    return total


def read(store: FakeVerdictStore, key_id: str) -> Record:
    record = store.read(key_id)
    assert record is not None
    return record


def test_a_live_key_without_a_date_is_written_as_it_is(
    cast: Cast, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    cast.key("k1")
    run_to_the_end(enforcement)

    assert store.read("k1") == Record(
        key_id="k1",
        account_id="acme",
        status=KeyStatus.ACTIVE,
        version=1,
        hint="…k1",
        secret_digest=digest_secret(PEPPER, SECRET),
        disabled_at=None,
        retirement=None,
    )
    assert cast.unenforced() == 0


def test_an_enrolled_key_carries_what_its_callers_are_told(
    cast: Cast, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    cast.key("k1")
    cast.deprecation()
    cast.enroll()
    run_to_the_end(enforcement)

    retirement = read(store, "k1").retirement
    assert retirement is not None
    assert retirement.title == "API keys"
    assert retirement.deprecated_at == datetime(2026, 12, 1, tzinfo=UTC)
    assert retirement.sunset == DEADLINE
    assert retirement.guide_url == "https://developers.example.com/keys-to-tokens"
    assert retirement.replacement_title == "access tokens"
    assert retirement.replacement_url == "https://developers.example.com/access-tokens"


def test_of_two_dates_the_earlier_is_told(
    cast: Cast, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    cast.key("k1")
    for name, deadline in (("later", DEADLINE + timedelta(days=1)), ("sooner", DEADLINE)):
        cast.deprecation(name)
        cast.enroll(deprecation=name, deadline=deadline)
    run_to_the_end(enforcement)

    retirement = read(store, "k1").retirement
    assert retirement is not None
    assert retirement.sunset == DEADLINE


def test_a_mobile_key_of_an_enrolled_account_is_told_nothing(
    cast: Cast, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    cast.key("phone", kind="ios")
    cast.key("server")
    cast.deprecation()
    cast.enroll()
    run_to_the_end(enforcement)
    assert read(store, "phone").retirement is None
    assert read(store, "server").retirement is not None

    cast.cut()
    run_to_the_end(enforcement)
    assert read(store, "phone").retirement is None
    assert read(store, "phone").status is KeyStatus.ACTIVE
    assert read(store, "server").status is KeyStatus.DISABLED


def test_an_exempt_account_is_told_no_date_any_more(
    cast: Cast, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    cast.key("k1")
    cast.deprecation()
    cast.enroll()
    run_to_the_end(enforcement)
    cast.exempt()
    run_to_the_end(enforcement)
    assert read(store, "k1").retirement is None


def test_a_cut_key_is_written_off_with_its_explanation_and_a_restored_one_on_again(
    cast: Cast, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    cast.key("k1")
    cast.deprecation()
    cast.enroll()
    run_to_the_end(enforcement)

    cast.cut()
    assert run_to_the_end(enforcement) == 1
    record = read(store, "k1")
    assert (record.status, record.disabled_at) == (KeyStatus.DISABLED, DEADLINE)
    assert record.retirement is not None

    cast.restore()
    assert run_to_the_end(enforcement) == 1
    record = read(store, "k1")
    assert (record.status, record.disabled_at) == (KeyStatus.ACTIVE, None)
    assert record.retirement is not None


def test_a_key_that_was_off_already_is_not_said_to_have_been_cut_by_its_date(
    cast: Cast, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    cast.key("off", status="disabled")
    cast.deprecation()
    cast.enroll()
    run_to_the_end(enforcement)
    assert read(store, "off").status is KeyStatus.DISABLED
    assert read(store, "off").retirement is None


def test_a_key_whose_secret_we_never_had_counts_as_enforced_and_is_not_written(
    cast: Cast, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    cast.key("found-in-a-log", secret=None)
    run_to_the_end(enforcement)
    assert cast.unenforced() == 0
    assert store.read("found-in-a-log") is None


def test_a_batch_is_no_larger_than_its_limit_and_the_next_goes_on(
    cast: Cast, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    finish_sync(store)
    for n in range(5):
        cast.key(f"k{n}")
    assert [enforcement.enforce(limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert all(store.read(f"k{n}") for n in range(5))


def finish_sync(store: FakeVerdictStore) -> None:
    sync = store.unfinished_sync()
    assert sync is not None
    store.finish(sync)


def test_the_store_is_complete_only_when_every_key_has_been_copied(
    cast: Cast, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    for n in range(5):
        cast.key(f"k{n}")
    enforcement.enforce(limit=3)
    assert store.unfinished_sync() is not None
    run_to_the_end(enforcement, limit=3)
    assert store.unfinished_sync() is None


def test_an_emptied_store_is_filled_again_though_no_key_has_changed(
    cast: Cast, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    for n in range(7):
        cast.key(f"k{n}", account=f"a{n}")
    run_to_the_end(enforcement)
    store.empty()
    run_to_the_end(enforcement, limit=2)
    assert all(store.read(f"k{n}") for n in range(7))
    assert store.unfinished_sync() is None


def test_a_store_that_comes_back_with_old_records_is_corrected(
    cast: Cast, start: Start, store: FakeVerdictStore
) -> None:
    enforcement = Enforcement(start, store)
    cast.key("k1")
    run_to_the_end(enforcement)
    old = read(store, "k1")
    cast.cut()
    run_to_the_end(enforcement)

    store.empty()
    store.write([old])
    store.restart()
    run_to_the_end(enforcement)
    assert read(store, "k1").status is KeyStatus.DISABLED


class EmptiedDuring(FakeVerdictStore):
    """A store that is flushed just after it took a batch: nobody is told."""

    def write(self, records: Sequence[Record]) -> None:
        super().write(records)
        if records:
            self.empty()
            self.write = super().write  # type: ignore[method-assign] # only once


def test_a_store_that_is_emptied_in_the_middle_of_a_copy_is_copied_again(
    cast: Cast, start: Start
) -> None:
    store = EmptiedDuring()
    for n in range(6):
        cast.key(f"k{n}")
    run_to_the_end(Enforcement(start, store), limit=2)
    assert all(store.read(f"k{n}") for n in range(6))
    assert store.unfinished_sync() is None


class Unplugged(FakeVerdictStore):
    """A store that answers at first, but cannot be written."""

    def write(self, records: Sequence[Record]) -> None:
        raise Unavailable(f"{len(records)} records cannot be written")


def test_what_could_not_be_written_stays_unenforced(cast: Cast, start: Start) -> None:
    cast.key("k1")
    with pytest.raises(Unavailable):
        Enforcement(start, Unplugged()).enforce()
    assert cast.unenforced() == 1

    store = FakeVerdictStore()
    run_to_the_end(Enforcement(start, store))
    assert store.read("k1") is not None


class ChangedMeanwhile(FakeVerdictStore):
    """A store during whose write somebody tries to change the key in the database."""

    def __init__(self, change: Callable[[], None]) -> None:
        super().__init__()
        self._change = change
        self.threads: list[Thread] = []

    def write(self, records: Sequence[Record]) -> None:
        if not self.threads:
            thread = Thread(target=self._change)
            thread.start()
            self.threads.append(thread)
        super().write(records)


def test_a_change_that_comes_while_a_key_is_written_is_written_too(
    cast: Cast, start: Start
) -> None:
    cast.key("k1")
    store = ChangedMeanwhile(cast.cut)
    enforcement = Enforcement(start, store)
    enforcement.enforce()
    store.threads[0].join()
    run_to_the_end(enforcement)
    assert read(store, "k1").status is KeyStatus.DISABLED
    assert cast.unenforced() == 0


def test_a_key_that_another_worker_has_claimed_is_left_to_it(
    cast: Cast, start: Start, enforcement: Enforcement, store: FakeVerdictStore
) -> None:
    finish_sync(store)
    cast.key("k1")
    cast.key("k2")
    with start() as other:
        assert [key.key_id for key in other.enforcement.claim_unenforced(1)] == ["k1"]
        assert enforcement.enforce() == 1
        assert store.read("k1") is None
        assert store.read("k2") is not None
    assert enforcement.enforce() == 1
    assert store.read("k1") is not None


def test_the_lag_says_how_many_and_since_when(
    cast: Cast, start: Start, enforcement: Enforcement, engine: Engine
) -> None:
    cast.key("k1")
    cast.key("k2")
    with engine.begin() as connection:
        connection.execute(
            text("UPDATE keys SET changed_at = :at WHERE key_id = 'k2'"), {"at": DEADLINE}
        )
        connection.execute(
            text("UPDATE keys SET changed_at = :at WHERE key_id = 'k1'"),
            {"at": DEADLINE + timedelta(hours=1)},
        )
    with start() as uow:
        assert (uow.enforcement.lag().keys, uow.enforcement.lag().since) == (2, DEADLINE)
    run_to_the_end(enforcement)
    with start() as uow:
        assert (uow.enforcement.lag().keys, uow.enforcement.lag().since) == (0, None)


def test_four_workers_and_a_flush_leave_a_complete_store(
    cast: Cast, engine: Engine, start: Start, valkey: redis.Redis
) -> None:
    for n in range(200):
        cast.key(f"k{n:03}", account=f"a{n % 20}")
    store = ValkeyVerdictStore(valkey)

    def work() -> None:
        run_to_the_end(Enforcement(start, store), limit=7)

    workers = [Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    valkey.flushall()
    cast.cut("a3")
    for worker in workers:
        worker.join()
    work()

    with engine.connect() as connection:
        rows = connection.execute(text("SELECT key_id, status, version FROM keys")).all()
    assert len(rows) == 200
    for row in rows:
        record = store.read(row.key_id)
        assert record is not None
        assert (record.status, record.version) == (row.status, row.version)
    assert store.unfinished_sync() is None


def test_a_look_up_says_what_the_truth_says_whatever_the_store_holds(
    cast: Cast, enforcement: Enforcement
) -> None:
    cast.key("k1")
    cast.deprecation()
    cast.enroll()
    cast.cut()
    record = enforcement.look_up("k1")
    assert record is not None
    assert (record.status, record.disabled_at) == (KeyStatus.DISABLED, DEADLINE)
    assert record.retirement is not None
    assert enforcement.look_up("nobody") is None
