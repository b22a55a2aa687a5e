"""The servers underneath: those that are configured, or else embedded ones; and what they need."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry
from sqlalchemy import Engine

from rollout.adapters.db.clock import shifted_clocks
from rollout.adapters.db.migrate import migrate, status
from rollout.adapters.embedded.servers import EmbeddedServers
from rollout.domain.errors import BadInput, Refused, Unavailable
from rollout.settings import Settings


def servers(settings: Settings, stack: ExitStack) -> tuple[str, str]:
    """Return the addresses of database and Valkey; what is embedded stops with the stack."""
    if settings.database_url and settings.redis_url:
        return settings.database_url, settings.redis_url
    embedded = stack.enter_context(
        EmbeddedServers.start(
            settings.data_dir,
            postgres=settings.database_url is None,
            valkey=settings.redis_url is None,
        )
    )
    return (
        settings.database_url or embedded.database_url,
        settings.redis_url or embedded.redis_url,
    )


def require_plain_clock(engine: Engine, *, production: bool) -> None:
    """Let no rehearsal database decide about real customers."""
    if production and (shifted := shifted_clocks(engine)):
        raise Refused(
            f"{' and '.join(shifted)} do not tell the time: this is a rehearsal database",
            fix="set ROLLOUT_DATABASE_URL to the real one",
        )


def valkey(redis_url: str) -> redis.Redis:
    """Return a client; the address may hold a password, so no message repeats it."""
    return _client(redis_url, socket_timeout=5, socket_connect_timeout=2, health_check_interval=10)


def impatient_valkey(redis_url: str) -> redis.Redis:
    """Return a client for those who can do without an answer: it tries twice, half a second each.

    Twice, because a line that was not used for a while may be gone.
    """
    return _client(
        redis_url,
        socket_timeout=0.5,
        socket_connect_timeout=0.5,
        retry=Retry(NoBackoff(), 1),
    )


def _client(redis_url: str, **options: Any) -> redis.Redis:
    try:
        return redis.Redis.from_url(redis_url, **options)
    except ValueError:
        raise BadInput(
            "ROLLOUT_REDIS_URL is no address of a Valkey or Redis",
            fix="write redis://user:password@host:6379/0",
        ) from None


def require_schema(engine: Engine, *, embedded: bool) -> None:
    """Bring an embedded database up to date; refuse another one that is not."""
    current, needed = status(engine)
    if current == needed:
        return
    if embedded:
        migrate(engine)
        return
    raise Unavailable(
        f"the database is at revision {current or 'none'}, this version needs {needed}",
        fix="run `rollout migrate`",
    )
