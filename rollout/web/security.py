"""Who may ask: a bearer token, compared in constant time."""

from __future__ import annotations

import hmac

from starlette.requests import Request


def shown_token(request: Request) -> str | None:
    """Return the bearer token of a request (RFC 6750), or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def is_token(shown: str, token: str) -> bool:
    """Say whether the token that was shown is the right one; how wrong it is takes no time."""
    return hmac.compare_digest(shown.encode("latin-1"), token.encode())  # as it came
