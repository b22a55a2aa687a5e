"""A notice may be of no use after some time."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0004"


def upgrade() -> None:
    op.add_column("notices", sa.Column("not_after", sa.DateTime(timezone=True), nullable=True))
