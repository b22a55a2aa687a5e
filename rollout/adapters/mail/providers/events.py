"""What the providers' events have in common: JSON of which nothing is certain."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from rollout.adapters.mail.reports.parsing import address_in
from rollout.adapters.one_line import one_line
from rollout.domain.errors import BadInput
from rollout.domain.notices.delivery import Report, ReturnedMail

REASON = 500
_IDS = 20


def parse_json(body: bytes | str) -> Any:
    """Read JSON; raise ``BadInput`` for what is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadInput("the body is not JSON", fix="send it as the provider made it") from error


def part(value: Any, name: str) -> dict[str, Any]:
    """Return an object within an object; an empty one where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return found if isinstance(found, dict) else {}


def parts(value: Any, name: str) -> list[dict[str, Any]]:
    """Return the objects of a list within an object."""
    found = value.get(name) if isinstance(value, dict) else None
    return [item for item in found if isinstance(item, dict)] if isinstance(found, list) else []


def words(value: Any, name: str, limit: int = REASON) -> str:
    """Return a text within an object as one printable line; empty where there is none."""
    found = value.get(name) if isinstance(value, dict) else None
    return one_line(found, limit) if isinstance(found, str) else ""


def instant(value: str) -> datetime | None:
    """Read an ISO 8601 time, in UTC; one without a zone is taken as UTC."""
    try:
        at = datetime.fromisoformat(value)
        return at.replace(tzinfo=UTC) if at.tzinfo is None else at.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def address(value: Any, name: str) -> str | None:
    """Return the mail address in a text within an object."""
    return address_in(words(value, name))


def returned(
    provider: str,
    names: Sequence[Any],
    reports: Sequence[Report],
    *,
    at: datetime | None,
    originals: Sequence[str] = (),
    returned_to: Sequence[str] = (),
    envelope_names: Sequence[str] = (),
) -> ReturnedMail:
    """Make of an event what a mail would have said. ``names`` tell it from all other events.

    A provider sends an event again when its answer was lost, and may give it another id then.
    """
    name = json.dumps([provider, *names], default=str)
    return ReturnedMail(
        digest=hashlib.sha256(name.encode()).digest(),
        message_id=None,
        sender=provider,
        subject=", ".join(sorted({report.kind.value for report in reports})),
        written_at=at,
        originals=tuple(filter(None, originals))[:_IDS],
        returned_to=tuple(filter(None, returned_to))[:_IDS],
        envelope_names=tuple(filter(None, envelope_names))[:_IDS],
        reports=tuple(reports),
        excerpt=name.encode(),
    )
