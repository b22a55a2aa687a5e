"""``/unsubscribe/…``: optional messages are switched off by a POST, never by looking (RFC 8058).

Scanners of the recipients' companies follow each link in a mail, so GET changes nothing. A mail
program posts ``List-Unsubscribe=One-Click`` by itself, with neither cookie nor sign-in.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple
from urllib.parse import parse_qs

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rollout.bootstrap import Rollout
from rollout.domain.errors import RolloutError
from rollout.web.pages import Pages

MOST_SENT = 10_000  # bytes of a body; a mail program sends about 200
PAGE = "unsubscribe.html"


class Trouble(NamedTuple):
    """What the page says instead."""

    title: str
    detail: str


NO_LINK = Trouble(
    "This link leads nowhere",
    "It may have been cut off on its way, or come from a test message."
    " Please copy the whole link from the message.",
)
TRY_AGAIN = Trouble(
    "That did not work",
    "Please try again in a few minutes. It does no harm if it was done after all.",
)


class UnsubscribeDoor:
    """The handler."""

    def __init__(self, rollout: Rollout) -> None:
        self._unsubscribing = rollout.notices.unsubscribing
        self._pages = Pages(rollout.settings.templates)

    async def answer(self, request: Request) -> Response:
        """Show what is wanted (GET, HEAD), or switch it (POST); no redirect, as RFC 8058 asks."""
        token = request.path_params["token"]
        try:
            wanted = await _wanted(request) if request.method == "POST" else None
            return await anyio.to_thread.run_sync(partial(self._answer, token, wanted=wanted))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except RolloutError:
            page = self._pages.page(PAGE, status=503, problem=TRY_AGAIN)
            page.headers["Retry-After"] = "60"
            return page

    def _answer(self, token: str, *, wanted: bool | None) -> Response:
        if wanted is None:
            reader = self._unsubscribing.reader(token)
        else:
            reader = self._unsubscribing.switch(token, wanted=wanted)
        if reader is None:
            return self._pages.page(PAGE, status=404, problem=NO_LINK)
        return self._pages.page(
            PAGE, locale=reader.locale, reader=reader, changed=wanted is not None, problem=None
        )


async def _wanted(request: Request) -> bool:
    """Read what a POST asks for: off, unless it is the page's own button for on."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_SENT:
            return False  # whatever else it says: a mail program may add to it
    return parse_qs(body.decode("latin-1")).get("switch") == ["on"]
