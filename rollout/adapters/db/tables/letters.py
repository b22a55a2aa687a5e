"""Letters as they were handed over, byte for byte."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    text,
)

from rollout.adapters.db.tables.base import NOW, instant, metadata
from rollout.adapters.db.tables.templates import template_versions

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
    Column("packed_with", ForeignKey(template_versions.c.version_id)),
    Index("ix_letters_kept", "begun_at", postgresql_where=text("packed IS NOT NULL")),
)
