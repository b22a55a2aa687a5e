"""Months of sightings are dropped; what they said of last uses is kept for ever."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.reading import Piece
from rollout.services.usage import Tally, UsageImport, UsageRetention
from tests.support.database import rows, set_clock

NOW = datetime(2024, 12, 15, tzinfo=UTC)
USAGE = "SELECT count, first_seen, last_seen FROM key_usage"


@pytest.fixture
def take(engine: Engine, start: Callable[[], SqlUnitOfWork]) -> Callable[..., Tally | None]:
    """Take in a log with a use at each of these instants."""
    set_clock(engine, NOW)

    def take_in(*instants: datetime) -> Tally | None:
        line = '10.0.0.1 - k [{:%d/%b/%Y:%H:%M:%S} +0000] "GET / HTTP/1.1" 200 5 "-" "curl/8"\n'
        log = Piece("log", "".join(map(line.format, instants)).encode())
        reader = FEEDS[LogFormat.COMBINED]
        return UsageImport(start).import_log(log, reader, feed="web", operator="olga")

    return take_in


def test_whole_months_are_dropped_and_the_last_use_stays(
    engine: Engine, start: Callable[[], SqlUnitOfWork], take: Callable[..., Tally | None]
) -> None:
    months = [datetime(2024, month, 20, tzinfo=UTC) for month in (9, 10, 11)]
    take(*months)

    assert UsageRetention(start, timedelta(days=40)).drop_old() == 2  # since 5 November
    assert UsageRetention(start, timedelta(days=40)).drop_old() == 0

    assert rows(engine, "SELECT last_at FROM sightings") == [(months[2],)]
    assert rows(engine, "SELECT day FROM key_endpoints") == [(months[2].date(),)]
    assert rows(engine, USAGE) == [(3, months[0], months[2])]
    assert rows(engine, "SELECT data -> 'months' FROM facts ORDER BY seq DESC LIMIT 1") == [
        (["sightings_2024_09", "sightings_2024_10"],)
    ]


def test_a_use_of_a_dropped_month_changes_no_count_but_is_not_lost(
    engine: Engine, start: Callable[[], SqlUnitOfWork], take: Callable[..., Tally | None]
) -> None:
    known, kept = datetime(2024, 9, 20, tzinfo=UTC), datetime(2024, 12, 1, tzinfo=UTC)
    take(known, kept)
    UsageRetention(start, timedelta(days=40)).drop_old()

    older = datetime(2024, 8, 1, tzinfo=UTC)
    tally = take(older, known, kept)

    assert tally is not None
    assert (tally.sightings, tally.repeated) == (0, 3)
    assert rows(engine, "SELECT day, count FROM key_endpoints") == [(kept.date(), 1)]
    assert rows(engine, USAGE) == [(2, older, kept)]


def test_everything_is_kept_where_nothing_else_is_said(
    engine: Engine, start: Callable[[], SqlUnitOfWork], take: Callable[..., Tally | None]
) -> None:
    take(datetime(2014, 1, 1, tzinfo=UTC))

    assert UsageRetention(start, None).drop_old() == 0
    assert rows(engine, "SELECT count(*) FROM sightings") == [(1,)]


def test_a_long_log_that_brings_no_use_for_long_does_not_lose_its_connection(
    start: Callable[[], SqlUnitOfWork],
) -> None:
    with start() as uow:
        uow.usage.staging()

        shown = uow._connection.execute(text("SHOW idle_in_transaction_session_timeout"))
        assert shown.scalar_one() == "0"
