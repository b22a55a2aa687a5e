"""A sweep reads what it takes, not everything that is due: else a million accounts stop it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy import Engine, text

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from tests.support.crowd import gather

ACCOUNTS, BATCH = 4000, 100
READ = """
SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'enrollments'
"""


def rows_read(uow: SqlUnitOfWork) -> int:
    """Count the rows of enrollments that this session has read; only differences tell."""
    count: int = uow._connection.execute(text(READ)).scalar_one()
    return count


@pytest.fixture
def crowd(engine: Engine) -> Callable[[], SqlUnitOfWork]:
    """Thousands of accounts, all due for a notice and for the cutoff."""
    gather(engine, ACCOUNTS)
    with engine.begin() as connection:
        connection.execute(text("UPDATE enrollments SET next_notice_at = deadline"))
        connection.execute(text("ANALYZE enrollments"))
    return lambda: SqlUnitOfWork(engine)


def pause_all(start: Callable[[], SqlUnitOfWork]) -> None:
    with start() as uow:
        for state in uow.guards.cohorts(None):
            uow.guards.pause(state.deprecation, state.cohort, reason="incident", owner="olga")
        uow.commit()


def test_a_batch_of_the_cutoff_reads_no_more_than_it_takes(
    crowd: Callable[[], SqlUnitOfWork],
) -> None:
    with crowd() as uow:
        document = uow.plan.deprecation("api-keys")
        cohorts = [state.cohort for state in uow.guards.cohorts(None)]
        before = rows_read(uow)

        cases = uow.cutoff.claim(document, cohorts, uow.now(), BATCH)

        assert len(cases) == BATCH
        # claimed, loaded, and joined to their notices and to their last warnings
        assert rows_read(uow) - before <= 5 * BATCH


def test_a_batch_of_notices_reads_no_more_than_it_takes(
    crowd: Callable[[], SqlUnitOfWork],
) -> None:
    with crowd() as uow:
        before = rows_read(uow)

        assert len(uow.notices.claim_enrollments(BATCH)) == BATCH
        assert rows_read(uow) - before <= 4 * BATCH


def test_what_is_due_in_a_paused_cohort_is_not_even_read(
    crowd: Callable[[], SqlUnitOfWork],
) -> None:
    pause_all(crowd)

    with crowd() as uow:
        before = rows_read(uow)

        assert uow.notices.claim_enrollments(BATCH) == []
        assert uow.cutoff.due() == {}
        assert rows_read(uow) == before
