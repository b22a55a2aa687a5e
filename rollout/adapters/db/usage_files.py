"""Logs that were taken in, found by what is in them or by what they were called."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from sqlalchemy import Connection, text

from rollout.services.ports.usage import ImportedFile

_FOUND = """
SELECT digest, feed, name, events, keyless, unreadable, repeated FROM usage_files
 WHERE digest = :digest OR name = CAST(:name AS text) ORDER BY imported_at, digest
"""
_CLAIM = "SELECT pg_try_advisory_xact_lock(hashtextextended('usage-file:' || :name, 0))"
# The claim is held while another transaction takes the log in, for as long as that needs.
_PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = 0"

_KNOWN = "SELECT digest FROM usage_files WHERE digest = ANY(:digests)"
_LOCK = """
SELECT pg_advisory_xact_lock(hashtextextended('usage-bytes:' || encode(digest, 'hex'), 0))
  FROM (SELECT unnest(CAST(:digests AS bytea[])) AS digest ORDER BY digest) AS digests
"""
_ADD = """
INSERT INTO usage_files (digest, feed, name, events, keyless, unreadable, repeated)
VALUES (:digest, :feed, :name, :events, :keyless, :unreadable, :repeated)
"""


def known(connection: Connection, digests: Sequence[bytes]) -> frozenset[bytes]:
    """Return those of these digests whose bytes were taken in before."""
    found = connection.execute(text(_KNOWN), {"digests": list(digests)}).scalars()
    return frozenset(map(bytes, found))


def claim_logs(connection: Connection, digests: Sequence[bytes | None]) -> frozenset[int]:
    """Keep logs from other imports until the transaction ends.

    Return the places of those that somebody else has taken in meanwhile.
    """
    to_claim = [digest for digest in digests if digest is not None]
    if not to_claim:
        return frozenset()
    connection.execute(text(_LOCK), {"digests": to_claim})
    taken_in = known(connection, to_claim)
    return frozenset(place for place, digest in enumerate(digests) if digest in taken_in)


def add(connection: Connection, files: Sequence[ImportedFile]) -> None:
    """Note logs that were claimed."""
    if files:
        connection.execute(text(_ADD), [asdict(file) for file in files])


def claim(connection: Connection, name: str) -> bool:
    """Keep a name from others until the transaction ends; say whether nobody has it already."""
    connection.execute(text(_PATIENCE))
    return bool(connection.execute(text(_CLAIM), {"name": name}).scalar_one())


def find(connection: Connection, digest: bytes, name: str | None) -> Sequence[ImportedFile]:
    """Read the logs with these bytes, or of this name."""
    found = connection.execute(text(_FOUND), {"digest": digest, "name": name})
    return [
        ImportedFile(
            digest=bytes(row.digest),
            feed=row.feed,
            name=row.name,
            events=row.events,
            keyless=row.keyless,
            unreadable=row.unreadable,
            repeated=row.repeated,
        )
        for row in found
    ]
