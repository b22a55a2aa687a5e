"""Accounts, contacts and keys."""

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
    LargeBinary,
    Table,
    Text,
    UniqueConstraint,
    text,
)

from rollout.adapters.db.tables.base import NOW, instant, metadata

accounts = Table(
    "accounts",
    metadata,
    Column("account_id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("timezone", Text, nullable=False),
    Column("locale", Text, nullable=False),
    Column("tier", Text, nullable=False),
    Column("discovered", Boolean, nullable=False, server_default=text("false")),
    Column("created_at", instant, nullable=False, server_default=NOW),
    # Which link to its calendar is the valid one; another makes all earlier ones void.
    Column("calendar_version", Integer, nullable=False, server_default="1"),
    # The same of the links to its briefs.
    Column("brief_version", Integer, nullable=False, server_default="1"),
)

contacts = Table(
    "contacts",
    metadata,
    Column("contact_id", BigInteger, Identity(always=True), primary_key=True),
    Column("account_id", ForeignKey(accounts.c.account_id), nullable=False),
    Column("email", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("role", Text, nullable=False),
    Column("locale", Text),
    Column("timezone", Text),
    # ok until proven otherwise; bounced: the address itself was refused for good; complained: its
    # reader called our mail spam, so it works
    Column("deliverability", Text, nullable=False, server_default="ok"),
    Column("unsubscribed_at", instant),  # only required notices are wanted
    UniqueConstraint("account_id", "email"),
    CheckConstraint("deliverability IN ('ok', 'bounced', 'complained')", name="deliverability"),
    Index("ix_contacts_address", text("lower(email)")),
    Index("ix_contacts_internal", "account_id", postgresql_where=text("role = 'internal'")),
)

keys = Table(
    "keys",
    metadata,
    Column("key_id", Text, primary_key=True),
    Column("account_id", ForeignKey(accounts.c.account_id), nullable=False),
    Column("kind", Text, nullable=False),
    Column("status", Text, nullable=False, server_default="active"),
    Column("label", Text, nullable=False),
    Column("hint", Text, nullable=False),
    Column("secret_digest", LargeBinary),
    Column("created_at", instant),
    Column("discovered", Boolean, nullable=False, server_default=text("false")),
    Column("imported_at", instant, nullable=False, server_default=NOW),
    Column("disabled_at", instant),
    # What enforcers must come to know: any change that a gateway should see bumps `version`;
    # `enforced_version` follows once it was written. "Not yet enforced" is their difference.
    Column("version", BigInteger, nullable=False, server_default="1"),
    Column("enforced_version", BigInteger, nullable=False, server_default="0"),
    Column("changed_at", instant, nullable=False, server_default=NOW),
    CheckConstraint("kind IN ('rest', 'ios', 'android')", name="kind"),
    CheckConstraint("status IN ('active', 'disabled', 'revoked')", name="status"),
    CheckConstraint("octet_length(secret_digest) = 32", name="digest"),
    Index(None, "account_id"),
    Index(None, "secret_digest", postgresql_where=text("secret_digest IS NOT NULL")),
    Index(
        "ix_keys_unenforced",
        "changed_at",
        postgresql_where=text("enforced_version < version"),
    ),
)
