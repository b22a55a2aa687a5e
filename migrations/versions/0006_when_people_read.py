"""Say per notice when it is of no use any more."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column("notices", sa.Column("not_after", sa.DateTime(timezone=True)))
