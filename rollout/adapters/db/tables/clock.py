"""Leases, heartbeats and the emergency stop."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, Table, Text, text

from rollout.adapters.db.tables.base import NOW, instant, metadata

# Who rings the bells, fenced by term.
leases = Table(
    "leases",
    metadata,
    Column("name", Text, primary_key=True),
    Column("holder", Text, nullable=False),
    Column("term", BigInteger, nullable=False),
    Column("expires_at", instant, nullable=False),
)

heartbeats = Table(
    "heartbeats",
    metadata,
    Column("process", Text, primary_key=True),  # kind@host:pid
    Column("kind", Text, nullable=False),
    Column("last_at", instant, nullable=False),
)

# An open row stops all cutting, whatever else says yes (the clock guard writes it).
stops = Table(
    "stops",
    metadata,
    Column("stop_id", BigInteger, Identity(always=True), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("opened_at", instant, nullable=False, server_default=NOW),
    Column("closed_at", instant),
    Index(None, "closed_at", postgresql_where=text("closed_at IS NULL")),
)
