"""One suite for the verdict store and its fake."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
import redis

from rollout.adapters.enforcers.verdict_store import ValkeyVerdictStore, record_key
from rollout.domain.errors import Unavailable
from rollout.domain.gateway import Record, Retirement
from rollout.domain.inventory import KeyStatus
from rollout.services.ports import VerdictStore
from rollout.testing import FakeVerdictStore

RECORD = Record(
    key_id="app:1 'ü'",
    account_id="acme",
    status=KeyStatus.DISABLED,
    version=9,
    hint="… 'ü'",
    secret_digest=bytes(range(32)),
    disabled_at=datetime(2027, 2, 2, 16, 0, 0, 1, tzinfo=UTC),
    retirement=Retirement(
        title="API keys",
        deprecated_at=datetime(2026, 12, 1, tzinfo=UTC),
        sunset=datetime(2027, 2, 2, 16, tzinfo=UTC),
        guide_url="https://developers.example.com/keys-to-tokens",
        replacement_title="access tokens",
        replacement_url="https://developers.example.com/access-tokens",
    ),
)


@dataclass
class Subject:
    store: VerdictStore
    empty: Callable[[], object]


@pytest.fixture(params=["fake", "real"])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "fake":
        fake = FakeVerdictStore()
        return Subject(fake, fake.empty)
    valkey = request.getfixturevalue("valkey")
    return Subject(ValkeyVerdictStore(valkey), valkey.flushall)


def finish_sync(store: VerdictStore) -> None:
    sync = store.unfinished_sync()
    assert sync is not None
    store.finish(sync)


def test_what_is_written_is_read_back_equal(subject: Subject) -> None:
    plain = replace(RECORD, key_id="plain", disabled_at=None, retirement=None)
    subject.store.write([RECORD, plain])

    assert subject.store.read(RECORD.key_id) == RECORD
    assert subject.store.read("plain") == plain
    assert subject.store.read("nobody") is None


def test_of_two_versions_the_higher_stays_whatever_the_order(subject: Subject) -> None:
    newer = replace(RECORD, version=10, status=KeyStatus.ACTIVE)
    subject.store.write([newer])
    subject.store.write([RECORD])
    assert subject.store.read(RECORD.key_id) == newer

    again = replace(RECORD, version=100)
    subject.store.write([RECORD, again, newer])
    assert subject.store.read(RECORD.key_id) == again


def test_an_equal_version_changes_nothing(subject: Subject) -> None:
    subject.store.write([RECORD])
    subject.store.write([replace(RECORD, status=KeyStatus.ACTIVE)])
    assert subject.store.read(RECORD.key_id) == RECORD


def test_many_records_are_written_in_one_call(subject: Subject) -> None:
    subject.store.write([replace(RECORD, key_id=f"k{n}") for n in range(250)])
    assert all(subject.store.read(f"k{n}") is not None for n in range(250))


def test_writing_nothing_is_fine(subject: Subject) -> None:
    subject.store.write([])


def test_a_sync_begins_at_the_start_and_is_over_when_finished(subject: Subject) -> None:
    sync = subject.store.unfinished_sync()
    assert sync is not None
    assert sync.cursor == ""
    subject.store.finish(sync)
    assert subject.store.unfinished_sync() is None


def test_a_sync_goes_on_where_it_has_come_to(subject: Subject) -> None:
    sync = subject.store.unfinished_sync()
    assert sync is not None
    subject.store.advance(sync, "key 1000 ü")
    resumed = subject.store.unfinished_sync()
    assert resumed == replace(sync, cursor="key 1000 ü")


def test_who_is_behind_can_neither_turn_a_sync_back_nor_finish_it(subject: Subject) -> None:
    start = subject.store.unfinished_sync()
    assert start is not None
    subject.store.advance(start, "k5")
    subject.store.advance(start, "k2")
    subject.store.finish(start)
    assert subject.store.unfinished_sync() == replace(start, cursor="k5")


def test_an_emptied_store_begins_a_new_sync_and_an_old_one_cannot_finish_it(
    subject: Subject,
) -> None:
    old = subject.store.unfinished_sync()
    assert old is not None
    subject.empty()
    subject.store.finish(old)
    new = subject.store.unfinished_sync()
    assert new is not None
    assert new.name != old.name

    subject.store.finish(old)
    assert subject.store.unfinished_sync() == new


def test_a_complete_store_that_is_emptied_is_not_complete(subject: Subject) -> None:
    subject.store.write([RECORD])
    finish_sync(subject.store)
    subject.empty()
    assert subject.store.read(RECORD.key_id) is None
    assert subject.store.unfinished_sync() is not None


def test_a_store_that_comes_back_with_old_data_is_not_complete(valkey: redis.Redis) -> None:
    store = ValkeyVerdictStore(valkey)
    finish_sync(store)
    # What a restart from disk looks like: the data of a server with another run id.
    valkey.set("rollout:complete", "an-earlier-run-0000")
    assert store.unfinished_sync() is not None
    assert valkey.get("rollout:complete") is None


def test_a_record_of_another_version_of_rollout_is_not_guessed_at(valkey: redis.Redis) -> None:
    store = ValkeyVerdictStore(valkey)
    for value in ("7 {}", '7 {"surprise": 1}', "rubbish", "", "7 [1]"):
        valkey.set(record_key("k"), value)
        assert store.read("k") is None
    store.write([replace(RECORD, key_id="k")])
    assert store.read("k") is not None


def test_a_store_that_does_not_answer_is_named_with_the_way_out() -> None:
    client = redis.Redis(port=1, socket_connect_timeout=1)
    with pytest.raises(Unavailable, match="verdict store does not answer") as caught:
        ValkeyVerdictStore(client).unfinished_sync()
    assert "ROLLOUT_REDIS_URL" in str(caught.value.fix)
    client.close()
