"""Find the people inside the company: few accounts have one, and every sweep asks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_index(
        "ix_contacts_internal",
        "contacts",
        ["account_id"],
        postgresql_where=sa.text("role = 'internal'"),
    )
