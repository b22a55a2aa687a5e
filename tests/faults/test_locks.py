"""Whoever says that nothing may be cut comes strictly before or after a batch, and in his turn."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

import pytest
from sqlalchemy import Engine, text

from rollout.adapters.db.locks import stop_cutting
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.deprecation_file import read_deprecation
from rollout.adapters.holidays import holiday_finder
from rollout.domain.inventory import KeyKind, NewKey
from rollout.domain.inventory_rows import Register
from rollout.services.cutoff.restore import CutoffRestore
from rollout.services.cutoff.sweep import BATCH, CutoffSweep
from rollout.services.plan.dates import PlanDates
from rollout.services.plan.guards import PlanGuards
from tests.support.crowd import PLAN, cut_so_far, gather
from tests.support.database import rows, run
from tests.support.processes import wait_until
from tests.support.soundness import assert_sound

pytestmark = pytest.mark.fault

Start = Callable[[], SqlUnitOfWork]
FREEZE = "{freezes: [{from: 2020-01-01, to: 2060-01-01, reason: incident}], timezone: UTC,"
# Holds a batch up in its middle, as the relay to the gateways might: it has claimed, and not cut.
HOLD_UP = "SELECT 1 FROM keys WHERE key_id = 'rest-a0' FOR UPDATE"
# Of twelve keys, the third by its id and the eleventh to be written.
HOLD_UP_AT_THE_THIRD = "SELECT 1 FROM keys WHERE key_id = 'rest-a10' FOR UPDATE"
FREE = "SELECT key_id FROM keys WHERE kind = 'rest' ORDER BY key_id FOR UPDATE SKIP LOCKED"


def come_in_turn(
    engine: Engine, threads: ThreadPoolExecutor, *acts: Callable[[], object]
) -> list[Future[Any]]:
    """Start each when the one before is done, or waits for somebody."""
    come: list[Future[Any]] = []
    for act in acts:
        come.append(threads.submit(act))
        wait_until(lambda: sum(one.done() for one in come) + waiting(engine) == len(come))
    return come


def waiting(engine: Engine) -> int:
    [[count]] = rows(
        engine,
        "SELECT count(*) FROM pg_stat_activity"
        " WHERE wait_event_type = 'Lock' AND datname = current_database()",
    )
    return int(count)


@pytest.fixture
def sweep(start: Start) -> CutoffSweep:
    return CutoffSweep(start, recheck=timedelta(seconds=30), holidays=holiday_finder)


def stop(start: Start) -> None:
    with start() as uow:
        uow.clock.stop("the clock jumped", "rollout")
        uow.commit()


def pause(start: Start) -> None:
    PlanGuards(start).pause("api-keys", "c0", reason="incident", operator="olga")


def freeze(start: Start) -> None:
    plan = PLAN.replace("{timezone: UTC,", FREEZE)
    with start() as uow:
        uow.plan.save(read_deprecation(plan, "plan.yaml", None), plan, "olga")
        uow.commit()


def extend(start: Start) -> None:
    dates = PlanDates(start, holiday_finder)
    dates.extend("a0", to=timedelta(days=1), reason="please", operator="olga")


def relabel(start: Start) -> None:
    """What an import does."""
    with start() as uow:
        keys = [f"rest-a{nth}" for nth in range(12)]
        entries = [NewKey(key, "a0", KeyKind.REST, "new", None, None, "…rest") for key in keys]
        uow.inventory.stage(Register.KEYS, enumerate(entries))
        uow.inventory.merge(Register.KEYS)
        uow.commit()


def cut(start: Start) -> None:
    CutoffSweep(start, recheck=timedelta(seconds=30), holidays=holiday_finder).sweep()


def restore(start: Start) -> None:
    until = datetime(2060, 1, 1, tzinfo=UTC)
    CutoffRestore(start, holiday_finder).restore("a0", until=until, reason="x", operator="olga")


def running_cohorts(start: Start) -> Sequence[str]:
    with start() as uow:
        return uow.cutoff.lock_running("api-keys", ["c0", "c1"])


@pytest.mark.parametrize("act", [stop, pause])
def test_a_stop_or_a_pause_in_the_middle_of_a_batch_is_through_when_the_batch_is(
    engine: Engine, start: Start, sweep: CutoffSweep, act: Callable[[Start], None]
) -> None:
    gather(engine, 40)
    with ThreadPoolExecutor() as threads:
        with engine.begin() as relay:
            relay.execute(text(HOLD_UP))
            sweeping, acting = come_in_turn(engine, threads, sweep.sweep, partial(act, start))
        acting.result()
        sweeping.result()
    assert_sound(engine)
    assert cut_so_far(engine) == 40


def test_no_batch_overtakes_a_pause_that_waits(
    engine: Engine, start: Start, sweep: CutoffSweep
) -> None:
    gather(engine, 40)
    with ThreadPoolExecutor() as threads:
        with engine.begin() as relay:
            relay.execute(text(HOLD_UP))
            acts = (sweep.sweep, partial(pause, start), partial(running_cohorts, start))
            *_, next_batch = come_in_turn(engine, threads, *acts)
        assert next_batch.result() == ["c1"]


def test_an_edited_plan_counts_from_the_next_batch_on(
    engine: Engine, start: Start, sweep: CutoffSweep
) -> None:
    gather(engine, BATCH + 100)
    with ThreadPoolExecutor() as threads:
        with engine.begin() as relay:
            relay.execute(text(HOLD_UP))
            sweeping, _ = come_in_turn(engine, threads, sweep.sweep, partial(freeze, start))
        done = sweeping.result()
    assert (done.cut, done.held) == (BATCH, 100)
    assert_sound(engine)


def test_keys_that_come_after_a_run_was_counted_do_not_take_it_over_its_cap(
    engine: Engine, start: Start, sweep: CutoffSweep
) -> None:
    gather(engine, 4, plan=PLAN.replace("max_keys_per_run: 1000000", "max_keys_per_run: 5"))
    with ThreadPoolExecutor() as threads:
        with engine.begin() as editor:
            stop_cutting(editor, "api-keys")
            [sweeping] = come_in_turn(engine, threads, sweep.sweep)
            run(
                engine,
                "INSERT INTO keys (key_id, account_id, kind, label, hint)"
                " SELECT 'new-' || nth, 'a1', 'rest', '', '' FROM generate_series(1, 3) nth",
            )
        assert sweeping.result().cut == 5
    assert sweep.sweep().cut == 2
    assert_sound(engine)


@pytest.mark.parametrize("act", [cut, extend, relabel, restore])
def test_keys_are_locked_in_the_order_of_their_ids_so_that_nobody_waits_crosswise(
    engine: Engine, start: Start, act: Callable[[Start], None]
) -> None:
    gather(engine, 12)
    run(engine, "UPDATE keys SET account_id = 'a0' WHERE kind = 'rest'")
    if act is restore:
        cut(start)
    with ThreadPoolExecutor() as threads:
        with engine.begin() as relay:
            relay.execute(text(HOLD_UP_AT_THE_THIRD))
            [acting] = come_in_turn(engine, threads, partial(act, start))
            free = [key for (key,) in rows(engine, FREE)]
        acting.result()
    assert free == ["rest-a11", *(f"rest-a{nth}" for nth in range(2, 10))]
