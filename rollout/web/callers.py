"""What a proxy hands on of the request it asks about: the credential, and who shows it from where.

The address is believed only where the proxy wrote it. nginx, with the shipped profile, sets
``X-Real-IP`` itself; all others append the address they see to ``X-Forwarded-For``, so that its
last word is theirs, whatever a client wrote before it (docs/gateway/evidence.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

LONGEST_AGENT = 1000  # bytes, about as many as are kept of a log's
LONGEST_ADDRESS = 100


class Caller(NamedTuple):
    """The headers that matter, as they came."""

    authorization: Sequence[bytes]
    user_agent: bytes
    network: bytes  # an address, or empty: the proxy did not say


def read_caller(headers: Iterable[tuple[bytes, bytes]], *, nginx: bool) -> Caller:
    """Pick the headers that matter; of those that should come once, the last."""
    address = b"x-real-ip" if nginx else b"x-forwarded-for"
    shown, user_agent, network = [], b"", b""
    for name, value in headers:
        if name == b"authorization":
            shown.append(value)
        elif name == b"user-agent":
            user_agent = value
        elif name == address:
            network = value.rpartition(b",")[2].strip()
    return Caller(shown, user_agent[:LONGEST_AGENT], network[:LONGEST_ADDRESS])
