"""Say per account which link to its calendar is the valid one."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    version = sa.Column("calendar_version", sa.Integer(), server_default="1", nullable=False)
    op.add_column("accounts", version)
