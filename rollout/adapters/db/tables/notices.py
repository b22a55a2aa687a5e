"""Notices: a row is the outbox."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    Integer,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY

from rollout.adapters.db.tables.base import instant, metadata
from rollout.adapters.db.tables.inventory import contacts
from rollout.adapters.db.tables.plan import enrollments

notices = Table(
    "notices",
    metadata,
    Column("notice_id", BigInteger, Identity(always=True), primary_key=True),
    Column("enrollment_id", ForeignKey(enrollments.c.enrollment_id), nullable=False),
    # That of its enrollment, whose foreign key it rests on: what is due is claimed by deprecation.
    Column("deprecation", Text, nullable=False),
    Column("contact_id", ForeignKey(contacts.c.contact_id), nullable=False),
    Column("step", Text, nullable=False),
    Column("template", Text, nullable=False),
    Column("required", Boolean, nullable=False),
    Column("resend", Boolean, nullable=False, server_default="false"),  # once, if uncertain
    Column("schedule_version", Integer, nullable=False),
    Column("deadline", instant, nullable=False),  # the date that this message tells
    Column("message_id", Text, nullable=False, unique=True),
    # Where one letter told several: the notice whose Message-ID and return path it had.
    Column("letter", BigInteger),
    # Where it tells that a webhook is off: the delivery that failed. It stands beside the schedule.
    Column("webhook", BigInteger),
    # What told it, or may have: a second letter only if nobody knows of the first. One that was
    # known not to be taken is in no `letters` any more.
    Column("letter_ids", ARRAY(BigInteger)),
    Column("template_version", Integer),  # of the last of them; see `letters.packed_with`
    Column("state", Text, nullable=False, server_default="pending"),
    Column("reason", Text),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("lease", BigInteger),  # the fence: finishing must name the lease it was claimed with
    Column("leased_until", instant),
    Column("due_at", instant, nullable=False),
    Column("attempt_at", instant, nullable=False),  # not before
    Column("not_after", instant),  # what is not sent by then is skipped
    Column("sent_at", instant),
    Column("delivered_at", instant),
    # A bounce may come after a message had counted as delivered: then both are set.
    Column("bounced_at", instant),
    Column("acknowledged_at", instant),  # a person has answered, or takes care
    Column("resent_at", instant),  # uncertain, and so due once more: it may arrive twice
    UniqueConstraint("enrollment_id", "contact_id", "step", "schedule_version"),
    CheckConstraint(
        "state IN ('pending', 'leased', 'sending', 'sent', 'delivered', 'bounced', 'complained',"
        " 'retry', 'uncertain', 'skipped', 'dead')",
        name="state",
    ),
    Index(  # to the last column: a whole time zone may be due at one instant
        "ix_notices_due",
        "deprecation",
        "attempt_at",
        "notice_id",
        postgresql_where=text("state IN ('pending', 'retry')"),
    ),
    Index(
        "ix_notices_leased",
        "leased_until",
        postgresql_where=text("state IN ('leased', 'sending')"),
    ),
    Index(
        "ix_notices_lost",
        "deprecation",
        "deadline",
        postgresql_where=text("required AND state IN ('bounced', 'dead', 'uncertain')"),
    ),
    Index("ix_notices_letter", "letter", postgresql_where=text("letter IS NOT NULL")),
    Index("ix_notices_sent", "sent_at", postgresql_where=text("state = 'sent'")),
    Index(None, "contact_id"),
)
