"""``/brief/…``: what stops and what to do, for whoever was given the link; answered by a button.

Scanners follow each link in a mail, so GET changes nothing. They press no button of a page.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.responses import HTMLResponse, Response

from rollout.bootstrap import Rollout
from rollout.domain.errors import BadInput, RolloutError
from rollout.web.pages import HEADERS, Pages, read_form

log = structlog.get_logger()


class BriefDoor:
    """The handler."""

    def __init__(self, rollout: Rollout) -> None:
        self._briefs = rollout.notices.briefs
        self._pages = Pages(rollout.texts)

    async def answer(self, request: Request) -> Response:
        """Show the page (GET, HEAD), or note that somebody takes care (its own button's POST)."""
        try:
            pressed = request.method == "POST" and "acknowledge" in await read_form(request)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        do = self._briefs.acknowledge if pressed else self._briefs.read
        return await anyio.to_thread.run_sync(self._answer, request, do)

    def _answer(self, request: Request, do: Callable[[str], str | None]) -> Response:
        self._pages.refresh()
        try:
            page = do(request.path_params["token"])
        except BadInput as error:
            log.warning("brief.template-unusable", why=error.message)
            return self._pages.later(request)
        except RolloutError:
            return self._pages.later(request)
        if page is None:
            return self._pages.nowhere(request)
        return HTMLResponse(page, headers=HEADERS)
