"""Runs, and the ledger of what was cut."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    PrimaryKeyConstraint,
    Table,
    Text,
)
from sqlalchemy.dialects.postgresql import JSONB

from rollout.adapters.db.tables.base import NOW, instant, metadata
from rollout.adapters.db.tables.inventory import keys
from rollout.adapters.db.tables.plan import deprecations, enrollments

# One sweep over one deprecation: the unit that the caps are about (C0).
runs = Table(
    "runs",
    metadata,
    Column("run_id", BigInteger, Identity(always=True), primary_key=True),
    Column("deprecation", ForeignKey(deprecations.c.deprecation), nullable=False),
    Column("at", instant, nullable=False, server_default=NOW),
    Column("keys_due", BigInteger, nullable=False),
    Column("accounts_due", BigInteger, nullable=False),
    Column("cap", BigInteger, nullable=False),  # keys; a refused run cuts none
    Column("refused", Text),  # why the whole run was refused, or NULL
)

# The ledger: what was cut, under which schedule, on what evidence (D0 is its primary key).
cutoffs = Table(
    "cutoffs",
    metadata,
    Column("key_id", ForeignKey(keys.c.key_id), nullable=False),
    Column("enrollment_id", ForeignKey(enrollments.c.enrollment_id), nullable=False),
    Column("schedule_version", Integer, nullable=False),
    Column("run_id", ForeignKey(runs.c.run_id), nullable=False),
    Column("deadline", instant, nullable=False),
    Column("cut_at", instant, nullable=False),
    Column("evidence", JSONB, nullable=False),
    PrimaryKeyConstraint("key_id", "enrollment_id", "schedule_version"),
    CheckConstraint("cut_at >= deadline", name="never_early"),
    Index(None, "cut_at"),
    Index(None, "enrollment_id"),
    Index(None, "run_id"),
)
