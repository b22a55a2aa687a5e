"""Keys cut per second, all rules, facts and enforcement included, beside a bare guarded UPDATE.

The floor is the least SQL that may switch a key off once: a guarded UPDATE that claims its rows
with SKIP LOCKED and leaves a line in an outbox; once in batches of 1,000, once as one statement.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from multiprocessing.synchronize import Barrier

import redis
from sqlalchemy import Engine, text

from bench.figures import Figure
from bench.processes import Spent, drain, in_processes, spend
from bench.seed import seed, settle
from bench.servers import Servers
from bench.size import Size
from rollout.adapters.db.engine import make_engine
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.enforcers.verdict_store import ValkeyVerdictStore
from rollout.adapters.holidays import holiday_finder
from rollout.services.audit import Audit
from rollout.services.cutoff.sweep import CutoffSweep
from rollout.services.enforcement import Enforcement

FLOOR_TABLES = """
CREATE TABLE key_state (
  account_id text PRIMARY KEY, status int NOT NULL DEFAULT 0, paused boolean NOT NULL DEFAULT false,
  disable_at timestamptz NOT NULL, disabled_at timestamptz, version bigint NOT NULL DEFAULT 1)
  WITH (fillfactor = 80);
CREATE INDEX ON key_state (disable_at, account_id) WHERE status = 0 AND NOT paused;
CREATE TABLE outbox (
  outbox_id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, dedupe_key text NOT NULL UNIQUE,
  account_id text NOT NULL, kind int NOT NULL)
"""
FLOOR_ROWS = """
INSERT INTO key_state (account_id, disable_at)
SELECT 'acc-' || n, now() FROM generate_series(1, :count) n
"""
FLOOR = """
WITH due AS MATERIALIZED (
  SELECT account_id FROM key_state WHERE status = 0 AND NOT paused AND disable_at <= now()
   ORDER BY disable_at, account_id LIMIT :batch FOR UPDATE SKIP LOCKED),
off AS (
  UPDATE key_state k SET status = 1, disabled_at = now(), version = k.version + 1 FROM due
   WHERE k.account_id = due.account_id
     AND k.status = 0 AND NOT k.paused AND k.disable_at <= now()
  RETURNING k.account_id, k.version)
INSERT INTO outbox (dedupe_key, account_id, kind)
SELECT account_id || ':disabled:' || version, account_id, 2 FROM off ON CONFLICT DO NOTHING
"""
WHOLE = """
SELECT (SELECT count(*) FROM keys WHERE status = 'disabled'), (SELECT count(*) FROM cutoffs),
       (SELECT count(*) FROM facts WHERE action = 'key.cut'),
       (SELECT count(*) FROM enrollments WHERE state = 'cut'),
       (SELECT count(*) FROM notices WHERE step = 'disabled' AND state = 'pending')
"""


def measure(servers: Servers, size: Size) -> Iterator[Figure]:
    """Cut everything with one process, and with two."""
    count = size.enrollments
    batches = floor(servers, count, 1_000)
    floors = {"bare UPDATE by 1,000": batches, "bare UPDATE as one": floor(servers, count, count)}
    for processes in (1, 2):
        with servers.database(f"cutoff_{processes}") as engine:
            spent = cut_everything(servers, engine, count, processes)
        off = spent["cutting"].clock + spent["relay to Valkey"].clock
        title = f"cut {count:,} keys, {processes} processes".replace("1 processes", "1 process")
        for beside, bare in floors.items():
            for what, seconds in ((title, spent["cutting"].clock), ("  … off at gateways", off)):
                yield Figure(
                    what=what,
                    value=count / seconds,
                    unit="keys/s",
                    beside=beside,
                    floor=count / bare.clock,
                    owed="≥ 0.33",
                )
        yield Figure(what="  … a million", value=off * 1e6 / count, unit="s", owed="≤ 40 s")
    for what, work in spent.items():
        yield Figure(
            what=f"  processor time, {what}",
            value=work.processors * 1e6 / count,
            unit="µs/key",
            beside="bare UPDATE by 1,000",
            floor=batches.processors * 1e6 / count,
        )


def floor(servers: Servers, count: int, batch: int) -> Spent:
    """Switch as many keys off with the bare UPDATE."""
    with servers.database("cutoff_floor") as engine:
        with engine.begin() as connection:
            for statement in FLOOR_TABLES.split(";"):
                connection.execute(text(statement))
            connection.execute(text(FLOOR_ROWS), {"count": count})
        settle(engine)

        def one_batch() -> int:
            with engine.begin() as connection:
                return connection.execute(text(FLOOR), {"batch": batch}).rowcount

        return spend(lambda: drain(one_batch))


def cut_everything(
    servers: Servers, engine: Engine, count: int, processes: int
) -> dict[str, Spent]:
    """Say what the cutting took, the relay behind it, and the sealing."""
    seed(engine, count, due="-1 second")
    url = engine.url.render_as_string(hide_password=False)
    with redis.Redis.from_url(servers.redis_url) as client:
        enforcement = Enforcement(lambda: SqlUnitOfWork(engine), ValkeyVerdictStore(client))
        audit = Audit(lambda: SqlUnitOfWork(engine))
        drain(enforcement.enforce)  # the store knows every key, as it does before a cutoff
        settle(engine)
        spent = {
            "cutting": in_processes(processes, sweep, url),
            "relay to Valkey": spend(lambda: drain(enforcement.enforce)),
            "sealing": spend(lambda: drain(audit.seal)),
        }
    with engine.connect() as connection:
        done = connection.execute(text(WHOLE)).one()
    assert set(done) == {count}, f"not everything was done: {done}"
    return spent


def sweep(ready: Barrier, database_url: str) -> None:
    """Run the service as a worker does, in a process of its own."""
    engine = make_engine(database_url)
    service = CutoffSweep(
        lambda: SqlUnitOfWork(engine), recheck=timedelta(seconds=30), holidays=holiday_finder
    )
    ready.wait(timeout=60)
    while service.sweep().closed:
        pass
    engine.dispose()
