"""Templates: what letters were made of, and what operators have put in place of the shipped."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Identity, Integer, LargeBinary, Table, Text
from sqlalchemy.dialects.postgresql import JSONB

from rollout.adapters.db.tables.base import NOW, instant, metadata

template_versions = Table(
    "template_versions",
    metadata,
    Column("version_id", Integer, Identity(always=True), primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),  # SHA-256 of what it is made of
    Column("template", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("sources", JSONB, nullable=False),
    # A letter to an invented account: the real ones are kept as what they differ by.
    Column("specimen", LargeBinary, nullable=False),
    Column("first_used_at", instant, nullable=False, server_default=NOW),
)

# Appended to, never changed: the newest of each name counts. The number of the newest of all says
# whether anything is new, so whoever appends does so alone.
template_changes = Table(
    "template_changes",
    metadata,
    Column("change_id", BigInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False),
    Column("text", Text),  # NULL: what lies below counts again
    Column("changed_at", instant, nullable=False, server_default=NOW),
)
