"""What a claim returns is what it has locked, even if it changed while the claim began."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime

import pytest
from sqlalchemy import Engine, text

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from tests.support.crowd import gather
from tests.support.database import rows, run
from tests.support.processes import wait_until

pytestmark = pytest.mark.fault

GATE = 4711
HELD_UP = """
CREATE OR REPLACE FUNCTION rollout_now() RETURNS timestamptz LANGUAGE sql VOLATILE
    AS 'SELECT now() FROM pg_advisory_xact_lock_shared(4711)'
"""


@contextmanager
def statements_held_up_in_their_middle(engine: Engine) -> Iterator[None]:
    """Whoever asks for the time, in a statement that has begun, waits for the end of the block."""
    run(engine, HELD_UP)
    with engine.connect() as gate:
        gate.execute(text("SELECT pg_advisory_lock(:gate)"), {"gate": GATE})
        yield
        gate.execute(text("SELECT pg_advisory_unlock(:gate)"), {"gate": GATE})


def is_held_up(engine: Engine) -> bool:
    return bool(rows(engine, "SELECT 1 FROM pg_stat_activity WHERE wait_event = 'advisory'"))


def test_a_date_that_moves_while_reminders_are_claimed_is_the_new_one(
    engine: Engine, start: Callable[[], SqlUnitOfWork]
) -> None:
    gather(engine, 1)
    run(engine, "UPDATE enrollments SET next_notice_at = deadline")

    def claim() -> list[datetime]:
        with start() as uow:
            return [due.stand.deadline for due in uow.notices.claim_enrollments(10)]

    with ThreadPoolExecutor(1) as other:
        with statements_held_up_in_their_middle(engine):
            claimed = other.submit(claim)
            wait_until(lambda: is_held_up(engine))
            run(engine, "UPDATE enrollments SET deadline = deadline + interval '1 day'")
        assert [(deadline,) for deadline in claimed.result(10)] == rows(
            engine, "SELECT deadline FROM enrollments"
        )
