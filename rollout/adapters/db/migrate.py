"""Brings a database up to date with Alembic, and says whether it is."""

from __future__ import annotations

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, text

from rollout.adapters.db.engine import connect
from rollout.adapters.resources import migrations_dir

# Any fixed number: whoever migrates holds it, so that two commands at once do not collide.
MIGRATION_LOCK = 0x526F6C6C


def _config(connection: Connection | None = None) -> Config:
    config = Config()
    config.set_main_option("script_location", str(migrations_dir()).replace("%", "%%"))
    config.attributes["connection"] = connection
    return config


def migrate(engine: Engine) -> tuple[str | None, str | None]:
    """Apply what is missing; return the revisions before and after. Safe to run twice at once."""
    with connect(engine) as connection:
        connection.execute(text("SELECT pg_advisory_lock(:lock)"), {"lock": MIGRATION_LOCK})
        connection.rollback()
        try:
            before = _current(connection)
            connection.rollback()
            command.upgrade(_config(connection), "head")
            return before, _current(connection)
        finally:
            connection.rollback()
            connection.execute(text("SELECT pg_advisory_unlock(:lock)"), {"lock": MIGRATION_LOCK})


def status(engine: Engine) -> tuple[str | None, str | None]:
    """Return the revision that the database has and the one that this version needs."""
    head = ScriptDirectory.from_config(_config()).get_current_head()
    with connect(engine) as connection:
        return _current(connection), head


def _current(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()
