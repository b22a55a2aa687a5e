"""``/unsubscribe/…``: optional messages are switched off by a POST, never by looking (RFC 8058).

Scanners of the recipients' companies follow each link in a mail, so GET changes nothing. A mail
program posts ``List-Unsubscribe=One-Click`` by itself, with neither cookie nor sign-in.
"""

from __future__ import annotations

from functools import partial

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response

from rollout.bootstrap import Rollout
from rollout.domain.errors import RolloutError
from rollout.web.pages import Pages, read_form

PAGE = "unsubscribe.html"


class UnsubscribeDoor:
    """The handler."""

    def __init__(self, rollout: Rollout) -> None:
        self._unsubscribing = rollout.notices.unsubscribing
        self._pages = Pages(rollout.texts)

    async def answer(self, request: Request) -> Response:
        """Show what is wanted (GET, HEAD), or switch it (POST); no redirect, as RFC 8058 asks."""
        try:
            wanted = await _wanted(request) if request.method == "POST" else None
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        return await anyio.to_thread.run_sync(partial(self._answer, request, wanted=wanted))

    def _answer(self, request: Request, *, wanted: bool | None) -> Response:
        self._pages.refresh()
        token, changed = request.path_params["token"], wanted is not None
        try:
            reader = (
                self._unsubscribing.reader(token)
                if wanted is None
                else self._unsubscribing.switch(token, wanted=wanted)
            )
            if reader is None:
                return self._pages.nowhere(request)
            return self._pages.page(PAGE, locale=reader.locale, reader=reader, changed=changed)
        except RolloutError:
            return self._pages.later(request)


async def _wanted(request: Request) -> bool:
    """Read what a POST asks for: off, unless it is the page's own button for on.

    What is too long to be read is a mail program's, which may add to it: off, too.
    """
    return (await read_form(request)).get("switch") == ["on"]
