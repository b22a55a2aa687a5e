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
        token = request.path_params["token"]
        try:
            wanted = await _wanted(request) if request.method == "POST" else None
            answer = await anyio.to_thread.run_sync(partial(self._answer, token, wanted=wanted))
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except RolloutError:
            return self._pages.later(request)
        return answer or self._pages.nowhere(request)

    def _answer(self, token: str, *, wanted: bool | None) -> Response | None:
        self._pages.refresh()
        if wanted is None:
            reader = self._unsubscribing.reader(token)
        else:
            reader = self._unsubscribing.switch(token, wanted=wanted)
        if reader is None:
            return None
        changed = wanted is not None
        return self._pages.page(PAGE, locale=reader.locale, reader=reader, changed=changed)


async def _wanted(request: Request) -> bool:
    """Read what a POST asks for: off, unless it is the page's own button for on.

    What is too long to be read is a mail program's, which may add to it: off, too.
    """
    return (await read_form(request)).get("switch") == ["on"]
