"""How long sightings per hour and calls per day are kept: whole months are dropped.

First and last uses are kept for ever.
"""

from __future__ import annotations

from datetime import UTC, datetime

from sqlalchemy import Connection, text

HORIZON = "sightings kept since"  # its row among the cursors
_SINCE = "SELECT CAST(nullif(position, '') AS timestamptz) FROM usage_cursors WHERE name = :name"
_NOTE = """
INSERT INTO usage_cursors (name, position) VALUES (:name, :position)
ON CONFLICT (name) DO UPDATE SET position = excluded.position
"""
_MONTHS = """
SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
 WHERE i.inhparent = CAST(:of AS regclass) AND c.relname < :first_kept ORDER BY c.relname
"""


def kept_since(connection: Connection) -> datetime | None:
    """Return the instant before which sightings are no longer kept; None: all are."""
    since: datetime | None = connection.execute(text(_SINCE), {"name": HORIZON}).scalar()
    return since and since.astimezone(UTC)


def drop_before(connection: Connection, month: datetime) -> list[str]:
    """Drop the months before this one, and the names of their events; return which months.

    From now on, a use of that time changes no count: nobody could tell whether it had been counted.
    """
    since = kept_since(connection)
    if since is not None and since >= month:
        return []
    dropped = _drop_months(connection, "sightings", month)
    _drop_months(connection, "key_endpoints", month)
    connection.execute(text("DELETE FROM usage_seen WHERE hour < :month"), {"month": month})
    connection.execute(text(_NOTE), {"name": HORIZON, "position": month.isoformat()})
    return dropped


def _drop_months(connection: Connection, table: str, month: datetime) -> list[str]:
    first_kept = {"of": table, "first_kept": f"{table}_{month:%Y_%m}"}
    names = list(connection.execute(text(_MONTHS), first_kept).scalars())
    for name in names:
        connection.execute(text(f"DROP TABLE {name}"))
    return names
