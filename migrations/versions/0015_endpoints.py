"""Count by day what is called with each key."""

from __future__ import annotations

from alembic import op

revision = "0015"
down_revision = "0014"


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '2s'")
    op.execute(
        """
        CREATE TABLE key_endpoints (
          key_id text NOT NULL,
          day date NOT NULL,
          endpoint text NOT NULL,
          count bigint NOT NULL,
          CONSTRAINT pk_key_endpoints PRIMARY KEY (key_id, day, endpoint)
        ) PARTITION BY RANGE (day)
        """
    )
    op.execute(
        """
        CREATE FUNCTION rollout_month_of_endpoints(month timestamptz) RETURNS void
        LANGUAGE plpgsql AS $$
        DECLARE
          begins date := date_trunc('month', month AT TIME ZONE 'UTC')::date;
          name text := 'key_endpoints_' || to_char(begins, 'YYYY_MM');
        BEGIN
          IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
          -- Two imports may need it at once: the second waits, and finds it.
          PERFORM pg_advisory_xact_lock(hashtextextended(name, 0));
          IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
          -- Attached, not created in its place: that would lock out whoever reads the others.
          EXECUTE format('CREATE TABLE %I (LIKE key_endpoints INCLUDING ALL)', name);
          EXECUTE format(
            'ALTER TABLE key_endpoints ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
            name, begins, (begins + interval '1 month')::date);
        END $$
        """
    )
