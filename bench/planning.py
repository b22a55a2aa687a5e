"""Rows written per second when steps fall due; beside a bare INSERT of the same rows.

Everybody's deadline is moved so that the next step has just become due, six times; what the one
before has written is sent by then, as it is where mail flows. The floor copies the rows of one
step, in one statement, into a table with the same indexes (and no foreign keys).
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from multiprocessing.synchronize import Barrier

from sqlalchemy import Engine, text

from bench.figures import Figure
from bench.processes import Spent, drain, in_processes
from bench.seed import PLAN, seed, settle
from bench.servers import Servers
from bench.size import Size
from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.holidays import holiday_finder
from rollout.services.notices.scheduling import NoticeScheduling

PROCESSES = 2
DAYS = (56, 42, 28, 21, 14, 7)  # before the deadline
CONDITION = {28: ", only: in_use"}  # and one of them not for everybody
STEPS = "".join(
    f"  - {{step: days-{days}, template: reminder, before: {days}d{CONDITION.get(days, '')}}}\n"
    for days in DAYS
)
SIX_STEPS = PLAN.replace("reminders:\n", f"reminders:\n{STEPS}")
FALL_DUE = """
UPDATE enrollments SET deadline = now() + :days * interval '1 day' - interval '1 minute',
       next_notice_at = now() - interval '1 minute', told_until = now() - interval '2 minutes'
"""
SENT = "UPDATE notices SET state = 'delivered' WHERE state = 'pending'"
COPY = """
INSERT INTO copies OVERRIDING SYSTEM VALUE SELECT * FROM notices WHERE step = 'days-56'
"""


def measure(servers: Servers, size: Size) -> Iterator[Figure]:
    """Let six steps fall due, one after the other, and write what is due."""
    people = size.planned
    rows = people * len(DAYS)
    with servers.database("planning") as engine:
        seed(engine, people, due="90 days", plan=SIX_STEPS)
        spent = [plan_step(engine, days) for days in DAYS]
        with engine.connect() as connection:
            written = "SELECT count(*) FROM notices WHERE step LIKE 'days-%'"
            assert connection.execute(text(written)).scalar_one() == rows, "not all is planned"
        floor = people / copy(engine)
    seconds = sum(step.clock for step in spent)
    yield Figure(
        what=f"plan {len(DAYS)} steps for {people:,} accounts, {PROCESSES} processes",
        value=rows / seconds,
        unit="rows/s",
        beside="bare INSERT … SELECT",
        floor=floor,
    )
    yield Figure(
        what=f"  so {len(DAYS)} steps for 1 M accounts take",
        value=seconds * 1_000_000 / people,
        unit="s",
        owed="≤ 60 s",
    )
    yield Figure(
        what="  rows per second of processor time",
        value=rows / sum(step.processors for step in spent),
        unit="rows/s",
    )


def plan_step(engine: Engine, days: int) -> Spent:
    """Let a step fall due for everybody, and write its rows."""
    with engine.begin() as connection:
        connection.execute(text(SENT))
        connection.execute(text(FALL_DUE), {"days": days})
    settle(engine)
    url = engine.url.render_as_string(hide_password=False)
    return in_processes(PROCESSES, plan, url)


def plan(ready: Barrier, database_url: str) -> None:
    """Plan as a worker does, in a process of its own."""
    engine = make_engine(database_url)
    service = NoticeScheduling(lambda: SqlUnitOfWork(engine), holiday_finder)
    ready.wait(timeout=60)
    drain(service.sweep)
    engine.dispose()


def copy(engine: Engine) -> float:
    """Write the rows of one step without any of it; return how many seconds it took."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE copies (LIKE notices INCLUDING ALL)"))
    settle(engine)
    began = time.perf_counter()
    with engine.begin() as connection:
        connection.execute(text(COPY))
    return time.perf_counter() - began
