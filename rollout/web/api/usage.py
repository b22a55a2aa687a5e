"""``POST /api/v1/usage``: uses of keys come in by HTTP, counted as those of a file are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.bootstrap import Rollout
from rollout.domain.errors import BadInput, BadRows, Conflict, Unavailable
from rollout.services.usage.tally import Tally
from rollout.services.usage.uploading import Reused, Uploaded
from rollout.web.api.uploads import (
    MOST_SENT,
    TooLarge,
    Upload,
    receive,
    temporary_file,
    too_large_to_send,
)
from rollout.web.errors import Problem, explained, unavailable
from rollout.web.security import is_token, shown_token

NAME = "POST /api/v1/usage"
OPERATOR = "usage-api"
MEDIA_TYPES = ("application/x-ndjson", "application/ndjson")
LONGEST_KEY = 255  # characters of an Idempotency-Key
LONGEST_FEED = 100
AT_ONCE = 2  # bodies that are counted; the others wait
REALM = 'Bearer realm="usage"'


@dataclass(frozen=True, slots=True)
class Wish:
    """What a request asks for, beside its body."""

    feed: str
    name: str
    gzipped: bool


class UsageDoor:
    """The handler."""

    def __init__(self, rollout: Rollout) -> None:
        self._token = rollout.settings.usage_token
        self._uploads = rollout.usage_uploads
        self._free = anyio.CapacityLimiter(AT_ONCE)

    async def answer(self, request: Request) -> Response:
        """Take in the body and tell what became of it."""
        try:
            self._admit(request)
            wish = _read_wish(request)
            with temporary_file() as file:
                await receive(request.stream(), file)
                upload = Upload(wish.name, file, gzipped=wish.gzipped)
                done = await anyio.to_thread.run_sync(
                    self._take_in, upload, wish.feed, limiter=self._free
                )
        except ClientDisconnect:
            return Response(status_code=400)  # nobody reads it
        except Problem as problem:
            return problem.response()
        except (BadInput, Conflict, Reused, Unavailable) as error:
            return _explain(error).response()
        return JSONResponse(_tell(wish.feed, done))

    def _admit(self, request: Request) -> None:
        if self._token is None:
            raise Problem(
                404,
                "not-enabled",
                "Usage API not enabled",
                "This door is closed. To open it, set ROLLOUT_USAGE_TOKEN for the web service.",
            )
        shown = shown_token(request)
        if shown and is_token(shown, self._token):
            return
        challenge = f'{REALM}, error="invalid_token"' if shown else REALM
        raise Problem(
            401,
            "token-needed",
            "Token missing or wrong",
            "Send Authorization: Bearer with the token that is set as ROLLOUT_USAGE_TOKEN.",
            headers={"WWW-Authenticate": challenge},
        )

    def _take_in(self, upload: Upload, feed: str) -> Uploaded:
        return self._uploads.take_in(
            upload,
            upload.check(),
            FEEDS[LogFormat.NDJSON],
            feed=feed,
            operator=OPERATOR,
            once=upload.name != NAME,
        )


def _read_wish(request: Request) -> Wish:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if media_type not in MEDIA_TYPES or encoding not in {"identity", "gzip"}:
        raise Problem(
            415,
            "unsupported-body",
            "Body not supported",
            f"Send Content-Type: {MEDIA_TYPES[0]}, plain or with Content-Encoding: gzip.",
            headers={"Accept-Post": MEDIA_TYPES[0], "Accept-Encoding": "gzip, identity"},
        )
    feed = request.query_params.get("feed", LogFormat.NDJSON)
    if not 0 < len(feed) <= LONGEST_FEED or not feed.isprintable():
        raise _bad("feed", f"The feed is a name of 1 to {LONGEST_FEED} printable characters.")
    key = request.headers.get("idempotency-key")
    if key is not None and not (0 < len(key) <= LONGEST_KEY and key.isascii()):
        raise _bad(
            "idempotency-key", f"An Idempotency-Key has 1 to {LONGEST_KEY} ASCII characters."
        )
    length = request.headers.get("content-length", "0")
    if length.isdecimal() and int(length) > MOST_SENT:
        raise too_large_to_send()
    return Wish(feed, f"{NAME}, Idempotency-Key {key}" if key else NAME, encoding == "gzip")


def _bad(what: str, detail: str) -> Problem:
    return Problem(400, f"bad-{what}", "Request not understood", detail)


def _tell(feed: str, done: Uploaded) -> dict[str, Any]:
    if before := done.before:
        return {
            "feed": before.feed,
            "already_imported": True,
            "sightings": before.events,
            "repeated": before.repeated,
            "keyless": before.keyless,
            "unreadable": before.unreadable,
        }
    tally = done.tally or Tally()
    names = ("records", "sightings", "repeated", "ahead", "keyless", "unreadable", "examples")
    counts = {name: getattr(tally, name) for name in names}
    return {"feed": feed, "already_imported": False, **counts}


def _explain(error: BadInput | Conflict | Reused | Unavailable) -> Problem:
    detail = explained(error)
    match error:
        case TooLarge():
            return Problem(413, "too-large", "Body too large", detail)
        case BadRows():
            return Problem(
                422, "unreadable", "Nothing readable", error.message, examples=list(error.rows)
            )
        case BadInput():
            return Problem(400, "damaged-body", "Body damaged", detail)
        case Reused():
            return Problem(422, "idempotency-key-reused", "Idempotency-Key reused", detail)
        case Conflict():
            return Problem(409, "under-way", "Request under way", detail)
    return unavailable(error)
