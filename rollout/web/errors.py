"""Answers to what cannot be done: problem details (RFC 9457) that say how to get out of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from starlette.responses import JSONResponse

PROBLEM = "application/problem+json"
TYPE = "urn:problem-type:"


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
