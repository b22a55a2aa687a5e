"""Say per contact since when optional notices are not wanted."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column("contacts", sa.Column("unsubscribed_at", sa.DateTime(timezone=True)))
