"""What a request is, for each kind of endpoint, and how it is made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime

from rollout.domain.errors import RolloutError
from rollout.domain.notices import NoticeContext
from rollout.domain.webhooks.addresses import Reach
from rollout.domain.webhooks.attempts import Answer
from rollout.domain.webhooks.events import Event, payload, trial
from rollout.domain.webhooks.secrets import WebhookSecrets
from rollout.services.ports import Renderer
from rollout.services.ports.webhooks import Endpoint, Kind, Seals, Sign, WebhookClient

JSON = {"Content-Type": "application/json", "User-Agent": "Rollout"}
# https://docs.slack.dev/messaging/formatting-message-text: these three, and no others
_CONTROL = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_ESCAPED = str.maketrans(_CONTROL)


class Post:
    """Knows how each kind of endpoint wants to be told something."""

    def __init__(
        self,
        client: WebhookClient,
        sign: Sign,
        reach: Reach,
        seals: Seals,
        secrets: WebhookSecrets,
        renderer: Renderer,
    ) -> None:
        self._client = client
        self._sign = sign
        self._reach = reach
        self._seals = seals
        self._secrets = secrets
        self._renderer = renderer

    def refresh(self) -> None:
        """Take up what has changed in the templates since."""
        self._renderer.refresh()

    def body(self, kind: Kind, event: Event, context: NoticeContext) -> bytes:
        """Write an event; raise ``BadInput`` where a template cannot be rendered."""
        if kind is Kind.SLACK:
            return _text(self._renderer.short(event.template, context))
        return payload(event, context)

    def trial(self, endpoint: Endpoint, at: datetime) -> bytes:
        """Write a test; raise ``BadInput`` as ``body`` does."""
        if endpoint.kind is Kind.SLACK:
            return _text(self._renderer.short_test(endpoint.locale))
        return trial(endpoint.account_id, at)

    def send(self, endpoint: Endpoint, webhook_id: str, at: datetime, body: bytes) -> Answer:
        """Try once. Where an address cannot be read, or may not be called, nobody is asked."""
        try:
            url = self._seals.open(endpoint.account_id, endpoint.sealed)
            address = self._reach.read(url)
        except RolloutError as error:
            return Answer(None, error.message, asked=False)
        headers = dict(JSON)
        if endpoint.kind is Kind.STANDARD:
            headers |= self._signed(endpoint, webhook_id, at, body)
        return self._client.post(address, headers, body)

    def _signed(
        self, endpoint: Endpoint, webhook_id: str, at: datetime, body: bytes
    ) -> Mapping[str, str]:
        """Return the headers by which an endpoint knows that we have written this, and when."""
        secrets = [
            self._secrets.of(endpoint.endpoint_id, generation)
            for generation in endpoint.generation.valid(at)
        ]
        return {
            "webhook-id": webhook_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(
                self._sign(secret, webhook_id, at, body) for secret in secrets
            ),
        }


def _text(line: str) -> bytes:
    """Return the message of an incoming webhook, in which nobody is mentioned by accident."""
    return json.dumps({"text": line.translate(_ESCAPED)}).encode()
