"""What the API is, in the terms of OpenAPI 3.1."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any

from rollout.web.api.uploads import MOST_SENT, MOST_UNPACKED

_COUNT = {"type": "integer", "minimum": 0}
_PROBLEM = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}


def _problem(description: str, **headers: str) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": description, "content": _PROBLEM}
    if headers:
        answer["headers"] = {
            name.replace("_", "-"): {"description": said, "schema": {"type": "string"}}
            for name, said in headers.items()
        }
    return answer


USE = {
    "type": "object",
    "description": "One use of a key: one line of the body.",
    "required": ["key_id", "at"],
    "properties": {
        "key_id": {"type": "string", "description": "The public part of the key."},
        "at": {"type": "string", "description": "When, in ISO 8601; UTC, where it has no zone."},
        "user_agent": {"type": "string"},
        "network": {"type": "string", "description": "The caller's address."},
        "account_id": {"type": "string"},
        "client": {"type": "string", "description": "What the caller says it is."},
        "method": {"type": "string"},
        "path": {"type": "string", "description": "Or a URL; only plain words of it are kept."},
        "event_id": {"type": "string", "description": "Equal ids are one use, whoever sends them."},
        "refused": {"type": "boolean"},
        "status": {"type": "integer", "description": "The HTTP status; 401 and 403 are refusals."},
    },
}
COUNTS = {
    "type": "object",
    "required": ["feed", "already_imported", "sightings", "repeated", "keyless", "unreadable"],
    "properties": {
        "feed": {"type": "string"},
        "already_imported": {
            "type": "boolean",
            "description": "The same bytes came before. The counts are those of that time.",
        },
        "records": _COUNT,
        "sightings": _COUNT | {"description": "Uses that were counted."},
        "repeated": _COUNT | {"description": "Uses that had been counted before."},
        "ahead": _COUNT | {"description": "Uses of a time that has not come yet, set aside."},
        "keyless": _COUNT | {"description": "Records without a key."},
        "unreadable": _COUNT,
        "examples": {"type": "array", "items": {"type": "string"}},
    },
}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "examples": {"type": "array", "items": {"type": "string"}},
    },
}
PARAMETERS = [
    {
        "name": "feed",
        "in": "query",
        "description": "Where the uses were seen: what is covered is judged for each feed.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 100, "default": "ndjson"},
    },
    {
        "name": "Idempotency-Key",
        "in": "header",
        "description": "A name for this body, which no other may have.",
        "schema": {"type": "string", "minLength": 1, "maxLength": 255},
    },
    {
        "name": "Content-Encoding",
        "in": "header",
        "schema": {"type": "string", "enum": ["identity", "gzip"]},
    },
]
POST_USAGE = {
    "operationId": "postUsage",
    "summary": "Report uses of keys",
    "description": "Takes in all lines that can be read, or nothing. Safe to send again.",
    "security": [{"token": []}],
    "parameters": PARAMETERS,
    "requestBody": {
        "required": True,
        "description": f"A line for each use; at most {MOST_SENT >> 20} MB, unpacked"
        f" {MOST_UNPACKED >> 20} MB.",
        "content": {"application/x-ndjson": {"schema": {"$ref": "#/components/schemas/Use"}}},
    },
    "responses": {
        "200": {
            "description": "What became of the lines.",
            "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Counts"}}},
        },
        "400": _problem("The gzip data is damaged, or a parameter is not as described."),
        "401": _problem("The token is missing or wrong.", WWW_Authenticate="The challenge."),
        "404": _problem("ROLLOUT_USAGE_TOKEN is not set: nobody may report."),
        "409": _problem("A request with the same Idempotency-Key is under way."),
        "413": _problem("The body is too large."),
        "415": _problem("The body is not NDJSON, or encoded in another way."),
        "422": _problem(
            "None of the lines can be read, or the Idempotency-Key came with another body before."
        ),
        "503": _problem("Try again.", Retry_After="Seconds."),
    },
}
POST_MAIL = {
    "operationId": "postMailEvents",
    "summary": "Report what became of mail",
    "description": "For mail providers. What is not signed by the provider is refused; of Postmark,"
    " which signs nothing, what comes without the password. Safe to send again.",
    "security": [{}, {"password": []}],
    "parameters": [
        {
            "name": "provider",
            "in": "path",
            "required": True,
            "schema": {"type": "string", "enum": ["ses", "sendgrid", "postmark"]},
        }
    ],
    "requestBody": {
        "required": True,
        "description": "As the provider makes it.",
        "content": {"application/json": {}, "text/plain": {}},
    },
    "responses": {
        "200": {
            "description": "Everything is stored.",
            "content": {
                "application/json": {"schema": {"$ref": "#/components/schemas/MailCounts"}}
            },
        },
        "400": _problem("The body is not JSON."),
        "401": _problem("The password is missing or wrong.", WWW_Authenticate="The challenge."),
        "403": _problem("The provider has not signed this."),
        "404": _problem("No such provider, or its setting is missing."),
        "413": _problem("The body is too large."),
        "503": _problem("Try again.", Retry_After="Seconds."),
    },
}
MAIL_COUNTS = {
    "type": "object",
    "required": ["events", "repeated", "unmatched"],
    "properties": {
        "events": _COUNT | {"description": "Events that say something about a message."},
        "repeated": _COUNT | {"description": "Of those, what had come before."},
        "unmatched": _COUNT | {"description": "Of those, what is about none of our notices."},
    },
}
DOCUMENT: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Rollout",
        "version": version("rollout"),
        "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
    },
    "servers": [{"url": "/"}],
    "paths": {
        "/api/v1/mail/{provider}": {"post": POST_MAIL},
        "/api/v1/usage": {"post": POST_USAGE},
    },
    "components": {
        "schemas": {"Use": USE, "Counts": COUNTS, "MailCounts": MAIL_COUNTS, "Problem": PROBLEM},
        "securitySchemes": {
            "token": {"type": "http", "scheme": "bearer"},
            "password": {"type": "http", "scheme": "basic"},
        },
    },
}
