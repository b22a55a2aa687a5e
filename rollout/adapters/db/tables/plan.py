"""Deprecations, cohorts, enrollments, the history of their dates, holds and pauses."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Identity,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from rollout.adapters.db.tables.base import NOW, instant, metadata
from rollout.adapters.db.tables.inventory import accounts

deprecations = Table(
    "deprecations",
    metadata,
    Column("deprecation", Text, primary_key=True),
    Column("document", Text, nullable=False),  # the YAML file, as it was applied
    Column("applied_at", instant, nullable=False, server_default=NOW),
    Column("applied_by", Text, nullable=False),
)

cohorts = Table(
    "cohorts",
    metadata,
    Column("deprecation", ForeignKey(deprecations.c.deprecation), nullable=False),
    Column("cohort", Text, nullable=False),
    Column("position", Integer, nullable=False),
    Column("digest", LargeBinary, nullable=False),  # what an approval is bound to
    PrimaryKeyConstraint("deprecation", "cohort"),
)

approvals = Table(
    "approvals",
    metadata,
    Column("deprecation", Text, nullable=False),
    Column("cohort", Text, nullable=False),
    Column("digest", LargeBinary, nullable=False),
    Column("operator", Text, nullable=False),
    Column("at", instant, nullable=False, server_default=NOW),
    PrimaryKeyConstraint("deprecation", "cohort", "digest", "operator"),
    ForeignKeyConstraint(["deprecation", "cohort"], [cohorts.c.deprecation, cohorts.c.cohort]),
)

# An open row (closed_at IS NULL) pauses a cohort; closed rows prove when nothing could be cut.
pauses = Table(
    "pauses",
    metadata,
    Column("pause_id", BigInteger, Identity(always=True), primary_key=True),
    Column("deprecation", Text, nullable=False),
    Column("cohort", Text, nullable=False),
    Column("reason", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("opened_at", instant, nullable=False, server_default=NOW),
    Column("closed_at", instant),
    ForeignKeyConstraint(["deprecation", "cohort"], [cohorts.c.deprecation, cohorts.c.cohort]),
    Index(
        "uq_pauses_open",
        "deprecation",
        "cohort",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
    ),
)

enrollments = Table(
    "enrollments",
    metadata,
    Column("enrollment_id", BigInteger, Identity(always=True), primary_key=True),
    Column("deprecation", ForeignKey(deprecations.c.deprecation), nullable=False),
    Column("account_id", ForeignKey(accounts.c.account_id), nullable=False),
    Column("cohort", Text, nullable=False),
    Column("state", Text, nullable=False, server_default="scheduled"),
    Column("deadline", instant, nullable=False),
    Column("wall", DateTime(timezone=False), nullable=False),
    Column("zone", Text, nullable=False),
    Column("schedule_version", Integer, nullable=False, server_default="1"),
    Column("planned_usage", Text, nullable=False),  # the evidence by which the cohort was chosen
    # When the cutoff looks at it next; NULL where there is nothing left to do.
    Column("next_check_at", instant),
    # When the next reminder is due; NULL where none is left. `told_until`: steps up to there
    # have been told for this schedule.
    Column("next_notice_at", instant),
    Column("told_until", instant),
    UniqueConstraint("deprecation", "account_id"),
    CheckConstraint("state IN ('scheduled', 'cut', 'exempt')", name="state"),
    ForeignKeyConstraint(["deprecation", "cohort"], [cohorts.c.deprecation, cohorts.c.cohort]),
    Index(None, "account_id"),
    Index(
        "ix_enrollments_due",
        "deprecation",
        "cohort",
        "next_check_at",
        postgresql_where=text("state = 'scheduled'"),
    ),
    Index(
        "ix_enrollments_notice_due",
        "deprecation",
        "cohort",
        "next_notice_at",
        postgresql_where=text("next_notice_at IS NOT NULL"),
    ),
)

# Every date an enrollment ever had. Append-only: the proof of who was promised what.
schedules = Table(
    "schedules",
    metadata,
    Column("enrollment_id", ForeignKey(enrollments.c.enrollment_id), nullable=False),
    Column("schedule_version", Integer, nullable=False),
    Column("deadline", instant, nullable=False),
    Column("cause", Text, nullable=False),  # plan, extend, restore …
    Column("reason", Text),
    Column("set_at", instant, nullable=False, server_default=NOW),
    PrimaryKeyConstraint("enrollment_id", "schedule_version"),
)

holds = Table(
    "holds",
    metadata,
    Column("hold_id", BigInteger, Identity(always=True), primary_key=True),
    Column("enrollment_id", ForeignKey(enrollments.c.enrollment_id), nullable=False),
    Column("code", Text, nullable=False),  # `operator`, or the rule that holds
    Column("reason", Text, nullable=False),
    Column("owner", Text, nullable=False),
    Column("opened_at", instant, nullable=False, server_default=NOW),
    Column("ends_at", instant),
    Column("closed_at", instant),
    Index(
        "uq_holds_open",
        "enrollment_id",
        "code",
        unique=True,
        postgresql_where=text("closed_at IS NULL"),
    ),
)
