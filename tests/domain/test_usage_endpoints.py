"""Endpoints: what was called, without anything that is nobody's business."""

from __future__ import annotations

import re
import secrets
import time
from base64 import b32encode
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout.domain.usage.endpoints import (
    LONGEST_WORD,
    MOST_SEGMENTS,
    OTHER,
    digest_endpoint,
    endpoint_of,
    endpoint_of_event,
    endpoint_of_request,
    is_endpoint,
)

METHODS = ["GET", "post", "DELETE", "BREW", ""]
LONGEST = len("OPTIONS ") + (MOST_SEGMENTS + 1) * (LONGEST_WORD + 1)


@pytest.mark.parametrize(
    ("line", "endpoint"),
    [
        ("GET /v1/users/42 HTTP/1.1", "GET /v1/users/{id}"),
        ("GET /v1/users/42?page=2&token=s3cret HTTP/1.1", "GET /v1/users/{id}"),
        ("POST /v2.1/access-requests/ HTTP/2.0", "POST /v2.1/access-requests"),
        ("GET /v1//orders/7/line_items.json HTTP/1.1", "GET /v1/orders/{id}/line_items.json"),
        ("DELETE /users/550e8400-e29b-41d4-a716-446655440000 HTTP/1.1", "DELETE /users/{id}"),
        ("GET /contacts/ann@example.com HTTP/1.1", "GET /contacts/{id}"),
        ("GET /contacts/ann%40example.com HTTP/1.1", "GET /contacts/{id}"),
        ("GET /objects/deadbeef HTTP/1.1", "GET /objects/{id}"),
        ("GET /v1/feed HTTP/1.1", "GET /v1/feed"),
        ("GET /charges/ch_3MmlLrLkdIwHu7ix HTTP/1.1", "GET /charges/{id}"),
        ("GET /v1/Users HTTP/1.1", "GET /v1/{id}"),
        ("GET / HTTP/1.1", "GET /"),
        ("GET /a/b/c/d/e/f/g/h HTTP/1.1", "GET /a/b/c/d/e/f/…"),
        ("GET https://u:p4ss@api.example.com/v1/me#top HTTP/1.1", "GET /v1/me"),
        ("GET https://api.example.com HTTP/1.1", "GET /"),
        ("BREW /coffee HTTP/1.1", "/coffee"),
        ("OPTIONS * HTTP/1.1", ""),
        ("CONNECT example.com:443 HTTP/1.1", ""),
        ("-", ""),
        ("", ""),
        # A Google app password, a passphrase, and what follows the name of a secret.
        ("GET /login/abcdefghijklmnop HTTP/1.1", "GET /login/{id}"),
        ("GET /x/correct-horse-battery-staple HTTP/1.1", "GET /x/{id}"),
        ("GET /v1/password/hunter HTTP/1.1", "GET /v1/password/{id}"),
        ("GET /v1/api_keys/hunter/rotate HTTP/1.1", "GET /v1/api_keys/{id}/rotate"),
        ("GET /v1/reset-token/hunter HTTP/1.1", "GET /v1/reset-token/{id}"),
        ("GET /apikey/hunter HTTP/1.1", "GET /apikey/{id}"),
        ("GET /Token/hunter HTTP/1.1", "GET /{id}/{id}"),
        ("GET /accessToken/hunter HTTP/1.1", "GET /{id}/{id}"),
        ("GET /x9_token/hunter HTTP/1.1", "GET /{id}/{id}"),
        ("GET /Token/keys/hunter HTTP/1.1", "GET /{id}/{id}/{id}"),
        ("GET /a\ntoken/hunter HTTP/1.1", "GET /{id}/{id}"),
        ("GET /token.json/hunter HTTP/1.1", "GET /token.json/{id}"),
        ("GET /token%20/hunter HTTP/1.1", "GET /{id}/{id}"),
        ("GET /otp/hunter HTTP/1.1", "GET /otp/{id}"),
        ("GET /tokenize/cards HTTP/1.1", "GET /tokenize/cards"),
    ],
)
def test_a_request_is_told_by_its_method_and_the_template_of_its_path(
    line: str, endpoint: str
) -> None:
    assert endpoint_of_request(line) == endpoint


@pytest.mark.parametrize(
    ("source", "name", "endpoint"),
    [
        ("s3.amazonaws.com", "GetObject", "s3:GetObject"),
        ("lambda.amazonaws.com", "UpdateFunction20150331v2", "lambda:UpdateFunction20150331v2"),
        ("s3.amazonaws.com", "GET /x", ""),
        ("s3.amazonaws.com", "AKIAIOSFODNN7EXAMPLE", ""),
        ("s3.amazonaws.com", "G" + "x" * 64, ""),
        ("S3", "GetObject", ""),
        ("", "", ""),
    ],
)
def test_an_event_of_a_cloud_is_told_by_its_service_and_its_name(
    source: str, name: str, endpoint: str
) -> None:
    assert endpoint_of_event(source, name) == endpoint


segments = st.one_of(
    st.text(max_size=40),
    st.text("abcdefghijklmnopqrstuvwxyz-_.", max_size=40),
    st.from_regex(r"[A-Za-z0-9_-]{8,44}", fullmatch=True),
    st.from_regex(r"[0-9]{1,20}", fullmatch=True),
    st.from_regex(r"[0-9a-f]{6,40}", fullmatch=True),
    st.uuids().map(str),
    st.sampled_from(["v1", "users", "token", "me"]),
)
paths = st.lists(segments, max_size=10).map(lambda parts: "/" + "/".join(parts))


@given(method=st.sampled_from(METHODS), path=paths)
def test_an_endpoint_is_its_own_endpoint(method: str, path: str) -> None:
    endpoint = endpoint_of(method, path)

    assert is_endpoint(endpoint)
    method, _, template = endpoint.rpartition(" ")
    assert endpoint_of(method, template) == endpoint


@given(method=st.text(max_size=10), path=st.one_of(paths, st.text(max_size=60)))
def test_nothing_is_kept_but_words_and_versions_and_little_of_them(method: str, path: str) -> None:
    endpoint = endpoint_of(method, path)

    assert len(endpoint) <= LONGEST
    for segment in endpoint.partition("/")[2].split("/"):
        assert segment in {"{id}", "…", ""} or re.fullmatch(
            r"[a-z]+([-_][a-z]+){0,2}(\.json|\.xml|\.csv)?|v[0-9]{1,2}(\.[0-9])?", segment
        )
        assert len(segment) <= LONGEST_WORD
        assert not re.fullmatch(r"[0-9]+|[0-9a-f]{6,}", segment)


@given(
    secret=st.one_of(
        st.builds(lambda: secrets.token_hex(16)),
        st.builds(lambda: secrets.token_urlsafe(24)),
        st.builds(lambda: b32encode(secrets.token_bytes(20)).decode().lower()),
        st.builds(lambda: str(UUID(bytes=secrets.token_bytes(16)))),
        st.text("abcdefghijklmnopqrstuvwxyz", min_size=16, max_size=16),
    )
)
def test_no_generated_secret_is_kept(secret: str) -> None:
    assert secret not in endpoint_of("GET", f"/v1/login/{secret}/x")


@pytest.mark.parametrize(
    "text", ["GET /v1/users/42", "get /v1", "GET v1", "GET /a b", "s3:x", "hunter", "/x?y", "GET "]
)
def test_what_no_feed_would_write_is_no_endpoint(text: str) -> None:
    assert not is_endpoint(text)


@pytest.mark.parametrize(
    "text", ["", OTHER, "GET /v1", "/v1", "s3:GetObject", "GET /a/b/c/d/e/f/…"]
)
def test_what_feeds_write_is(text: str) -> None:
    assert is_endpoint(text)


def test_a_digest_stands_for_each_endpoint_and_nothing_for_none() -> None:
    assert digest_endpoint("") == bytes(8)
    assert len({digest_endpoint(e) for e in ("GET /a", "GET /b", "s3:GetObject")}) == 3


@pytest.mark.parametrize("odd", ["pin" + ".1" * 200_000 + "-a", "pin." * 100_000 + "-a"])
def test_a_hostile_path_costs_no_more_than_a_few_passes(odd: str) -> None:
    began = time.process_time()
    assert endpoint_of("GET", f"/{odd}/hunter") == "GET /{id}/hunter"
    assert time.process_time() - began < 1
