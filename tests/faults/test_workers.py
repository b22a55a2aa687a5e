"""Workers that are killed in the middle of a batch."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine, text

from tests.support.crowd import cut_so_far, gather
from tests.support.database import rows
from tests.support.processes import Crew, kill, wait_until
from tests.support.soundness import assert_sound

pytestmark = pytest.mark.fault

ACCOUNTS = 6_000
KILLS = 3
# A batch writes its facts last: whoever waits to do so has switched its keys off already.
AT_ITS_END = """
SELECT 1 FROM pg_locks JOIN pg_class ON pg_class.oid = relation
 WHERE relname = 'facts' AND NOT granted
   AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def test_a_worker_killed_in_the_middle_of_its_batches_leaves_nothing_half_done(
    engine: Engine, crew: Crew
) -> None:
    gather(engine, ACCOUNTS)
    for nth in range(KILLS):
        worker = crew.start("workers.worker")
        wait_until(lambda nth=nth: cut_so_far(engine) >= nth * ACCOUNTS // KILLS)
        with engine.begin() as door:
            door.execute(text("LOCK TABLE facts IN SHARE MODE"))
            wait_until(lambda: rows(engine, AT_ITS_END))
            kill(worker)
            facts = rows(engine, "SELECT count(*) FROM facts WHERE action = 'key.cut'")
            off = rows(engine, "SELECT count(*) FROM keys WHERE status = 'disabled'")
            assert facts == off == [(cut_so_far(engine),)]
    assert cut_so_far(engine) < ACCOUNTS

    for _ in range(2):
        crew.start("workers.worker")
    wait_until(lambda: cut_so_far(engine) == ACCOUNTS)
    assert rows(engine, "SELECT count(*) FROM enrollments WHERE state <> 'cut'") == [(0,)]
    assert_sound(engine)
