"""What a gateway answers: status, headers and body for each kind of caller.

Refusals are problem details (RFC 9457) with the challenge of RFC 6750, always one line of ASCII, so
that a gateway can hand them on in a header.
"""

from __future__ import annotations

import json
import string
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import format_datetime
from typing import Any
from urllib.parse import quote

from rollout.domain.gateway import Fault, Record, Retirement
from rollout.domain.inventory import KeyStatus

REALM = 'Bearer realm="api"'
PROBLEM = "urn:problem-type:"
RETRY_AFTER = 1  # seconds

Headers = tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class Answer:
    """One HTTP answer. Header values are printable ASCII."""

    status: int
    headers: Headers
    body: bytes = b""


def answer(record: Record) -> Answer:
    """Answer a caller who has shown the record's key and its secret."""
    return _pass(record) if record.status is KeyStatus.ACTIVE else _refuse_disabled(record)


def refuse(fault: Fault) -> Answer:
    """Answer a caller who has shown no key that opens anything. It says nothing of any key."""
    return _FAULTS[fault]


def unavailable() -> Answer:
    """Answer while nobody can tell whether the key is good: never a refusal of the key."""
    return _UNAVAILABLE


def for_nginx(plain: Answer) -> Answer:
    """Tunnel an answer through nginx, whose auth_request passes on nothing but 2xx, 401 and 403."""
    if plain.status < 300:  # noqa: PLR2004 - the class of success (RFC 9110 section 15)
        return plain
    tunnel = (("X-Error-Status", str(plain.status)), ("X-Error-Body", plain.body.decode("ascii")))
    return Answer(403, (*plain.headers, *tunnel))


def _pass(record: Record) -> Answer:
    identity = (
        ("X-Account", _token(record.account_id)),
        ("X-Credential-Used", _credential(record)),
    )
    if record.retirement is None:
        return Answer(204, identity)
    return Answer(
        204,
        (
            ("Deprecation", f"@{int(record.retirement.deprecated_at.timestamp())}"),  # RFC 9745
            *_signals(record.retirement),
            # Both signals are about the credential, not the resource: caches must not mix them.
            ("Cache-Control", "private"),
            ("Vary", "Authorization"),
            *identity,
        ),
    )


def _refuse_disabled(record: Record) -> Answer:
    since = f" on {_rfc3339(record.disabled_at)}" if record.disabled_at else ""
    retirement = record.retirement
    reason = "cutoff" if retirement else str(record.status)
    detail = f"This API key was {record.status}{since}."
    members: dict[str, Any] = {
        "reason": reason,
        "disabled_at": _rfc3339(record.disabled_at) if record.disabled_at else None,
        "key_hint": record.hint,
    }
    if retirement:
        detail += (
            f" {retirement.title} are replaced by {retirement.replacement_title}:"
            f" {retirement.guide_url}"
        )
        members["replacement"] = {
            "title": retirement.replacement_title,
            "url": retirement.replacement_url,
        }
        members["guide_url"] = retirement.guide_url
    return _problem(
        401,
        "api-key-disabled",
        "API key disabled",
        detail,
        (
            _challenge("invalid_token", f"this API key was {record.status}{since}"),
            *(_signals(retirement) if retirement else ()),
            ("X-Credential-Used", _credential(record)),
        ),
        members,
    )


def _signals(retirement: Retirement) -> Headers:
    # RFC 9745 section 4.2: Sunset must not be earlier than Deprecation.
    sunset = max(retirement.sunset, retirement.deprecated_at)
    guide, replacement = _url(retirement.guide_url), _url(retirement.replacement_url)
    links = (
        f'<{guide}>; rel="deprecation"; type="text/html"',
        f'<{guide}>; rel="sunset"; type="text/html"',
        f'<{replacement}>; rel="successor-version"',
    )
    return (
        ("Sunset", format_datetime(sunset.astimezone(UTC), usegmt=True)),  # RFC 8594
        ("Link", ", ".join(links)),
    )


def _problem(
    status: int,
    kind: str,
    title: str,
    detail: str,
    headers: Headers,
    members: dict[str, Any] | None = None,
) -> Answer:
    body = {"type": PROBLEM + kind, "title": title, "status": status, "detail": detail}
    return Answer(
        status,
        (("Content-Type", "application/problem+json"), ("Cache-Control", "no-store"), *headers),
        json.dumps(body | (members or {})).encode("ascii"),
    )


def _challenge(error: str, description: str) -> tuple[str, str]:
    return ("WWW-Authenticate", f'{REALM}, error="{error}", error_description="{description}"')


def _credential(record: Record) -> str:
    return f"legacy-key {_token(record.hint.replace('…', '...'))}"


def _token(text: str) -> str:
    """Percent-encode whatever could not stand in a header; a usual id stays as it is."""
    return quote(text, safe=string.punctuation.replace("%", "") + " ")


def _url(url: str) -> str:
    return quote(url, safe="%:/?#[]@!$&'()*+,;=")  # the reserved characters of RFC 3986


def _rfc3339(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


_FAULTS = {
    Fault.MISSING: _problem(
        401,
        "missing-credential",
        "Credential missing",
        "This API needs a credential in the Authorization header.",
        (("WWW-Authenticate", REALM),),  # RFC 6750 section 3.1: no error code without credentials
    ),
    Fault.MALFORMED: _problem(
        401,
        "malformed-credential",
        "Credential malformed",
        "The Authorization header cannot be read. It should be Basic, with the base64 of"
        " app_id:api_key in UTF-8.",
        (_challenge("invalid_token", "the Authorization header cannot be read"),),
    ),
    Fault.UNKNOWN: _problem(
        401,
        "unknown-credential",
        "Credential unknown",
        "No key with this id and secret is known here.",
        (_challenge("invalid_token", "no such credential"),),
    ),
}
_UNAVAILABLE = _problem(
    503,
    "temporarily-unavailable",
    "Credential cannot be checked",
    "The credential cannot be checked at the moment. It was not refused: try again.",
    (("Retry-After", str(RETRY_AFTER)),),
)
