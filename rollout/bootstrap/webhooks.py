"""Webhooks: what keeps their addresses, and what posts to them."""

from __future__ import annotations

from dataclasses import dataclass

from rollout.adapters.webhooks.client import HttpWebhooks
from rollout.adapters.webhooks.seals import AddressSeals
from rollout.adapters.webhooks.signing import sign
from rollout.domain.clock import Clock
from rollout.domain.webhooks.addresses import Reach
from rollout.domain.webhooks.secrets import WebhookSecrets
from rollout.services.ports import Renderer, StartUnitOfWork
from rollout.services.webhooks import WebhookEndpoints, WebhookSending
from rollout.services.webhooks.posting import Post
from rollout.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Webhooks:
    """Everything about webhooks that an entry point may use."""

    endpoints: WebhookEndpoints
    sending: WebhookSending


def wire_webhooks(
    settings: Settings, clock: Clock, pepper: bytes, start: StartUnitOfWork, renderer: Renderer
) -> Webhooks:
    """Wire what has to do with webhooks."""
    reach = Reach(_hosts(settings.webhook_private_hosts), trying_out=not settings.production)
    seals, secrets = AddressSeals(pepper), WebhookSecrets(pepper)
    post = Post(HttpWebhooks(reach, clock), sign, reach, seals, secrets, renderer)
    return Webhooks(
        endpoints=WebhookEndpoints(start, reach, seals, secrets),
        sending=WebhookSending(start, post),
    )


def _hosts(given: str | None) -> frozenset[str]:
    names = (name.strip().strip("[]").lower() for name in (given or "").split(","))
    return frozenset(name for name in names if name)
