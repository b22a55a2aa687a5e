"""The migrations make the tables that the code names."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from rollout.adapters.db.tables import metadata


def is_ours(_object: Any, name: str | None, kind: str, _reflected: Any, _compare_to: Any) -> bool:
    """Leave out the months of sightings, which are made as they come."""
    return not (kind == "table" and name and name.startswith("sightings_"))


def test_a_migrated_database_has_just_the_tables_columns_and_indexes_of_the_code(
    engine: Engine,
) -> None:
    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": is_ours}
        context = MigrationContext.configure(connection, opts=options)

        assert compare_metadata(context, metadata) == []
