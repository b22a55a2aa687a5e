"""How long sightings per hour are kept: whole months are dropped; last uses are kept for ever."""

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
 WHERE i.inhparent = 'sightings'::regclass AND c.relname < :first_kept ORDER BY c.relname
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
    dropped = list(
        connection.execute(text(_MONTHS), {"first_kept": f"sightings_{month:%Y_%m}"}).scalars()
    )
    for name in dropped:
        connection.execute(text(f"DROP TABLE {name}"))
    connection.execute(text("DELETE FROM usage_seen WHERE hour < :month"), {"month": month})
    connection.execute(text(_NOTE), {"name": HORIZON, "position": month.isoformat()})
    return dropped
