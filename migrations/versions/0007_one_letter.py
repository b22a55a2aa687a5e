"""One letter may tell several notices to one person."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.add_column("notices", sa.Column("letter", sa.BigInteger()))
    op.create_index(
        "ix_notices_letter", "notices", ["letter"], postgresql_where=sa.text("letter IS NOT NULL")
    )
    op.create_index("ix_contacts_address", "contacts", [sa.text("lower(email)")])
