"""Feeds, files, sources, sightings, and the exact last use of each key."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
)

from rollout.adapters.db.tables.base import NOW, instant, metadata

feeds = Table(
    "feeds",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("first_event", instant),
    Column("newest_event", instant),
    Column("events", BigInteger, nullable=False, server_default="0"),
    Column("imported_at", instant, nullable=False, server_default=NOW),
)

# A file is known by what is in it (the digest of its decompressed bytes), whatever its name.
usage_files = Table(
    "usage_files",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("feed", ForeignKey(feeds.c.feed), nullable=False),
    Column("name", Text, nullable=False),
    Column("events", BigInteger, nullable=False),
    Column("keyless", BigInteger, nullable=False),
    Column("unreadable", BigInteger, nullable=False),
    Column("repeated", BigInteger, nullable=False),
    Column("imported_at", instant, nullable=False, server_default=NOW),
)

# Events whose log gives them an identity count once, in whichever file they come.
usage_events = Table(
    "usage_events",
    metadata,
    Column("digest", LargeBinary, primary_key=True),
    Column("at", instant, nullable=False),
)

sources = Table(
    "sources",
    metadata,
    # the digest of the two, so that the order of imports leaves no trace
    Column("source_id", LargeBinary, primary_key=True),
    Column("user_agent", Text, nullable=False),  # normalised
    Column("network", Text, nullable=False),
    Column(
        "example", Text, nullable=False
    ),  # of the user agents as logged, the first by code point
)

# `key_id` has no foreign key on purpose: a key that nobody registered is kept aside, not lost.
sightings = Table(
    "sightings",
    metadata,
    Column("key_id", Text, nullable=False),
    Column("source_id", ForeignKey(sources.c.source_id), nullable=False),
    Column("hour", instant, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("first_at", instant, nullable=False),
    Column("last_at", instant, nullable=False),
    PrimaryKeyConstraint("key_id", "source_id", "hour"),
    Index(None, "source_id"),
)

# Exact for ever, however long sightings are kept.
key_usage = Table(
    "key_usage",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("first_seen", instant, nullable=False),
    Column("last_seen", instant, nullable=False),
    # the account that the log itself names; empty where logs contradict each other
    Column("named_account", Text),
)
