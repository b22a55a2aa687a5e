"""Batches as gateways send them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from rollout.services.ports import UseBatch, UseSum

AT = datetime(2027, 1, 1, 12, 30, tzinfo=UTC)


def use_sum(key_id: str = "k1", **other: Any) -> UseSum:
    """Three uses within a second, let pass."""
    plain = UseSum(
        key_id,
        account_id="acme",
        user_agent="Zapier",
        network="192.0.2.7",
        first_at=AT,
        last_at=AT + timedelta(seconds=1),
        uses=3,
        refused=False,
    )
    return plain._replace(**other)


def use_batch(number: int, *sums: UseSum, gateway: str = "g1", dropped: int = 0) -> UseBatch:
    return UseBatch(gateway, number, dropped, list(sums) or [use_sum()])
