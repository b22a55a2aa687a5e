"""Letters as they were handed over, byte for byte."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    text,
)

from rollout.adapters.db.tables.base import NOW, instant, metadata

# Written before the first byte leaves us, so that whatever may have arrived is here.
letters = Table(
    "letters",
    metadata,
    Column("letter_id", BigInteger, Identity(always=False), primary_key=True),
    Column("begun_at", instant, nullable=False, server_default=NOW),
    Column("digest", LargeBinary, nullable=False),  # SHA-256 of the bytes
    Column("size", Integer, nullable=False),
    # Packed with the specimen of a version; NULL once they need not be kept any longer.
    Column("packed", LargeBinary),
    # No foreign key: no version is ever deleted, and all letters of a template would lock its row.
    Column("packed_with", Integer),
    Index("ix_letters_kept", "begun_at", postgresql_where=text("packed IS NOT NULL")),
)
