"""Webhooks of a campaign, with the real client, and a clock that goes from attempt to attempt."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from rollout.adapters.clock import SystemClock
from rollout.adapters.mail.rendering import TemplateRenderer
from rollout.adapters.resources import templates_dir
from rollout.adapters.webhooks.client import HttpWebhooks
from rollout.adapters.webhooks.seals import AddressSeals
from rollout.adapters.webhooks.signing import sign
from rollout.domain.webhooks.addresses import Reach
from rollout.domain.webhooks.secrets import WebhookSecrets
from rollout.services.ports.webhooks import Kind, WebhookClient
from rollout.services.webhooks import WebhookEndpoints, WebhookSending
from rollout.services.webhooks.posting import Post
from tests.support.campaign import Campaign
from tests.support.webhook_server import WebhookServer

PEPPER = b"a pepper for tests"
REACH = Reach(trying_out=True)
NEXT = "SELECT min(attempt_at) FROM webhook_deliveries WHERE state = 'pending'"


def real_client() -> HttpWebhooks:
    return HttpWebhooks(REACH, SystemClock(), timeout=5)


class Webhooks:
    """The services, on the database of a campaign."""

    def __init__(
        self,
        campaign: Campaign,
        client: WebhookClient | None = None,
        templates: Path | None = None,
    ) -> None:
        self._campaign = campaign
        seals, secrets = AddressSeals(PEPPER), WebhookSecrets(PEPPER)
        client = client or real_client()
        renderer = TemplateRenderer(templates_dir() / "notices", templates)
        self.endpoints = WebhookEndpoints(campaign.start, REACH, seals, secrets)
        post = Post(client, sign, REACH, seals, secrets, renderer)
        self.sending = WebhookSending(campaign.start, post)

    def add(self, server: WebhookServer, account: str = "acme", kind: Kind = Kind.STANDARD) -> int:
        endpoint_id, _ = self.endpoints.add(account, server.url, kind, operator="olga")
        return endpoint_id

    def drain(self) -> int:
        """Post whatever is due; return how much that was."""
        done = 0
        while self.sending.sweep():
            done += 1
        return done

    def live(self, until: datetime) -> None:
        """Let the time pass, and post whenever something is due."""
        self.drain()
        while (at := self._campaign.rows(NEXT)[0][0]) is not None and at <= until:
            self._campaign.at(at)
            self.drain()
        self._campaign.work(until)
        self.drain()

    def state(self, endpoint_id: int) -> tuple[str, str | None]:
        """Return the state of an endpoint, and its reason."""
        ((state, reason),) = self._campaign.rows(
            "SELECT state, reason FROM webhook_endpoints WHERE endpoint_id = :id", id=endpoint_id
        )
        return state, reason

    def deliveries(self) -> list[tuple[str, str, str | None]]:
        """Return step, state and reason of each delivery, in the order in which they came."""
        return [
            (step, state, reason)
            for step, state, reason in self._campaign.rows(
                "SELECT step, state, reason FROM webhook_deliveries ORDER BY delivery_id"
            )
        ]

    def facts(self, action: str) -> list[tuple[str, str | None]]:
        """Return actor and reason of each fact about webhooks with this action."""
        return [
            (actor, reason)
            for actor, reason in self._campaign.rows(
                "SELECT actor, reason FROM facts WHERE action = :action ORDER BY seq",
                action=f"webhook.{action}",
            )
        ]
