"""How the sending of notices fares, and where it is paused."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)

from rollout.adapters.db.tables.base import NOW, instant, metadata
from rollout.adapters.db.tables.plan import deprecations

# An open row pauses the sending of a deprecation's notices; it does not pause its cutoff.
sending_pauses = Table(
    "sending_pauses",
    metadata,
    Column("pause_id", BigInteger, Identity(always=True), primary_key=True),
    Column("deprecation", ForeignKey(deprecations.c.deprecation), nullable=False),
    Column("reason", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("opened_at", instant, nullable=False, server_default=NOW),
    Column("closed_at", instant),
    Index(
        "uq_sending_pauses_open",
        "deprecation",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
    ),
)

# What became of the notices that were tried in a minute: sums, so that nobody counts notices.
sending_minutes = Table(
    "sending_minutes",
    metadata,
    Column("deprecation", ForeignKey(deprecations.c.deprecation), nullable=False),
    Column("minute", instant, nullable=False),
    Column("slot", Integer, nullable=False),  # a few rows a minute, or senders wait for each other
    Column("accepted", BigInteger, nullable=False, server_default="0"),
    Column("failed", BigInteger, nullable=False, server_default="0"),  # refused, dead, uncertain
    Column("put_off", BigInteger, nullable=False, server_default="0"),  # a try that ended so
    # Of those accepted in this minute, whenever that came to be known:
    Column("bounced", BigInteger, nullable=False, server_default="0"),
    Column("complained", BigInteger, nullable=False, server_default="0"),
    PrimaryKeyConstraint("deprecation", "minute", "slot"),
)
