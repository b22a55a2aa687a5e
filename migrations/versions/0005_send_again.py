"""Say per notice whether it is sent once more where nobody knows whether it arrived.

A migration waits at most two seconds for a lock, so that a busy table is never blocked behind it.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    resend = sa.Column("resend", sa.Boolean(), server_default="false", nullable=False)
    op.add_column("notices", resend)
    op.add_column("notices", sa.Column("resent_at", sa.DateTime(timezone=True)))
    # As it was until now. What has come to its end is not sent again, whatever it says: the
    # millions of those need not be written anew.
    op.execute(
        "UPDATE notices SET resend = true"
        " WHERE required AND state IN ('pending', 'leased', 'sending', 'retry')"
    )
