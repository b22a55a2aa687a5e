"""What all tables share: naming, the type of an instant, the database's clock."""

from __future__ import annotations

from sqlalchemy import DateTime, MetaData, func

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

instant = DateTime(timezone=True)
NOW = func.rollout_instant()
