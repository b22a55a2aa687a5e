"""Mail that came to us, and what each says of a recipient."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ForeignKey,
    Identity,
    Index,
    LargeBinary,
    Table,
    Text,
    text,
)

from rollout.adapters.db.tables.base import NOW, instant, metadata
from rollout.adapters.db.tables.notices import notices

# A mail is known by its bytes or by its Message-ID: whatever brings it again brings nothing.
mails = Table(
    "mails",
    metadata,
    Column("mail_id", BigInteger, Identity(always=True), primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("message_id", Text),
    Column("sender", Text, nullable=False),
    Column("subject", Text, nullable=False),
    Column("written_at", instant),  # by its own Date, which may be wrong
    Column("taken_at", instant, nullable=False, server_default=NOW),
    Column("excerpt", LargeBinary),  # of what nobody could make sense of: its beginning
    Index(
        "uq_mails_message_id",
        "message_id",
        unique=True,
        postgresql_where=text("message_id IS NOT NULL"),
    ),
)

mail_reports = Table(
    "mail_reports",
    metadata,
    Column("report_id", BigInteger, Identity(always=True), primary_key=True),
    Column("mail_id", ForeignKey(mails.c.mail_id), nullable=False, index=True),
    Column("notice_id", ForeignKey(notices.c.notice_id), index=True),  # NULL: of none of ours
    Column("kind", Text, nullable=False),
    Column("recipient", Text),
    Column("hard", Boolean),
    Column("address_dead", Boolean, nullable=False),
    Column("action", Text),
    Column("status", Text),
    Column("reason", Text, nullable=False),
    CheckConstraint(
        "kind IN ('bounced', 'delayed', 'delivered', 'complained', 'auto_reply', 'answer',"
        " 'unknown')",
        name="kind",
    ),
)
