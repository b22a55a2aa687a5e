"""Signs what is sent, by the library of Standard Webhooks."""

from __future__ import annotations

from datetime import UTC, datetime

from standardwebhooks import Webhook


def sign(secret: str, webhook_id: str, at: datetime, body: bytes) -> str:
    """Return the signature by one secret, as the header has it: ``v1,…``."""
    # The library takes whatever it is given for UTC.
    return Webhook(secret).sign(webhook_id, at.astimezone(UTC), body.decode())
