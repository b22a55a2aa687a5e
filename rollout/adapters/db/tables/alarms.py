"""Alarms: what an operator must look at, and who was told."""

from __future__ import annotations

from sqlalchemy import ARRAY, BigInteger, Column, Identity, Index, Integer, Table, Text, text

from rollout.adapters.db.tables.base import instant, metadata

alarms = Table(
    "alarms",
    metadata,
    Column("alarm_id", BigInteger, Identity(always=True), primary_key=True),
    Column("kind", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("fix", Text, nullable=False),
    Column("seen_at", instant, nullable=False),  # since when its rule has held
    Column("opened_at", instant),  # NULL: it has not held for long enough yet
    Column("closed_at", instant),
    Column("last_told_at", instant),
    Column("tell_at", instant),  # when it is told next; NULL: there is nothing more to tell
    Column("attempts", Integer, nullable=False, server_default="0"),  # of the present telling
    Column("lease", BigInteger, nullable=False, server_default="0"),  # the fence of who tells
    # Keyed digests of the addresses that have the present telling already, where others failed.
    Column("reached", ARRAY(Text), nullable=False, server_default="{}"),
    Index(
        "uq_alarms_standing",
        "kind",
        "subject",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
    ),
    Index(None, "tell_at", postgresql_where=text("tell_at IS NOT NULL")),
)
