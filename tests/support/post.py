"""Mail as people get it, and the web service behind the links in it."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx
from starlette.applications import Starlette

from rollout.bootstrap import Rollout
from tests.support.campaign import Campaign
from tests.support.cast import NOW
from tests.support.smtp_server import Received, SmtpServer

PUBLIC = "https://rollout.example/x"


class Web:
    """A client of the web service, in this process, without cookies."""

    def __init__(self, app: Starlette) -> None:
        self._app = app

    def ask(self, method: str, url: str, **what: Any) -> httpx.Response:
        async def send() -> httpx.Response:
            transport = httpx.ASGITransport(app=self._app)
            async with httpx.AsyncClient(transport=transport, base_url="https://web") as client:
                return await client.request(method, url, **what)

        return asyncio.run(send())


class Post:
    """Lets everything happen up to an instant, and looks into the mailboxes."""

    def __init__(self, rollout: Rollout, campaign: Campaign, server: SmtpServer) -> None:
        self._rollout = rollout
        self.scheduling = rollout.notices.scheduling
        self.campaign = campaign
        self._server = server

    def work(self, at: Any = NOW) -> None:
        self.campaign.at(at)
        while self._rollout.notices.scheduling.sweep():
            pass
        while self._rollout.notices.delivery.sweep():
            pass

    def last(self, to: str) -> Received:
        return [mail for mail in self._server.received if mail.recipient == to][-1]

    def link(self, to: str) -> str:
        """The path of the link in the last mail to somebody, by which messages are switched off."""
        return str(self.last(to).message["List-Unsubscribe"]).strip("<>").removeprefix(PUBLIC)

    def brief(self, to: str) -> str:
        """The path of the page to which the last mail to somebody links."""
        (url,) = re.findall(re.escape(PUBLIC) + r"(/brief/\S+)", self.last(to).part("plain"))
        return str(url)
