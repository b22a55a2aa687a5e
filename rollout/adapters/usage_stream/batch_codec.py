"""A batch as the stream keeps it: compressed JSON, and nothing in it is believed unseen."""

from __future__ import annotations

import json
import zlib
from datetime import UTC, datetime
from typing import Any

from rollout.adapters.feeds.reading import field
from rollout.domain.inventory_fields import MAX_ID
from rollout.domain.usage import hour_of
from rollout.domain.usage.endpoints import is_endpoint
from rollout.services.ports.usage_stream import UseBatch, UseSum

LONGEST = 16 << 20  # bytes of JSON; a gateway's largest batch is a tenth of it
MOST_USES = 1 << 40  # of a sum: more than a gateway can see in an hour
YEARS = range(2000, 2200)  # for each month of use there will be a table
FAST = 1  # the level of compression


def encode(batch: UseBatch) -> bytes:
    """Write a batch."""
    fields = {name: getattr(batch, name) for name in batch.__slots__}
    return zlib.compress(_JSON.encode(fields).encode(), FAST)


def decode(content: bytes) -> UseBatch:
    """Read a batch; raise ``ValueError`` that says why, if it is none or cannot be counted."""
    try:
        inflate = zlib.decompressobj()
        text = inflate.decompress(content, LONGEST)
        if not inflate.eof:
            raise ValueError("it is cut off, or too long")
        fields: Any = json.loads(text)
        return UseBatch(
            gateway=_name(fields["gateway"]),
            number=_whole(fields["number"], 1),
            dropped=_whole(fields["dropped"], 0),
            sums=[_sum(*values) for values in fields["sums"]],
        )
    except (zlib.error, TypeError, KeyError, OverflowError, RecursionError) as error:
        raise ValueError(f"{type(error).__name__}: {error}") from error


def _sum(
    key_id: Any,
    account_id: Any,
    user_agent: Any,
    network: Any,
    first: Any,
    last: Any,
    uses: Any,
    refused: Any,
    endpoint: Any = "",  # a gateway of an earlier release does not say
) -> UseSum:
    first_at, last_at = _instant(first), _instant(last)
    if not first_at <= last_at or hour_of(first_at) != hour_of(last_at):
        raise ValueError(f"{first} to {last} is not within one hour")
    if not isinstance(refused, bool):
        raise TypeError("the outcome is neither true nor false")
    return UseSum(
        _name(key_id),
        None if account_id is None else _name(account_id),
        field(user_agent + ""),
        field(network + ""),
        first_at,
        last_at,
        _whole(uses, 1),
        refused,
        endpoint if is_endpoint(endpoint + "") else "",  # it still is a use
    )


def _name(text: Any) -> str:
    if not 0 < len(text + "") <= MAX_ID or text != field(text):
        raise ValueError("a name is empty, too long, or not text that a database keeps")
    return str(text)


def _whole(number: Any, least: int) -> int:
    if type(number) is not int or not least <= number <= MOST_USES:
        raise ValueError(f"{str(number)[:40]!r} is no number from {least} to {MOST_USES}")
    return number


def _instant(text: Any) -> datetime:
    at = datetime.fromisoformat(text)
    if at.tzinfo is None or at.year not in YEARS:
        raise ValueError(f"{text} has no zone, or is of another century")
    return at.astimezone(UTC)


# Each gateway writes thousands of sums a second: nothing here that is not needed.
_JSON = json.JSONEncoder(default=datetime.isoformat, check_circular=False, separators=(",", ":"))
