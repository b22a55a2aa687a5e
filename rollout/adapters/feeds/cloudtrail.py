"""AWS CloudTrail: who called, by ``userIdentity.accessKeyId``.

Reads what AWS delivers (``{"Records": […]}``), bare arrays, and one event per line; each event by
itself or in the wrapping of LookupEvents (``CloudTrailEvent``), EventBridge (``detail``) or a
collector (``log``).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from rollout.adapters.feeds.json_records import JsonRecord, json_records
from rollout.adapters.feeds.reading import digest_record, example, field
from rollout.domain.usage import Sighting
from rollout.domain.usage.endpoints import endpoint_of_event
from rollout.services.ports import Keyless, Log, Reading, Unreadable

WRAPPINGS = ("CloudTrailEvent", "detail", "log")
MARKS = frozenset({"useridentity", "eventname", "eventsource", "eventtime"})


class CloudTrail:
    """Implements ``services.ports.UsageFeed``."""

    name = "cloudtrail"
    by_line = False  # an array may stand on many lines

    def read(self, log: Log) -> Iterator[Reading]:
        """Stream the readings of a log."""
        for record in json_records(log):
            yield record if isinstance(record, Unreadable) else _reading(record)


def _reading(record: JsonRecord) -> Reading:
    event = _unwrap(record.value)
    if event is None:
        return _unreadable(record, "not a CloudTrail event")
    identity = event.get("userIdentity") or {}
    if not isinstance(identity, dict):
        return _unreadable(record, "userIdentity is not an object")
    key_id = _text(identity.get("accessKeyId"))
    at = _instant(_text(event.get("eventTime")))
    user_agent = _text(event.get("userAgent"))
    network = _text(event.get("sourceIPAddress"))
    account_id = _text(identity.get("accountId")) or None
    if not key_id:
        return Keyless(at, user_agent, network, account_id)
    if at is None:
        return _unreadable(record, "eventTime is missing or not a time")
    return Sighting(
        key_id=key_id,
        at=at,
        user_agent=user_agent,
        network=network,
        refused=bool(event.get("errorCode")),
        account_id=account_id,
        event=_digest(event),
        own_id=bool(event.get("eventID")),
        endpoint=endpoint_of_event(_text(event.get("eventSource")), _text(event.get("eventName"))),
    )


def _unwrap(value: Any) -> dict[str, Any] | None:
    """Return the event itself, or None if this is not one."""
    if not isinstance(value, dict):
        return None
    inner = next((value[name] for name in WRAPPINGS if value.get(name)), value)
    if isinstance(inner, str):
        try:
            inner = json.loads(inner)
        except (ValueError, RecursionError):
            return None
    if not isinstance(inner, dict) or MARKS.isdisjoint(name.lower() for name in inner):
        return None
    return inner


def _digest(event: dict[str, Any]) -> bytes:
    """Name the event by all it says: collectors are known to give one eventID to many events."""
    canonical = json.dumps(event, sort_keys=True, separators=(",", ":"))
    return digest_record(canonical.encode())


@lru_cache(maxsize=4096)
def _instant(text: str) -> datetime | None:
    """Read a time in any of the shapes seen; without an offset it is UTC, as CloudTrail writes."""
    if ":" not in text:
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _text(value: Any) -> str:
    """Return a field as text: some collectors write ids as numbers, some fields as null."""
    if isinstance(value, str):
        return field(value)
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else ""


def _unreadable(record: JsonRecord, why: str) -> Unreadable:
    return Unreadable(record.where, why, example(json.dumps(record.value, ensure_ascii=False)))
