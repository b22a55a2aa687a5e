"""Webhooks: where an account is told by machine, and what became of it. A row is the outbox."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from rollout.adapters.db.tables.base import NOW, instant, metadata
from rollout.adapters.db.tables.inventory import accounts
from rollout.adapters.db.tables.plan import enrollments

webhook_endpoints = Table(
    "webhook_endpoints",
    metadata,
    Column("endpoint_id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", ForeignKey(accounts.c.account_id), nullable=False),
    Column("kind", Text, nullable=False),
    # A URL may be a secret: it is sealed under the pepper, and forgotten with its endpoint (K0).
    Column("sealed", LargeBinary),
    Column("digest", LargeBinary),
    Column("hint", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="active"),
    Column("reason", Text),
    Column("since", instant, nullable=False, server_default=NOW),  # of the state
    Column("added_by", Text, nullable=False),
    Column("added_at", instant, nullable=False, server_default=NOW),
    Column("generation", Integer, nullable=False, server_default="1"),  # of its secret
    Column("generation_since", instant, nullable=False, server_default=NOW),
    # One request at a time: who has the lease posts, until then at most.
    Column("lease", BigInteger, nullable=False, server_default="0"),
    Column("leased_until", instant),
    UniqueConstraint("account_id", "digest"),
    CheckConstraint("kind IN ('standard', 'slack')", name="kind"),
    CheckConstraint("state IN ('active', 'disabled', 'removed')", name="state"),
    CheckConstraint(
        "(state = 'removed') = (sealed IS NULL) AND (state = 'removed') = (digest IS NULL)",
        name="forgotten",
    ),
)

webhook_deliveries = Table(
    "webhook_deliveries",
    metadata,
    Column("delivery_id", BigInteger, Identity(always=True), primary_key=True),
    Column("endpoint_id", ForeignKey(webhook_endpoints.c.endpoint_id), nullable=False),
    Column("enrollment_id", ForeignKey(enrollments.c.enrollment_id), nullable=False),
    Column("step", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("schedule_version", Integer, nullable=False),
    Column("deadline", instant, nullable=False),  # the date that it tells
    Column("webhook_id", Text, nullable=False, unique=True),
    Column("state", Text, nullable=False, server_default="pending"),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at", instant, nullable=False),
    Column("attempt_at", instant, nullable=False),  # not before
    Column("delivered_at", instant),
    UniqueConstraint(
        *("endpoint_id", "enrollment_id", "step", "schedule_version"),
        name="uq_webhook_deliveries_event",
    ),
    CheckConstraint("state IN ('pending', 'delivered', 'failed', 'skipped')", name="state"),
    Index("ix_webhook_deliveries_due", "attempt_at", postgresql_where=text("state = 'pending'")),
    Index(None, "enrollment_id"),
)
