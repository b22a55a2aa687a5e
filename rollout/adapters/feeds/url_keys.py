"""Finds the id of a key in a URL, where load balancers log nothing else that could name it.

Only parameters that hold an id are looked at: one like ``api_key`` may hold the secret itself,
which must not get into our tables.
"""

from __future__ import annotations

from urllib.parse import unquote_plus

LONGEST = 1 << 16  # bytes of a query that are looked at
KEY_PARAMETERS = frozenset(
    {"key_id", "app_id", "api_key_id", "access_key_id", "awsaccesskeyid", "x-amz-credential"}
)


def key_in_query(query: str) -> str:
    """Return the first id of a key in a query; empty if there is none."""
    for pair in query[:LONGEST].split("&"):
        name, _, value = pair.partition("=")
        if value and name.lower() in KEY_PARAMETERS:
            # A signature's credential goes on: AKIA…/20261125/eu-west-1/s3/aws4_request
            return unquote_plus(value).partition("/")[0]
    return ""
