"""Say per account which links to its pages are valid, and per integration how it moves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    version = sa.Column("brief_version", sa.Integer(), server_default="1", nullable=False)
    op.add_column("accounts", version)
    page = sa.Column("migration_url", sa.Text(), server_default="", nullable=False)
    op.add_column("integrations", page)
    op.add_column("integration_decisions", sa.Column("migration_url", sa.Text()))
