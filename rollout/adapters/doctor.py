"""The doctor: asks every part whether it is well, and says what to do where it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

import redis
from sqlalchemy import Engine, text

from rollout.adapters.db.alarms import SqlAlarms
from rollout.adapters.db.clock import shifted_clocks
from rollout.adapters.db.invariants import INVARIANTS, breaches
from rollout.adapters.db.migrate import status
from rollout.domain.clock import Clock
from rollout.domain.cutoff import spoken
from rollout.domain.errors import Unavailable

MAX_SKEW = timedelta(seconds=2)
MAX_SILENCE = timedelta(seconds=30)
SHOWN_BREACHES = 5  # of each invariant


class Health(StrEnum):
    """How well something is. Only ``failed`` makes the doctor exit with 1."""

    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Finding:
    """One question, its answer, and the way out where something is wrong."""

    subject: str
    health: Health
    detail: str
    fix: str | None = None


def examine(
    engine: Engine, client: redis.Redis, clock: Clock, *, production: bool, mail: bool
) -> Iterator[Finding]:
    """Examine servers, migrations, clocks and processes."""
    yield (
        Finding("mail", Health.OK, "a mail server is configured")
        if mail
        else Finding("mail", Health.WARNING, "notices wait", "set ROLLOUT_SMTP_URL")
    )
    yield _valkey(client)
    database = _database(engine)
    yield database
    if database.health is Health.FAILED:
        return  # nothing more can be asked
    yield _skew(engine, clock)
    yield _plain_clock(engine, production=production)
    yield from _processes(engine)
    yield _stopped(engine)
    yield _alarms(engine)


def examine_invariants(engine: Engine) -> Iterator[Finding]:
    """Check every invariant of DESIGN section 4 that can be read off the database."""
    found = list(breaches(engine))
    for invariant in INVARIANTS:
        broken = [breach.subject for breach in found if breach.code == invariant.code]
        if not broken:
            yield Finding(invariant.code, Health.OK, invariant.promise)
            continue
        shown = "; ".join(broken[:SHOWN_BREACHES])
        more = f"; and {len(broken) - SHOWN_BREACHES} more" if len(broken) > SHOWN_BREACHES else ""
        yield Finding(invariant.code, Health.FAILED, f"{invariant.promise}: {shown}{more}")


def _valkey(client: redis.Redis) -> Finding:
    try:
        client.ping()
    except redis.RedisError as error:
        fix = "is it running, and is ROLLOUT_REDIS_URL right?"
        return Finding("valkey", Health.FAILED, str(error), fix)
    return Finding("valkey", Health.OK, "answers")


def _database(engine: Engine) -> Finding:
    try:
        current, needed = status(engine)
    except Unavailable as error:
        fix = "is it running, and is ROLLOUT_DATABASE_URL right?"
        return Finding("database", Health.FAILED, error.message, fix)
    if current == needed:
        return Finding("database", Health.OK, f"answers, and is at revision {current}")
    detail = f"is at revision {current or 'none'}, this version needs {needed}"
    return Finding("database", Health.FAILED, detail, "run `rollout migrate`")


def _skew(engine: Engine, clock: Clock) -> Finding:
    with engine.connect() as connection:
        theirs: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    skew = theirs.astimezone(UTC) - clock.now()
    apart = abs(skew).total_seconds()
    detail = f"the database and this machine are {apart:.3f} s apart"
    if abs(skew) <= MAX_SKEW:
        return Finding("clock skew", Health.OK, detail)
    return Finding("clock skew", Health.FAILED, detail, "set both by NTP; decisions use the first")


def _plain_clock(engine: Engine, *, production: bool) -> Finding:
    shifted = shifted_clocks(engine)
    if not shifted:
        return Finding("decision clock", Health.OK, "is the database's own")
    detail = f"{', '.join(shifted)} is shifted: this is a rehearsal database"
    return Finding("decision clock", Health.FAILED if production else Health.WARNING, detail)


def _processes(engine: Engine) -> Iterator[Finding]:
    with engine.connect() as connection:
        rows = connection.execute(
            text("SELECT kind, rollout_instant() - max(last_at) FROM heartbeats GROUP BY kind")
        )
        silence: dict[str, timedelta] = {row[0]: row[1] for row in rows}
    for kind in ("clock", "worker"):
        start = f"start one: rollout {kind}, or rollout up"
        if kind not in silence:
            yield Finding(kind, Health.WARNING, "none has ever run here", start)
        elif silence[kind] > MAX_SILENCE:
            length = spoken(silence[kind])
            yield Finding(kind, Health.FAILED, f"silent for {length}", start)
        else:
            yield Finding(kind, Health.OK, f"last tick {silence[kind].total_seconds():.1f} s ago")


def _stopped(engine: Engine) -> Finding:
    with engine.connect() as connection:
        reason = connection.execute(
            text("SELECT reason FROM stops WHERE closed_at IS NULL")
        ).scalar()
    if reason is None:
        return Finding("cutting", Health.OK, "is not stopped")
    return Finding("cutting", Health.FAILED, f"is stopped: {reason}", "rollout clock --trust")


def _alarms(engine: Engine) -> Finding:
    with engine.connect() as connection:
        standing = SqlAlarms(connection).alarms(closed=False)
    names = [f"{alarm.kind} ({alarm.subject})" for alarm in standing]
    if not names:
        return Finding("alarms", Health.OK, "none is open")
    return Finding("alarms", Health.FAILED, f"open: {', '.join(names)}", "rollout alarm list")
