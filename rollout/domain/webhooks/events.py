"""What is sent: the payload of a signed webhook (Standard Webhooks, "Payload structure")."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rollout.domain.notices import NoticeContext

TEST = "webhook.test"
NOTICE = "deprecation.notice"  # keys will stop working
DISABLED = "deprecation.disabled"  # they have stopped
# The news of another date, by its template.
NEWS = {"extended": "deprecation.date_moved", "restored": "deprecation.restored"}


@dataclass(frozen=True, slots=True)
class Event:
    """One step, or the news of another date, of one enrollment."""

    deprecation: str
    step: str
    template: str
    state: str  # of the enrollment: scheduled or cut
    schedule_version: int
    at: datetime  # when it happened

    @property
    def type(self) -> str:
        """Say in one word what it means for the keys."""
        return NEWS.get(self.template, DISABLED if self.state == "cut" else NOTICE)


def payload(event: Event, context: NoticeContext) -> bytes:
    """Return the body that tells an event. ``context`` holds what its people are told."""
    data = {
        "account_id": context.account_id,
        "account_name": context.account_name,
        "deprecation": event.deprecation,
        "title": context.title,
        "step": event.step,
        "state": event.state,
        "deadline": _instant(context.deadline),
        "zone": context.zone,
        "previous_deadline": _instant(context.previous_deadline),
        "schedule_version": event.schedule_version,
        "reason": context.reason,
        "usage": context.usage.value,
        "keys": [
            {
                "hint": key.hint,
                "label": key.label,
                "usage": key.usage.value,
                "last_seen": _instant(key.last_seen),
            }
            for key in context.keys
        ],
        "callers": [
            {
                "name": caller.name,
                "network": caller.network,
                "networks": caller.networks,
                "count": caller.count,
                "last_seen": _instant(caller.last_seen),
            }
            for caller in context.callers
        ],
        "replacement": {"title": context.replacement_title, "url": context.replacement_url},
        "guide_url": context.guide_url,
    }
    return envelope(event.type, event.at, data)


def trial(account_id: str, at: datetime) -> bytes:
    """Return the body of a test: it tells nothing but whose webhook this is."""
    return envelope(TEST, at, {"account_id": account_id})


def envelope(of_type: str, at: datetime, data: dict[str, Any]) -> bytes:
    """Return the JSON of an event."""
    whole = {"type": of_type, "timestamp": _instant(at), "data": data}
    return json.dumps(whole, ensure_ascii=False, separators=(",", ":")).encode()


def _instant(at: datetime | None) -> str | None:
    """Write an instant as RFC 3339, in UTC."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z") if at else None
