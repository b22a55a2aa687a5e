"""The HTTP API, ``/api/v1``; docs/api.md describes it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from rollout.bootstrap import Rollout
from rollout.web.api.mail_events import MailEventsDoor
from rollout.web.api.openapi import DOCUMENT
from rollout.web.api.usage import UsageDoor


def routes(rollout: Rollout) -> list[Route]:
    """Return the routes of the API."""
    return [
        Route("/api/v1/openapi.json", describe),
        Route("/api/v1/mail/{provider}", MailEventsDoor(rollout).answer, methods=["POST"]),
        Route("/api/v1/usage", UsageDoor(rollout).answer, methods=["POST"]),
    ]


def describe(_request: Request) -> Response:
    """Describe the API in its own terms."""
    return JSONResponse(DOCUMENT)
