"""Facts, and the chain of seals over them."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Index, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import JSONB

from rollout.adapters.db.tables.base import NOW, instant, metadata

# Triggers refuse UPDATE, DELETE and TRUNCATE, and queue each new fact for sealing.
facts = Table(
    "facts",
    metadata,
    Column("seq", BigInteger, Identity(always=False), primary_key=True),
    Column("at", instant, nullable=False, server_default=NOW),
    Column("actor", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("reason", Text),
    Column("data", JSONB, nullable=False, server_default=text("'{}'")),
    Index(None, "subject", "seq"),
)

facts_unsealed = Table(
    "facts_unsealed",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
)

seals = Table(
    "seals",
    metadata,
    Column("position", BigInteger, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False, unique=True),
    Column("digest", LargeBinary, nullable=False),
)
