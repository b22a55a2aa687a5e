"""The gateway service: credential in, verdict out. Bare ASGI, for every request of the API waits.

A key is refused only by a record that says so. Where the verdict store does not know the key, is
not complete or does not answer, the truth is asked; where nobody answers, the caller is told to
try again, never that the key is bad.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import structlog

from rollout.adapters.enforcers.verdict_reader import Seen, VerdictReader
from rollout.adapters.usage_stream import ValkeyUsageSink
from rollout.bootstrap import Rollout
from rollout.domain.clock import Clock
from rollout.domain.errors import Unavailable
from rollout.domain.gateway import Fault, KeyCredential, Record, parse_authorization
from rollout.domain.gateway_answers import Answer, answer, for_nginx, refuse, unavailable
from rollout.domain.inventory import digest_secret
from rollout.web.callers import Caller, read_caller
from rollout.web.sightings import Sightings
from rollout.web.truth import Truth

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

CHECK = "/gateway/check"
NO_CONTENT = 204

log = structlog.get_logger()


def make_app(rollout: Rollout) -> Gateway:
    """Build the application."""
    return Gateway(
        pepper=rollout.pepper,
        store=VerdictReader(rollout.redis_url),
        truth=Truth(rollout.enforcement.look_up),
        sightings=Sightings(ValkeyUsageSink(rollout.redis_url)),
        clock=rollout.clock,
    )


class Gateway:
    """The ASGI application."""

    def __init__(
        self,
        *,
        pepper: bytes,
        store: VerdictReader,
        truth: Truth,
        sightings: Sightings,
        clock: Clock,
    ) -> None:
        self._pepper = pepper
        self._store = store
        self._truth = truth
        self._sightings = sightings
        self._clock = clock
        self._silent: set[str] = set()  # who did not answer when last asked

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer one HTTP request, whatever its method; the body is not read."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        path: str = scope["path"]
        if path == CHECK or path.startswith(CHECK + "/"):
            nginx = b"profile=nginx" in scope["query_string"].split(b"&")
            caller = read_caller(scope["headers"], nginx=nginx)
            if path != CHECK:  # Envoy appends the original path, and keeps the method
                method, target = scope["method"], path.removeprefix(CHECK)
                caller = caller._replace(method=method.encode(), target=target.encode())
            given = await self.check(caller)
            if nginx:
                given = for_nginx(given)
        elif path == "/healthz":
            given = Answer(200, (), b"alive\n")
        elif path == "/readyz":
            given = await self._readiness()
        else:
            given = Answer(404, ())
        await _send(send, given)

    async def check(self, caller: Caller) -> Answer:
        """Say whether a caller may pass; whoever has shown a key and its secret has used it."""
        credential = parse_authorization(caller.authorization)
        if isinstance(credential, Fault):
            return refuse(credential)
        record = await self._open(credential)
        if not isinstance(record, Record):
            return record
        given = answer(record)
        self._sightings.note(
            record, caller, at=self._clock.now(), refused=given.status != NO_CONTENT
        )
        return given

    async def _open(self, credential: KeyCredential) -> Record | Answer:
        """Return the record of the key that is shown with its secret; else the answer."""
        key_id, digest = credential.key_id, digest_secret(self._pepper, credential.secret)
        seen = await self._ask_store(key_id)
        known = _opened(seen.record, key_id, digest)
        if known and seen.complete:
            return known
        # The store may be behind: a key that is new, or has a new secret, is not unknown.
        try:
            found = _opened(await self._ask_truth(key_id), key_id, digest)
        except Unavailable:
            return known or unavailable()
        return found or refuse(Fault.UNKNOWN)

    async def _live(self, receive: Receive, send: Send) -> None:
        """Follow the server's life (ASGI lifespan): at its end, hand on what was seen last."""
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await self._sightings.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _ask_store(self, key_id: str) -> Seen:
        try:
            seen = await self._store.read(key_id)
        except Unavailable as error:
            self._note("verdict store", error)
            return Seen()
        self._note("verdict store", None)
        return seen

    async def _ask_truth(self, key_id: str) -> Record | None:
        try:
            record = await self._truth.read(key_id)
        except Unavailable as error:
            self._note("database", error)
            raise
        self._note("database", None)
        return record

    async def _readiness(self) -> Answer:
        for part in (self._store, self._truth):
            try:
                await part.read("")
            except Unavailable:
                continue
            return Answer(200, (), b"ready\n")
        return Answer(503, (), b"neither the verdict store nor the database answers\n")

    def _note(self, part: str, error: Unavailable | None) -> None:
        """Log that a part has fallen silent, or answers again: once, not for every request."""
        if error and part not in self._silent:
            self._silent.add(part)
            log.warning("gateway.silent", part=part, why=error.message)
        elif not error and part in self._silent:
            self._silent.remove(part)
            log.warning("gateway.answers_again", part=part)


def _opened(record: Record | None, key_id: str, digest: bytes) -> Record | None:
    return record if record and record.opened_by(key_id, digest) else None


async def _send(send: Send, given: Answer) -> None:
    headers = [(name.lower().encode(), value.encode("ascii")) for name, value in given.headers]
    if given.status != NO_CONTENT:
        headers.append((b"content-length", str(len(given.body)).encode()))
    await send({"type": "http.response.start", "status": given.status, "headers": headers})
    await send({"type": "http.response.body", "body": given.body})
