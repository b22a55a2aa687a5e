"""The web service: how it is doing, the API, and what people reach by links without a sign-in."""

from __future__ import annotations

from collections.abc import Callable

import redis
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from rollout.adapters.db.migrate import status
from rollout.adapters.telemetry import Telemetry
from rollout.bootstrap import Rollout
from rollout.domain.errors import Unavailable
from rollout.web import api
from rollout.web.brief import BriefDoor
from rollout.web.calendar import CalendarDoor
from rollout.web.unsubscribe import UnsubscribeDoor

OK = "ok"


def make_app(rollout: Rollout) -> Starlette:
    """Build the application."""
    registry = CollectorRegistry()
    registry.register(Telemetry(rollout.engine))

    def healthz(_request: Request) -> Response:
        return PlainTextResponse("alive\n")

    def readyz(_request: Request) -> Response:
        parts = {
            "database": _ask(lambda: _database(rollout.engine)),
            "valkey": _ask(lambda: _valkey(rollout.redis)),
        }
        ready = all(state == OK for state in parts.values())
        return JSONResponse(parts, 200 if ready else 503)

    def metrics(_request: Request) -> Response:
        try:
            return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)
        except (Unavailable, SQLAlchemyError):
            return PlainTextResponse("the database does not answer\n", 503)

    return Starlette(
        routes=[
            Route("/healthz", healthz),
            Route("/readyz", readyz),
            Route("/metrics", metrics),
            Route("/calendar/{token}.ics", CalendarDoor(rollout).answer),
            *api.routes(rollout),
            Route("/brief/{token}", BriefDoor(rollout).answer, methods=["GET", "POST"]),
            Route("/unsubscribe/{token}", UnsubscribeDoor(rollout).answer, methods=["GET", "POST"]),
        ]
    )


def _ask(part: Callable[[], str]) -> str:
    try:
        return part()
    except (Unavailable, SQLAlchemyError, redis.RedisError):
        return "does not answer"


def _database(engine: Engine) -> str:
    current, needed = status(engine)
    if current == needed:
        return OK
    return f"at revision {current or 'none'}, needs {needed}: run `rollout migrate`"


def _valkey(client: redis.Redis) -> str:
    client.ping()
    return OK
