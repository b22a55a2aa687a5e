"""COPY: the fast way in, for rows by the thousand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, cast

import psycopg
from sqlalchemy import Connection


def copy_rows(
    connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> int:
    """Append rows to a table inside the connection's transaction; return how many."""
    # COPY goes past SQLAlchemy, which commits only a transaction that it knows of
    if not connection.in_transaction():
        connection.begin()
    driver = cast("psycopg.Connection[Any]", connection.connection.driver_connection)
    count = 0
    try:
        with (
            driver.cursor() as cursor,
            cursor.copy(f"COPY {table} ({', '.join(columns)}) FROM STDIN".encode()) as copy,
        ):
            for row in rows:
                copy.write_row(row)
                count += 1
    except (psycopg.OperationalError, psycopg.InternalError):
        connection.invalidate()  # SQLAlchemy would use it again
        raise
    return count
