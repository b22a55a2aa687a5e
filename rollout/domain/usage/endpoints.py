"""Endpoints: which call it was, said so that no id and no secret can be part of it.

An endpoint is a method and a template of the path (``GET /v1/users/{id}``), or the name that a
cloud gives to the call (``s3:GetObject``). A path is written by whoever calls, and people put ids,
addresses and tokens into it. So a segment is kept only if it is a version or a short word in small
letters, and does not stand where a secret would; whatever else it is, it becomes ``{id}`` (K0).
"""

from __future__ import annotations

import re
from functools import lru_cache
from hashlib import sha256

ENDPOINT_BYTES = 8  # of the digest that stands for an endpoint while uses are counted
NO_ENDPOINT = bytes(ENDPOINT_BYTES)  # of a use of which nobody said what was called
OTHER = "other"  # the uses of all endpoints of a key and a day that are not kept apart
MOST_ENDPOINTS = 50  # of a key and a day that are kept apart: the shortest
MOST_SEGMENTS = 6
LONGEST_WORD = 24

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_ID = "{id}"
_CUT = "…"  # stands for the segments that are too many
# No part of a word has more than 15 letters: passwords for apps have 16 and more.
_WORD = re.compile(r"[a-z]{1,15}(?:[-_][a-z]{1,15}){0,2}(?:\.(?:json|xml|csv))?")
_VERSION = re.compile(r"v[0-9]{1,2}(?:\.[0-9])?")
_NO_WORD = re.compile(r"[bcdfghjklmnpqrstvwxz]{6}|[a-f]{6,}")  # chance, or hexadecimal
# What follows a segment that ends so may be the thing itself, also where it looks like a word:
# `token`, `accessToken`, `api_keys.json`.
SECRETS = (
    "(?i:(?:code|credential|invite|key|passphrase|password|secret|session|token)s?"
    "|otp|pass|passwd|pin|pwd)[^/A-Za-z]{0,9}(?:[.][A-Za-z]{1,5})?"
)
_NAMES_SECRET = re.compile(rf"{SECRETS}\Z", re.ASCII)
_SERVICE = re.compile(r"([a-z][a-z0-9-]{0,31})(?:\.[a-z0-9-]{1,32}){0,3}")
_CALL = re.compile(r"(?=.{1,64}\Z)[A-Z][a-z]+[A-Za-z]*(?:20[0-9]{6}(?:v[0-9])?)?")


def endpoint_of(method: str, target: str) -> str:
    """Return the endpoint of a request for a path or a URL; empty where it has no path.

    A method that is not one of HTTP's usual ones is left out.
    """
    path = _before_query(target)
    if not path.startswith("/"):
        path = "/" + path.partition("://")[2].partition("/")[2] if "://" in path else ""
    if not path:
        return ""
    template = _template(path)
    return f"{method.upper()} {template}" if method.upper() in _METHODS else template


def endpoint_of_request(line: str) -> str:
    """Return the endpoint of a request line: ``GET /v1/users/7?page=2 HTTP/1.1``."""
    method, _, rest = _before_query(line).partition(" ")
    return endpoint_of(method, rest.partition(" ")[0])


@lru_cache(maxsize=4096)
def endpoint_of_event(source: str, name: str) -> str:
    """Return the endpoint of a cloud's event: of ``s3.amazonaws.com`` and ``GetObject``, say."""
    service = _SERVICE.fullmatch(source)
    return f"{service[1]}:{name}" if service and _CALL.fullmatch(name) else ""


def is_endpoint(text: str) -> bool:
    """Say whether a text is as these functions write it: then it holds nothing else."""
    method, _, path = text.rpartition(" ")
    if path.startswith("/"):
        return endpoint_of(method, path) == text
    service, _, name = text.partition(":")
    return text in {"", OTHER} or endpoint_of_event(service, name) == text


@lru_cache(maxsize=1 << 16)
def digest_endpoint(endpoint: str) -> bytes:
    """Return the bytes that stand for an endpoint, the same on every machine."""
    return sha256(endpoint.encode()).digest()[:ENDPOINT_BYTES] if endpoint else NO_ENDPOINT


def _before_query(text: str) -> str:
    return text.partition("?")[0].partition("#")[0]


def _template(path: str) -> str:
    kept: list[str] = []
    secret = False
    for segment in filter(None, path.split("/")):
        if len(kept) == MOST_SEGMENTS:
            kept.append(_CUT)
            break
        kept.append(_ID if secret or not _says_something(segment) else segment)
        secret = _NAMES_SECRET.search(segment) is not None
    return "/" + "/".join(kept)


def _says_something(segment: str) -> bool:
    if len(segment) > LONGEST_WORD:
        return False
    if _WORD.fullmatch(segment):
        return _NO_WORD.search(segment) is None
    return _VERSION.fullmatch(segment) is not None
