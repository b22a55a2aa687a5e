"""The migrations make the tables that the code names."""

from __future__ import annotations

from typing import Any

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine

from rollout.adapters.db.migrate import migrate
from rollout.adapters.db.tables import metadata
from tests.support.crowd import gather
from tests.support.database import rows, run

BACK_TO_0004 = """
ALTER TABLE notices DROP COLUMN resend, DROP COLUMN resent_at, DROP COLUMN not_after,
                    DROP COLUMN letter, DROP COLUMN webhook, DROP COLUMN letter_ids,
                    DROP COLUMN template_version;
DROP TABLE webhook_deliveries, webhook_endpoints;
DROP TABLE letters, template_changes, template_versions;
DROP INDEX ix_contacts_address;
DROP TABLE alarms, sending_pauses, sending_minutes;
ALTER TABLE notices DROP COLUMN deprecation;
CREATE INDEX ix_notices_due ON notices (attempt_at) WHERE state IN ('pending', 'retry');
DROP INDEX ix_contacts_internal;
ALTER TABLE accounts DROP COLUMN calendar_version, DROP COLUMN brief_version;
ALTER TABLE integrations DROP COLUMN migration_url;
ALTER TABLE integration_decisions DROP COLUMN migration_url;
ALTER TABLE contacts DROP COLUMN unsubscribed_at;
DROP TABLE key_endpoints;
DROP FUNCTION rollout_month_of_endpoints;
UPDATE alembic_version SET version_num = '0004'
"""
IN_EVERY_STATE = """
INSERT INTO notices (enrollment_id, contact_id, step, template, required, schedule_version,
                     deadline, message_id, state, due_at, attempt_at)
SELECT enrollment_id, contact_id, s || r, template, r, 1, deadline, s || r, s, now(), now()
  FROM notices, unnest('{pending,leased,sending,retry,sent}'::text[]) s,
       unnest('{true,false}'::boolean[]) r
"""


def is_ours(_object: Any, name: str | None, kind: str, _reflected: Any, _compare_to: Any) -> bool:
    """Leave out the months of sightings, which are made as they come."""
    return not (kind == "table" and name and name.startswith(("sightings_", "key_endpoints_")))


def test_a_migrated_database_has_just_the_tables_columns_and_indexes_of_the_code(
    engine: Engine,
) -> None:
    with engine.connect() as connection:
        options = {"compare_type": True, "include_object": is_ours}
        context = MigrationContext.configure(connection, opts=options)

        assert compare_metadata(context, metadata) == []


def test_what_was_on_its_way_is_resent_if_uncertain_just_where_it_was_before_0005(
    engine: Engine,
) -> None:
    gather(engine, 1)
    run(engine, BACK_TO_0004)
    run(engine, IN_EVERY_STATE)

    assert migrate(engine)[0] == "0004"
    resent = "SELECT state FROM notices WHERE resend ORDER BY state"
    assert [state for (state,) in rows(engine, resent)] == ["leased", "pending", "retry", "sending"]
    assert rows(engine, "SELECT count(*) FROM notices WHERE resend AND NOT required") == [(0,)]
