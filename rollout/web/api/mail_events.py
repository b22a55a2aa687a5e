"""``POST /api/v1/mail/ses|sendgrid|postmark``: what mail providers report, and only they."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from rollout.adapters.mail.providers import AmazonSes, Postmark, SendGrid
from rollout.adapters.mail.providers.sns import Fetch, fetch
from rollout.bootstrap import Rollout
from rollout.domain.errors import BadInput, Refused, RolloutError
from rollout.domain.notices.delivery import ReturnedMail
from rollout.web.errors import Problem, explained, unavailable
from rollout.web.security import is_token, shown_password

PROVIDERS = {
    "ses": "ROLLOUT_SES_TOPIC",
    "sendgrid": "ROLLOUT_SENDGRID_KEY",
    "postmark": "ROLLOUT_POSTMARK_TOKEN",
}
MOST_SENT = 4 << 20  # bytes of a body; the providers send less than 1 MB


class Provider(Protocol):
    """Reads the body of one provider's webhook."""

    def read(self, headers: Mapping[str, str], body: bytes) -> list[ReturnedMail]:
        """Return what it says; raise ``Refused`` where its signature is wrong."""
        ...


class MailEventsDoor:
    """The handler. A provider is let in once its setting says by what it is known."""

    def __init__(self, rollout: Rollout, fetch: Fetch = fetch) -> None:
        settings = rollout.settings
        self._reports = rollout.notices.reports
        self._providers: dict[str, Provider] = {}
        if settings.ses_topic is not None:
            self._providers["ses"] = AmazonSes(settings.ses_topic, fetch)
        if settings.sendgrid_key is not None:
            self._providers["sendgrid"] = SendGrid(settings.sendgrid_key)
        if settings.postmark_token is not None:
            self._providers["postmark"] = Postmark()
        self._passwords = {"postmark": settings.postmark_token}  # of those that sign nothing

    async def answer(self, request: Request) -> Response:
        """Take in the events; where they cannot be stored, the provider is asked to come again."""
        try:
            provider = self._provider(request.path_params["provider"])
            self._admit(request)
            body = await _body(request)
            counts = await anyio.to_thread.run_sync(self._take_in, provider, request.headers, body)
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except Problem as problem:
            return problem.response()
        except RolloutError as error:
            return _explain(error).response()
        return JSONResponse(counts)

    def _provider(self, name: str) -> Provider:
        if name in self._providers:
            return self._providers[name]
        detail = (
            f"This door is closed. To open it, set {PROVIDERS[name]} for the web service."
            if name in PROVIDERS
            else f"No such provider; known: {', '.join(PROVIDERS)}."
        )
        raise Problem(404, "not-enabled", "Provider not enabled", detail)

    def _admit(self, request: Request) -> None:
        """Let nobody in who does not know the password, where there is one.

        The answer is 401: after a 403 Postmark never tries again, and the event would be lost.
        """
        password = self._passwords.get(request.path_params["provider"])
        if password is None or is_token(shown_password(request) or "", password):
            return
        raise Problem(
            401,
            "password-needed",
            "Password missing or wrong",
            "Put the value of ROLLOUT_POSTMARK_TOKEN into the webhook's address:"
            " https://postmark:TOKEN@….",
            headers={"WWW-Authenticate": 'Basic realm="rollout"'},
        )

    def _take_in(
        self, provider: Provider, headers: Mapping[str, str], body: bytes
    ) -> dict[str, int]:
        taken = [self._reports.keep(mail) for mail in provider.read(headers, body)]
        return {
            "events": len(taken),
            "repeated": sum(not done.new for done in taken),
            "unmatched": sum(done.new and done.notice is None for done in taken),
        }


async def _body(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_SENT:
            detail = f"Send at most {MOST_SENT >> 20} MB."
            raise Problem(413, "too-large", "Body too large", detail)
    return bytes(body)


def _explain(error: RolloutError) -> Problem:
    detail = explained(error)
    match error:
        case Refused():
            return Problem(403, "not-signed", "Signature missing or wrong", detail)
        case BadInput():
            return Problem(400, "damaged-body", "Body not understood", detail)
    return unavailable(error)
