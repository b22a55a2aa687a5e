"""Logs that were taken in, found by what is in them or by what they were called."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from rollout.services.ports.usage import ImportedFile

_FOUND = """
SELECT digest, feed, name, events, keyless, unreadable, repeated FROM usage_files
 WHERE digest = :digest OR name = CAST(:name AS text) ORDER BY imported_at, digest
"""
_CLAIM = "SELECT pg_try_advisory_xact_lock(hashtextextended('usage-file:' || :name, 0))"
# The claim is held while another transaction takes the log in, for as long as that needs.
_PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = 0"


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
