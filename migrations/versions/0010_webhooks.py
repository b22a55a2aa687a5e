"""Tell accounts by webhook: their endpoints, and an outbox."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"

instant = sa.DateTime(timezone=True)
NOW = sa.text("rollout_instant()")


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        "webhook_endpoints",
        sa.Column("endpoint_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary()),
        sa.Column("digest", sa.LargeBinary()),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="active", nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("since", instant, server_default=NOW, nullable=False),
        sa.Column("added_by", sa.Text(), nullable=False),
        sa.Column("added_at", instant, server_default=NOW, nullable=False),
        sa.Column("generation", sa.Integer(), server_default="1", nullable=False),
        sa.Column("generation_since", instant, server_default=NOW, nullable=False),
        sa.Column("lease", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("leased_until", instant),
        sa.PrimaryKeyConstraint("endpoint_id", name=op.f("pk_webhook_endpoints")),
        sa.ForeignKeyConstraint(
            ["account_id"],
            ["accounts.account_id"],
            name=op.f("fk_webhook_endpoints_account_id"),
        ),
        sa.UniqueConstraint("account_id", "digest", name=op.f("uq_webhook_endpoints_account_id_digest")),
        sa.CheckConstraint("kind IN ('standard', 'slack')", name=op.f("ck_webhook_endpoints_kind")),
        sa.CheckConstraint(
            "state IN ('active', 'disabled', 'removed')", name=op.f("ck_webhook_endpoints_state")
        ),
        sa.CheckConstraint(
            "(state = 'removed') = (sealed IS NULL) AND (state = 'removed') = (digest IS NULL)",
            name=op.f("ck_webhook_endpoints_forgotten"),
        ),
    )
    op.create_table(
        "webhook_deliveries",
        sa.Column("delivery_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("endpoint_id", sa.BigInteger(), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("schedule_version", sa.Integer(), nullable=False),
        sa.Column("deadline", instant, nullable=False),
        sa.Column("webhook_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text()),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("created_at", instant, nullable=False),
        sa.Column("attempt_at", instant, nullable=False),
        sa.Column("delivered_at", instant),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_webhook_deliveries")),
        sa.ForeignKeyConstraint(
            ["endpoint_id"],
            ["webhook_endpoints.endpoint_id"],
            name=op.f("fk_webhook_deliveries_endpoint_id"),
        ),
        sa.ForeignKeyConstraint(
            ["enrollment_id"],
            ["enrollments.enrollment_id"],
            name=op.f("fk_webhook_deliveries_enrollment_id"),
        ),
        sa.UniqueConstraint("webhook_id", name=op.f("uq_webhook_deliveries_webhook_id")),
        sa.UniqueConstraint(
            "endpoint_id",
            "enrollment_id",
            "step",
            "schedule_version",
            name=op.f("uq_webhook_deliveries_event"),
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'delivered', 'failed', 'skipped')",
            name=op.f("ck_webhook_deliveries_state"),
        ),
    )
    op.create_index(
        "ix_webhook_deliveries_due",
        "webhook_deliveries",
        ["attempt_at"],
        postgresql_where=sa.text("state = 'pending'"),
    )
    op.create_index(
        op.f("ix_webhook_deliveries_enrollment_id"), "webhook_deliveries", ["enrollment_id"]
    )
    # Which delivery it was that failed, where a notice tells of an endpoint that is off.
    op.add_column("notices", sa.Column("webhook", sa.BigInteger()))
