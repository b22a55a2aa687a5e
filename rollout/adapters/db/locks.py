"""Who cuts, and who says whether anything may be cut: locks granted in the order of asking.

Each batch of the cutoff shares them; whoever pauses, approves, edits or stops takes them alone, and
so comes strictly before or strictly after a batch. Locks on rows would not do: PostgreSQL lets one
sharer after another in while somebody waits to have the row alone (README.tuplock), so a pause
would wait for the end of a cutoff of a million keys.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

EVERYTHING = ""  # not a name that a deprecation can have


def share_cutting(connection: Connection, deprecation: str) -> None:
    """Keep those out, until the transaction ends, who change whether a deprecation may be cut."""
    _lock(connection, "pg_advisory_xact_lock_shared", deprecation)


def stop_cutting(connection: Connection, deprecation: str) -> None:
    """Wait for the batches under way, and keep others out until the transaction ends."""
    _lock(connection, "pg_advisory_xact_lock", deprecation)


def _lock(connection: Connection, function: str, deprecation: str) -> None:
    connection.execute(
        text(f"SELECT {function}(hashtextextended('cutting:' || :name, 0))"), {"name": deprecation}
    )
