"""Answers to what cannot be done: problem details (RFC 9457) that say how to get out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

from rollout.domain.errors import RolloutError

PROBLEM = "application/problem+json"
TYPE = "urn:problem-type:"


def explained(error: RolloutError) -> str:
    """Return what an error says, and how to get out of it."""
    return f"{error.message} ({error.fix})" if error.fix else error.message


class Problem(Exception):
    """An answer that ends the handling of a request."""

    def __init__(
        self,
        status: int,
        kind: str,
        title: str,
        detail: str,
        *,
        headers: Mapping[str, str] | None = None,
        **members: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = {"Cache-Control": "no-store", **(headers or {})}
        self.body = {"type": TYPE + kind, "title": title, "status": status, "detail": detail}
        self.body |= members

    def response(self) -> JSONResponse:
        """Return it as an HTTP answer."""
        return JSONResponse(self.body, self.status, self.headers, media_type=PROBLEM)


def unavailable(error: RolloutError) -> Problem:
    """Ask whoever has sent something to send it again."""
    return Problem(
        503,
        "temporarily-unavailable",
        "Try again",
        explained(error),
        headers={"Retry-After": "1"},
    )
