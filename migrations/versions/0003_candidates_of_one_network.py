"""Programs without a name that one network runs for many accounts may be an integration."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    op.create_index("ix_sources_network", "sources", ["network"])
    op.create_table(
        "source_candidates",
        sa.Column("source_id", sa.LargeBinary(), nullable=False),
        sa.Column("candidate", sa.Text(), nullable=False),
        sa.Column("accounts", sa.BigInteger(), nullable=False),
        sa.Column("keys", sa.BigInteger(), nullable=False),
        sa.Column("confidence", sa.REAL(), nullable=False),
        sa.Column("reasons", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("integration", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("source_id", name="pk_source_candidates"),
    )
    op.execute("UPDATE callers SET due = true")  # all of them are looked at again
