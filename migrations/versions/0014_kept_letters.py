"""Keep what was sent, and what it was made of; let operators put templates into the database."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0014"
down_revision = "0013"

NOW = sa.text("rollout_instant()")


def instant(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), server_default=NOW, nullable=False)


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.create_table(
        "template_versions",
        sa.Column("version_id", sa.Integer(), sa.Identity(always=True), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("sources", postgresql.JSONB(), nullable=False),
        sa.Column("specimen", sa.LargeBinary(), nullable=False),
        instant("first_used_at"),
        sa.PrimaryKeyConstraint("version_id", name="pk_template_versions"),
        sa.UniqueConstraint("digest", name="uq_template_versions_digest"),
    )
    op.create_table(
        "template_changes",
        sa.Column("change_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("text", sa.Text()),
        instant("changed_at"),
        sa.PrimaryKeyConstraint("change_id", name="pk_template_changes"),
    )
    op.create_table(
        "letters",
        sa.Column("letter_id", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        instant("begun_at"),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("size", sa.Integer(), nullable=False),
        sa.Column("packed", sa.LargeBinary()),
        sa.Column("packed_with", sa.Integer()),
        sa.PrimaryKeyConstraint("letter_id", name="pk_letters"),
    )
    op.create_index(
        "ix_letters_kept",
        "letters",
        ["begun_at"],
        postgresql_where=sa.text("packed IS NOT NULL"),
    )
    op.add_column("notices", sa.Column("letter_ids", postgresql.ARRAY(sa.BigInteger())))
    op.add_column("notices", sa.Column("template_version", sa.Integer()))
