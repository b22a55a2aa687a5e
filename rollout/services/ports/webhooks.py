"""What webhooks ask of the database, of the network and of whoever keeps a secret."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Protocol

from rollout.domain.notices import NoticeContext
from rollout.domain.webhooks.addresses import Address
from rollout.domain.webhooks.attempts import Answer
from rollout.domain.webhooks.events import Event
from rollout.domain.webhooks.secrets import Generation
from rollout.services.ports.notices import NewNotice

Row = Mapping[str, Any]


class Kind(StrEnum):
    """What an endpoint understands."""

    STANDARD = "standard"  # signed JSON: Standard Webhooks
    SLACK = "slack"  # {"text": …}: Slack, Mattermost, Rocket.Chat and others


class EndpointState(StrEnum):
    """Whether an endpoint is told anything."""

    ACTIVE = "active"
    DISABLED = "disabled"  # by a person, or by its own failing
    REMOVED = "removed"  # its address is forgotten, its deliveries are not


class DeliveryState(StrEnum):
    """What became of an event. One that waits for its next attempt is pending."""

    PENDING = "pending"
    DELIVERED = "delivered"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An address of one account's to which events are posted."""

    endpoint_id: int
    account_id: str
    locale: str  # of the account
    kind: Kind
    sealed: bytes = field(repr=False)  # the URL, which only `Seals` can open
    hint: str
    state: EndpointState
    generation: Generation


@dataclass(frozen=True, slots=True)
class NewEndpoint:
    """An endpoint as it is added."""

    account_id: str
    kind: Kind
    sealed: bytes = field(repr=False)
    digest: bytes = field(repr=False)  # keyed: by it an address that is there already is found
    hint: str
    operator: str


@dataclass(frozen=True, slots=True)
class Claimed:
    """An event that this worker alone may post now."""

    delivery_id: int
    webhook_id: str  # the same at every attempt
    lease: int  # of its endpoint: finishing names it
    endpoint: Endpoint
    enrollment_id: int
    event: Event
    attempts: int  # this one included
    current: bool  # what it tells is still so


class WebhooksRepository(Protocol):
    """Endpoints, inside one unit of work."""

    def knows(self, account_id: str) -> bool:
        """Say whether there is such an account."""
        ...

    def add(self, new: NewEndpoint) -> int | None:
        """Add an active endpoint; return its id, or None where the account has that address."""
        ...

    def lock(self, endpoint_id: int) -> Endpoint | None:
        """Lock and return an endpoint, removed or not, or None."""
        ...

    def listed(self, account_id: str | None) -> Iterator[Row]:
        """Yield endpoints that are not removed, of one account or of all."""
        ...

    def change(self, endpoint_id: int, state: EndpointState, reason: str | None) -> None:
        """Set the state. What waits for an endpoint that is not active is skipped."""
        ...

    def renew_secret(self, endpoint_id: int) -> int:
        """Begin a new generation of the secret; return its number."""
        ...


class WebhookOutbox(Protocol):
    """Deliveries, inside one unit of work. A row is the outbox."""

    def tell(self, notices: Sequence[NewNotice]) -> int:
        """Write one delivery for each step that is sent and each active endpoint.

        One that exists for (endpoint, enrollment, step, schedule version) stays as it is.
        """
        ...

    def retell(self, enrollment_id: int, template: str) -> None:
        """Tell the present date to endpoints that were, or may have been, told another.

        People who have yet to hear of an endpoint that is off hear of it with the new date.
        """
        ...

    def claim(self, lease: timedelta) -> Claimed | None:
        """Claim one event that is due, and its endpoint: nobody else posts there meanwhile.

        When a lease has run out, because its worker died, the event is due again.
        """
        ...

    def context(self, claimed: Claimed, now: datetime) -> NoticeContext:
        """Return what may be said, as people of the account are told it."""
        ...

    def finish(
        self,
        claimed: Claimed,
        state: DeliveryState,
        reason: str,
        wait: timedelta | None = None,
    ) -> bool:
        """Give the endpoint free and record what became; False where the lease was lost.

        What stays pending is due again after ``wait``.
        """
        ...

    def resend(self, endpoint_id: int, deliveries: Collection[int] | None) -> Sequence[int]:
        """Let what has failed, or was skipped, be due again: those, or all; return which.

        What is out of date by now is left out.
        """
        ...

    def any_delivered(self, endpoint_id: int, since: datetime) -> bool:
        """Say whether an endpoint has taken anything since then."""
        ...

    def listed(
        self, endpoint_id: int | None, state: DeliveryState | None, limit: int | None
    ) -> Iterator[Row]:
        """Yield deliveries, the newest first: all that fit, or ``limit`` of them."""
        ...


class Seals(Protocol):
    """Keeps addresses so that nobody can read them in the database."""

    def seal(self, account_id: str, url: str) -> bytes:
        """Return a URL, sealed for one account."""
        ...

    def open(self, account_id: str, sealed: bytes) -> str:
        """Return the URL; raise ``Unavailable`` where it was sealed with another key."""
        ...

    def digest(self, account_id: str, url: str) -> bytes:
        """Return what tells whether an account has a URL already."""
        ...


class WebhookClient(Protocol):
    """Posts."""

    def post(self, address: Address, headers: Mapping[str, str], body: bytes) -> Answer:
        """Try once. Never raises for what a server or a network does."""
        ...


class Sign(Protocol):
    """Signs by Standard Webhooks ("Signature scheme")."""

    def __call__(self, secret: str, webhook_id: str, at: datetime, body: bytes) -> str:
        """Return the signature by one secret, as the header has it: ``v1,…``."""
        ...
