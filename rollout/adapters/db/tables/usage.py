"""Feeds, files, sources, sightings, and the exact last use of each key."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Date,
    ForeignKey,
    Index,
    Interval,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    text,
)
from sqlalchemy.dialects.postgresql import DATEMULTIRANGE, TSTZMULTIRANGE

from rollout.adapters.db.tables.base import NOW, instant, metadata

feeds = Table(
    "feeds",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("first_event", instant),
    Column("newest_event", instant),
    Column("events", BigInteger, nullable=False, server_default="0"),
    Column("imported_at", instant, nullable=False, server_default=NOW),
    Column("reported", TSTZMULTIRANGE, nullable=False, server_default="{}"),  # hours with uses
    Column("every", Interval),  # a feed that works reports at least so often
    Column("complete", Boolean, nullable=False, server_default="true"),  # it sees every use
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

# The names of all events of an hour that were counted, sorted, EVENT_BYTES each; so each counts
# once, in whichever files it comes. The scope is the feed, or empty for events with ids of their
# own, which are the same event whichever feed brings them.
usage_seen = Table(
    "usage_seen",
    metadata,
    Column("scope", Text, primary_key=True),
    Column("hour", instant, primary_key=True),
    Column("events", LargeBinary, nullable=False),
)

# Uses of a time that has not come yet: some clock is wrong, so they prove nothing.
usage_ahead = Table(
    "usage_ahead",
    metadata,
    Column("feed", Text, primary_key=True),
    Column("event", LargeBinary, primary_key=True),
    Column("key_id", Text, nullable=False),
    Column("account_id", Text),
    Column("at", instant, nullable=False),
    Column("user_agent", Text, nullable=False),  # as logged
    Column("network", Text, nullable=False),
    Column("refused", Boolean, nullable=False),
    Column("noted_at", instant, nullable=False, server_default=NOW),
)

# How far something that goes on was read: a stream, a file that grows.
usage_cursors = Table(
    "usage_cursors",
    metadata,
    Column("name", Text, primary_key=True),
    Column("position", Text, nullable=False),
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
    Column("client", Text, nullable=False, server_default=""),
    # where its client, or a person, says another than its user agent
    Column("integration", Text),
    Index(None, "user_agent"),
    Index(None, "network"),
    Index(
        "ix_sources_integration", "integration", postgresql_where=text("integration IS NOT NULL")
    ),
)

# `key_id` has no foreign key on purpose: a key that nobody registered is kept aside, not lost.
# One partition for each month, made when the first sighting of the month comes in.
sightings = Table(
    "sightings",
    metadata,
    Column("key_id", Text, nullable=False),
    Column("source_id", LargeBinary, nullable=False),
    Column("hour", instant, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("first_at", instant, nullable=False),
    Column("last_at", instant, nullable=False),
    PrimaryKeyConstraint("key_id", "source_id", "hour"),
    postgresql_partition_by="RANGE (hour)",
)

# What was called with a key, by day in UTC; see domain/usage/endpoints.py. The endpoint is written
# out: a table of its own for them would grow with whatever callers think of.
key_endpoints = Table(
    "key_endpoints",
    metadata,
    Column("key_id", Text, nullable=False),
    Column("day", Date, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("count", BigInteger, nullable=False),
    PrimaryKeyConstraint("key_id", "day", "endpoint"),
    postgresql_partition_by="RANGE (day)",  # one partition for each month, as of sightings
)

# Who has used which key, ever.
key_sources = Table(
    "key_sources",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("source_id", LargeBinary, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("first_seen", instant, nullable=False),
    Column("last_seen", instant, nullable=False),
    Index(None, "source_id"),
)

# Exact for ever, however long sightings are kept.
key_usage = Table(
    "key_usage",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("count", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("first_seen", instant),
    Column("last_seen", instant),
    # the account that the log itself names; empty where logs contradict each other
    Column("named_account", Text),
    Column("days", DATEMULTIRANGE, nullable=False, server_default="{}"),  # with uses, in UTC
    Column("attested_at", instant),  # when an authority last said when the key was last used
)
