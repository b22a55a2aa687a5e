"""Keep what comes back by mail, and what it proves.

A migration waits at most two seconds for a lock, so that a busy table is never blocked behind it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    let_notices_end_otherwise()
    keep_mail()


def let_notices_end_otherwise() -> None:
    op.add_column("notices", sa.Column("bounced_at", sa.DateTime(timezone=True)))
    op.add_column("notices", sa.Column("acknowledged_at", sa.DateTime(timezone=True)))
    op.drop_constraint("ck_notices_state", "notices")
    op.create_check_constraint(
        op.f("ck_notices_state"),
        "notices",
        "state IN ('pending', 'leased', 'sending', 'sent', 'delivered', 'bounced', 'complained',"
        " 'retry', 'uncertain', 'skipped', 'dead')",
    )
    op.drop_constraint("ck_contacts_deliverability", "contacts")
    op.create_check_constraint(
        op.f("ck_contacts_deliverability"),
        "contacts",
        "deliverability IN ('ok', 'bounced', 'complained')",
    )


def keep_mail() -> None:
    op.create_table(
        "mails",
        sa.Column("mail_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("sender", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("written_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "taken_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.Column("excerpt", sa.LargeBinary(), nullable=True),
        sa.PrimaryKeyConstraint("mail_id", name="pk_mails"),
        sa.UniqueConstraint("digest", name="uq_mails_digest"),
    )
    op.create_index(
        "uq_mails_message_id",
        "mails",
        ["message_id"],
        unique=True,
        postgresql_where=sa.text("message_id IS NOT NULL"),
    )
    op.create_table(
        "mail_reports",
        sa.Column("report_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("mail_id", sa.BigInteger(), nullable=False),
        sa.Column("notice_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=True),
        sa.Column("hard", sa.Boolean(), nullable=True),
        sa.Column("address_dead", sa.Boolean(), nullable=False),
        sa.Column("action", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "kind IN ('bounced', 'delayed', 'delivered', 'complained', 'auto_reply', 'answer',"
            " 'unknown')",
            name=op.f("ck_mail_reports_kind"),
        ),
        sa.ForeignKeyConstraint(["mail_id"], ["mails.mail_id"], name="fk_mail_reports_mail_id"),
        sa.ForeignKeyConstraint(
            ["notice_id"], ["notices.notice_id"], name="fk_mail_reports_notice_id"
        ),
        sa.PrimaryKeyConstraint("report_id", name="pk_mail_reports"),
    )
    op.create_index("ix_mail_reports_mail_id", "mail_reports", ["mail_id"])
    op.create_index("ix_mail_reports_notice_id", "mail_reports", ["notice_id"])
