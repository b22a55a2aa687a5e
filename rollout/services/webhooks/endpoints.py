"""The endpoints of accounts: added, shown, switched off and on, removed."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from typing import Any

from rollout.domain.audit import Fact
from rollout.domain.errors import Conflict, NotFound, Refused, no_account
from rollout.domain.webhooks.addresses import Reach
from rollout.domain.webhooks.secrets import WebhookSecrets
from rollout.services.ports import StartUnitOfWork, UnitOfWork
from rollout.services.ports.webhooks import (
    DeliveryState,
    Endpoint,
    EndpointState,
    Kind,
    NewEndpoint,
    Row,
    Seals,
)


class WebhookEndpoints:
    """Changes endpoints, each by a fact. An address goes in and is never shown again."""

    def __init__(
        self, start: StartUnitOfWork, reach: Reach, seals: Seals, secrets: WebhookSecrets
    ) -> None:
        self._start = start
        self._reach = reach
        self._seals = seals
        self._secrets = secrets

    def add(self, account_id: str, url: str, kind: Kind, *, operator: str) -> tuple[int, str]:
        """Add an endpoint; return its id, and the hint by which it is shown.

        Raises ``BadInput`` or ``Refused`` for an address that will never be called, ``NotFound``
        for an unknown account, and ``Conflict`` where it has that address already.
        """
        address = self._reach.read(url)
        new = NewEndpoint(
            account_id=account_id,
            kind=kind,
            sealed=self._seals.seal(account_id, address.url),
            digest=self._seals.digest(account_id, address.url),
            hint=address.hint,
            operator=operator,
        )
        with self._start() as uow:
            _require_account(uow, account_id)
            endpoint_id = uow.webhooks.add(new)
            if endpoint_id is None:
                raise Conflict(
                    f"account {account_id} has a webhook with this address already",
                    fix=f"`rollout webhook list {account_id}` shows it",
                )
            data = {"endpoint": endpoint_id, "kind": kind.value, "hint": address.hint}
            uow.audit.append([_fact(operator, "added", account_id, None, data)])
            uow.commit()
        return endpoint_id, address.hint

    def listed(self, account_id: str | None) -> Iterator[Row]:
        """Yield the endpoints of an account, or of all.

        Raises ``NotFound`` at once for an account that does not exist.
        """
        if account_id is not None:
            with self._start() as uow:
                _require_account(uow, account_id)
        return self._listed(account_id)

    def deliveries(
        self, endpoint_id: int | None, state: DeliveryState | None, limit: int | None
    ) -> Iterator[Row]:
        """Yield what was sent, or waits, the newest first: all that fit, or ``limit`` of them.

        Raises ``NotFound`` at once for an endpoint that never was; of one that is removed, what
        was sent stays on record.
        """
        if endpoint_id is not None:
            with self._start() as uow:
                _require_known(uow, endpoint_id)
        return self._deliveries(endpoint_id, state, limit)

    def secret(self, endpoint_id: int) -> str:
        """Return the secret with which an endpoint verifies what it gets."""
        with self._start() as uow:
            endpoint = _signed(uow, endpoint_id)
        return self._secrets.of(endpoint_id, endpoint.generation.number)

    def renew_secret(self, endpoint_id: int, *, operator: str) -> str:
        """Begin another secret and return it; for a day the one before signs too."""
        with self._start() as uow:
            endpoint = _signed(uow, endpoint_id)
            generation = uow.webhooks.renew_secret(endpoint_id)
            data = _data(endpoint) | {"generation": generation}
            fact = _fact(operator, "secret-renewed", endpoint.account_id, None, data)
            uow.audit.append([fact])
            uow.commit()
        return self._secrets.of(endpoint_id, generation)

    def disable(self, endpoint_id: int, *, reason: str, operator: str) -> Endpoint:
        """Send nothing there any more; what waits is skipped."""
        return self._change(endpoint_id, EndpointState.DISABLED, reason, operator)

    def enable(self, endpoint_id: int, *, operator: str) -> Endpoint:
        """Send there again, from the next event on."""
        return self._change(endpoint_id, EndpointState.ACTIVE, None, operator)

    def resend(
        self, endpoint_id: int, deliveries: Collection[int] | None, *, operator: str
    ) -> Sequence[int]:
        """Send again, under the same ids, what has failed or was skipped: those, or all.

        What has moved on since is left out. Raises ``Refused`` where nothing is left, or where one
        of those cannot be sent again.
        """
        with self._start() as uow:
            endpoint = require(uow, endpoint_id)
            if endpoint.state is EndpointState.DISABLED:
                raise Refused(
                    f"webhook {endpoint_id} is disabled",
                    fix=f"`rollout webhook enable {endpoint_id}` first",
                )
            again = uow.webhook_outbox.resend(endpoint_id, deliveries)
            if not again or set(deliveries or again) != set(again):
                raise _nothing_to_resend(endpoint_id, set(deliveries or ()) - set(again))
            data = _data(endpoint) | {"deliveries": list(again)}
            fact = _fact(operator, "resent", endpoint.account_id, None, data)
            uow.audit.append([fact])
            uow.commit()
        return again

    def remove(self, endpoint_id: int, *, reason: str, operator: str) -> Endpoint:
        """Forget the address of an endpoint. What was sent there stays on record."""
        return self._change(endpoint_id, EndpointState.REMOVED, reason, operator)

    def _listed(self, account_id: str | None) -> Iterator[Row]:
        with self._start() as uow:
            yield from uow.webhooks.listed(account_id)

    def _deliveries(
        self, endpoint_id: int | None, state: DeliveryState | None, limit: int | None
    ) -> Iterator[Row]:
        with self._start() as uow:
            yield from uow.webhook_outbox.listed(endpoint_id, state, limit)

    def _change(
        self, endpoint_id: int, state: EndpointState, reason: str | None, operator: str
    ) -> Endpoint:
        with self._start() as uow:
            endpoint = require(uow, endpoint_id)
            if endpoint.state is state:
                raise Conflict(f"webhook {endpoint_id} is {state} already")
            uow.webhooks.change(endpoint_id, state, reason)
            action = "enabled" if state is EndpointState.ACTIVE else state.value
            fact = _fact(operator, action, endpoint.account_id, reason, _data(endpoint))
            uow.audit.append([fact])
            uow.commit()
        return endpoint


def require(uow: UnitOfWork, endpoint_id: int) -> Endpoint:
    """Lock and return an endpoint that is not removed; raise ``NotFound`` or ``Refused``."""
    endpoint = _require_known(uow, endpoint_id)
    if endpoint.state is EndpointState.REMOVED:
        raise Refused(
            f"webhook {endpoint_id} was removed, and its address is forgotten",
            fix=f"`rollout webhook add {endpoint.account_id}` adds another",
        )
    return endpoint


def _require_known(uow: UnitOfWork, endpoint_id: int) -> Endpoint:
    endpoint = uow.webhooks.lock(endpoint_id)
    if endpoint is None:
        raise NotFound(
            f"there is no webhook {endpoint_id}", fix="`rollout webhook list` shows them all"
        )
    return endpoint


def _nothing_to_resend(endpoint_id: int, unfit: Collection[int]) -> Refused:
    which = f" as {', '.join(map(str, sorted(unfit)))}" if unfit else ""
    return Refused(
        f"webhook {endpoint_id} has no such delivery{which}: one that failed or was skipped, and"
        " tells a date that still holds",
        fix=f"`rollout webhook deliveries {endpoint_id} --state failed` shows what failed",
    )


def _signed(uow: UnitOfWork, endpoint_id: int) -> Endpoint:
    endpoint = require(uow, endpoint_id)
    if endpoint.kind is not Kind.STANDARD:
        raise Refused(
            f"webhook {endpoint_id} is of the kind {endpoint.kind}, which is not signed: there,"
            " the address itself is the secret"
        )
    return endpoint


def _require_account(uow: UnitOfWork, account_id: str) -> None:
    if not uow.webhooks.knows(account_id):
        raise no_account(account_id)


def _data(endpoint: Endpoint) -> dict[str, Any]:
    return {"endpoint": endpoint.endpoint_id, "hint": endpoint.hint}


def _fact(
    actor: str, action: str, account_id: str, reason: str | None, data: dict[str, Any]
) -> Fact:
    return Fact(actor, f"webhook.{action}", f"account:{account_id}", reason, data)
