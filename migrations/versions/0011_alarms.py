"""Keep alarms, how sending fares by the minute, and where it is paused.

It waits at most two seconds for a lock on the notices, and then keeps it while it says of each
notice to which deprecation it belongs: stop the workers for it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"

NOW = sa.text("rollout_instant()")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    say_of_each_notice_to_which_deprecation_it_belongs()
    let_sending_pause()
    keep_alarms()


def say_of_each_notice_to_which_deprecation_it_belongs() -> None:
    op.add_column("notices", sa.Column("deprecation", sa.Text()))
    op.execute(
        "UPDATE notices n SET deprecation = e.deprecation FROM enrollments e"
        " WHERE e.enrollment_id = n.enrollment_id"
    )
    op.alter_column("notices", "deprecation", nullable=False)
    op.drop_index("ix_notices_due", "notices")
    op.create_index(
        "ix_notices_due",
        "notices",
        ["deprecation", "attempt_at", "notice_id"],
        postgresql_where=sa.text("state IN ('pending', 'retry')"),
    )
    op.create_index(
        "ix_notices_lost",
        "notices",
        ["deprecation", "deadline"],
        postgresql_where=sa.text("required AND state IN ('bounced', 'dead', 'uncertain')"),
    )


def let_sending_pause() -> None:
    op.create_table(
        "sending_pauses",
        sa.Column("pause_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("deprecation", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True), server_default=NOW, nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.ForeignKeyConstraint(
            ["deprecation"], ["deprecations.deprecation"], name="fk_sending_pauses_deprecation"
        ),
        sa.PrimaryKeyConstraint("pause_id", name="pk_sending_pauses"),
    )
    op.create_index(
        "uq_sending_pauses_open",
        "sending_pauses",
        ["deprecation"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "sending_minutes",
        sa.Column("deprecation", sa.Text(), nullable=False),
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("slot", sa.Integer(), nullable=False),
        sa.Column("accepted", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("failed", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("put_off", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("bounced", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("complained", sa.BigInteger(), server_default="0", nullable=False),
        sa.ForeignKeyConstraint(
            ["deprecation"], ["deprecations.deprecation"], name="fk_sending_minutes_deprecation"
        ),
        sa.PrimaryKeyConstraint("deprecation", "minute", "slot", name="pk_sending_minutes"),
    )


def keep_alarms() -> None:
    op.create_table(
        "alarms",
        sa.Column("alarm_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("fix", sa.Text(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("opened_at", sa.DateTime(timezone=True)),
        sa.Column("closed_at", sa.DateTime(timezone=True)),
        sa.Column("last_told_at", sa.DateTime(timezone=True)),
        sa.Column("tell_at", sa.DateTime(timezone=True)),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("reached", sa.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.PrimaryKeyConstraint("alarm_id", name="pk_alarms"),
    )
    op.create_index(
        "uq_alarms_standing",
        "alarms",
        ["kind", "subject"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_index(
        "ix_alarms_tell_at",
        "alarms",
        ["tell_at"],
        postgresql_where=sa.text("tell_at IS NOT NULL"),
    )
