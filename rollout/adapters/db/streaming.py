"""Long answers are read as they are wanted, and never stand in memory as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Connection, Row, text

BATCH = 10_000  # rows that stand in memory

# Whoever reads a list in a pager may take his time; nothing is locked meanwhile.
_PATIENCE = "SET LOCAL idle_in_transaction_session_timeout = '1h'"


def stream(connection: Connection, query: str, values: Mapping[str, Any]) -> Iterator[Row[Any]]:
    """Ask a question, and yield the rows of the answer while the unit of work is open."""
    connection.execute(text(_PATIENCE))
    streamed = {"stream_results": True, "yield_per": BATCH}
    yield from connection.execute(text(query), values, execution_options=streamed)
