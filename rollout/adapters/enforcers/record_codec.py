"""A record as the verdict store keeps it: ``<version> <JSON>``, so that a script can compare."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from rollout.domain.gateway import Record, Retirement
from rollout.domain.inventory import KeyStatus


def encode(record: Record) -> str:
    """Write a record."""
    return f"{record.version} {_JSON.encode(record)}"


def decode(value: object) -> Record | None:
    """Read a record; None for what is none, or was written by a version that differs."""
    if not isinstance(value, bytes):
        return None
    try:
        fields = json.loads(value.partition(b" ")[2])
        return Record(
            **fields
            | {
                "status": KeyStatus(fields["status"]),
                "secret_digest": bytes.fromhex(fields["secret_digest"]),
                "disabled_at": fields["disabled_at"] and _instant(fields["disabled_at"]),
                "retirement": fields["retirement"] and _retirement(fields["retirement"]),
            }
        )
    except (ValueError, TypeError, KeyError):
        return None  # the truth is asked instead


def _retirement(fields: dict[str, Any]) -> Retirement:
    return Retirement(
        **fields
        | {
            "deprecated_at": _instant(fields["deprecated_at"]),
            "sunset": _instant(fields["sunset"]),
        }
    )


def _instant(text: str) -> datetime:
    return datetime.fromisoformat(text)


def _plain(value: bytes | datetime | Record | Retirement) -> str | dict[str, Any]:
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, datetime):
        return value.isoformat()
    return {name: getattr(value, name) for name in value.__slots__}


_JSON = json.JSONEncoder(default=_plain, separators=(",", ":"))
