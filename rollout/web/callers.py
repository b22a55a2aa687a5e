"""What a proxy hands on of the request it asks about: the credential, who shows it, and for what.

The address is believed only where the proxy wrote it. nginx, with the shipped profile, sets
``X-Real-IP`` itself; all others append the address they see to ``X-Forwarded-For``, so that its
last word is theirs, whatever a client wrote before it (docs/gateway/evidence.md). What is called
is not worth a lie: of the path only words are kept.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from rollout.domain.usage.endpoints import endpoint_of

LONGEST_AGENT = 1000  # bytes, about as many as are kept of a log's
LONGEST_ADDRESS = 100
LONGEST_METHOD = 20
LONGEST_TARGET = 2000


class Caller(NamedTuple):
    """The headers that matter, as they came."""

    authorization: Sequence[bytes]
    user_agent: bytes
    network: bytes  # an address, or empty: the proxy did not say
    method: bytes = b""
    target: bytes = b""  # a path or a URL, or empty: the proxy did not say

    @property
    def endpoint(self) -> str:
        """What is called; empty if nobody says."""
        return endpoint_of(self.method.decode("latin-1"), self.target.decode("latin-1"))


def read_caller(headers: Iterable[tuple[bytes, bytes]], *, nginx: bool) -> Caller:
    """Pick the headers that matter; of those that should come once, the last."""
    address = b"x-real-ip" if nginx else b"x-forwarded-for"
    called_by = b"x-original-method" if nginx else b"x-forwarded-method"
    called = b"x-original-uri" if nginx else b"x-forwarded-uri"
    shown, user_agent, network, method, target = [], b"", b"", b"", b""
    for name, value in headers:
        if name == b"authorization":
            shown.append(value)
        elif name == b"user-agent":
            user_agent = value
        elif name == address:
            network = value.rpartition(b",")[2].strip()
        elif name == called_by:
            method = value
        elif name == called:
            target = value
    seen = user_agent[:LONGEST_AGENT], network[:LONGEST_ADDRESS]
    return Caller(shown, *seen, method[:LONGEST_METHOD], target[:LONGEST_TARGET])
