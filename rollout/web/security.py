"""Who may ask: a bearer token or a password, compared in constant time."""

from __future__ import annotations

import binascii
import hmac
from base64 import b64decode

from starlette.requests import Request


def shown_token(request: Request) -> str | None:
    """Return the bearer token of a request (RFC 6750), or None."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def shown_password(request: Request) -> str | None:
    """Return the password of a request with Basic authentication (RFC 7617), or None."""
    scheme, _, shown = request.headers.get("authorization", "").partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        _, _, password = b64decode(shown.strip(), validate=True).decode("latin-1").partition(":")
    except (binascii.Error, ValueError):
        return None
    return password or None


def is_token(shown: str, token: str) -> bool:
    """Say whether the token that was shown is the right one; how wrong it is takes no time."""
    return hmac.compare_digest(shown.encode("latin-1"), token.encode())  # as it came
