"""With what requests are signed: secrets that are derived when they are needed (K0)."""

from __future__ import annotations

import hmac
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime, timedelta

OVERLAP = timedelta(hours=24)  # for which the secret before signs too


@dataclass(frozen=True, slots=True)
class Generation:
    """Which secret of an endpoint is the present one, and since when."""

    number: int
    since: datetime

    def valid(self, now: datetime) -> tuple[int, ...]:
        """Return the numbers of those that sign now, the present one first."""
        if self.number > 1 and now < self.since + OVERLAP:
            return (self.number, self.number - 1)
        return (self.number,)


@dataclass(frozen=True, slots=True)
class WebhookSecrets:
    """Makes the secret of an endpoint, one for each generation: ``whsec_…``.

    The form is that of Standard Webhooks ("Signature scheme"): base64 of 32 bytes.
    """

    key: bytes = field(repr=False)

    def of(self, endpoint_id: int, generation: int) -> str:
        """Return a secret, as its owner is given it."""
        label = f"webhook secret {endpoint_id} {generation}"
        return "whsec_" + b64encode(hmac.digest(self.key, label.encode(), "sha256")).decode()
