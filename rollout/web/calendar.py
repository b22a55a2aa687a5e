"""``GET /calendar/TOKEN.ics``: the dates of one account, for its people's calendar programs."""

from __future__ import annotations

import hashlib
from datetime import UTC
from email.utils import format_datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from rollout.bootstrap import Rollout
from rollout.domain.errors import NotFound, Unavailable
from rollout.services.account_calendar import Feed
from rollout.web.errors import Problem

MEDIA_TYPE = "text/calendar; charset=utf-8"


class CalendarDoor:
    """The handler. A wrong link is answered like any other page that does not exist."""

    def __init__(self, rollout: Rollout) -> None:
        self._calendars = rollout.notices.calendars

    def answer(self, request: Request) -> Response:
        """Hand the calendar out, or say that it is the one that the client has already."""
        try:
            feed = self._calendars.read(request.path_params["token"])
        except NotFound:
            raise HTTPException(404) from None
        except Unavailable:  # why is nobody's business out there
            detail = "The dates cannot be read at the moment."
            headers = {"Retry-After": "60"}
            return Problem(
                503, "temporarily-unavailable", "Try again", detail, headers=headers
            ).response()
        headers = _headers(feed)
        if _knows(request, headers["ETag"]):
            return Response(status_code=304, headers=headers)
        return Response(feed.body, headers=headers, media_type=MEDIA_TYPE)


def _headers(feed: Feed) -> dict[str, str]:
    headers = {
        "ETag": f'"{hashlib.sha256(feed.body).hexdigest()[:32]}"',
        "Cache-Control": "private, no-cache",  # kept, but asked about each time
    }
    if feed.changed_at is not None:
        headers["Last-Modified"] = format_datetime(feed.changed_at.astimezone(UTC), usegmt=True)
    return headers


def _knows(request: Request, etag: str) -> bool:
    """Say whether the client has this version, by its ETag alone.

    By its date one could not tell: a new name or an exemption changes the file, but no schedule.
    """
    shown = request.headers.get("if-none-match", "")
    return any(each.strip().removeprefix("W/") in {etag, "*"} for each in shown.split(","))
