"""Tell events apart for good, keep sightings in months, and name who calls."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    count_events_once()
    keep_sightings_in_months()
    remember_days_and_callers()
    declare_feeds()
    name_callers()


def count_events_once() -> None:
    """The names of all events of an hour in one row, instead of a row for each event.

    Events of logs that were taken in before are not named here: a file of the very same bytes is
    still recognised, another one that repeats its lines is not.
    """
    op.drop_table("usage_events")
    op.create_table(
        "usage_seen",
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("events", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("scope", "hour", name="pk_usage_seen"),
    )
    op.execute("ALTER TABLE usage_seen ALTER COLUMN events SET STORAGE EXTERNAL")  # random bytes
    op.create_table(
        "usage_ahead",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("event", sa.LargeBinary(), nullable=False),
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=True),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("refused", sa.Boolean(), nullable=False),
        sa.Column(
            "noted_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("feed", "event", name="pk_usage_ahead"),
    )


def keep_sightings_in_months() -> None:
    """A month that is no longer kept is dropped as a whole."""
    op.execute("ALTER TABLE sightings RENAME TO sightings_before")
    op.execute("ALTER TABLE sightings_before RENAME CONSTRAINT pk_sightings TO pk_sightings_before")
    op.execute(
        """
        CREATE TABLE sightings (
          key_id text NOT NULL,
          source_id bytea NOT NULL,
          hour timestamptz NOT NULL,
          count bigint NOT NULL,
          refused bigint NOT NULL,
          first_at timestamptz NOT NULL,
          last_at timestamptz NOT NULL,
          CONSTRAINT pk_sightings PRIMARY KEY (key_id, source_id, hour)
        ) PARTITION BY RANGE (hour)
        """
    )
    op.execute(
        """
        CREATE FUNCTION rollout_month_of_sightings(month timestamptz) RETURNS void
        LANGUAGE plpgsql AS $$
        DECLARE
          begins timestamptz := date_trunc('month', month, 'UTC');
          ends timestamptz := (begins AT TIME ZONE 'UTC' + interval '1 month') AT TIME ZONE 'UTC';
          name text := 'sightings_' || to_char(begins AT TIME ZONE 'UTC', 'YYYY_MM');
        BEGIN
          IF to_regclass(name) IS NOT NULL THEN RETURN; END IF;
          -- Attached, not created in its place: that would lock out whoever reads the others.
          EXECUTE format('CREATE TABLE %I (LIKE sightings INCLUDING ALL)', name);
          EXECUTE format('ALTER TABLE sightings ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                         name, begins, ends);
        END $$
        """
    )
    op.execute(
        "SELECT rollout_month_of_sightings(month) FROM"
        " (SELECT DISTINCT date_trunc('month', hour, 'UTC') AS month FROM sightings_before) months"
    )
    op.execute("INSERT INTO sightings SELECT * FROM sightings_before")
    op.execute("DROP TABLE sightings_before")


def remember_days_and_callers() -> None:
    """What outlives the sightings of a month: the days on which a key was used, and by whom."""
    op.execute("ALTER TABLE key_usage ADD days datemultirange NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE key_usage ADD attested_at timestamptz")
    op.execute("ALTER TABLE key_usage ALTER first_seen DROP NOT NULL")
    op.execute("ALTER TABLE key_usage ALTER last_seen DROP NOT NULL")
    op.execute("ALTER TABLE sources ADD client text NOT NULL DEFAULT ''")
    op.create_table(
        "key_sources",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("source_id", sa.LargeBinary(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "source_id", name="pk_key_sources"),
    )
    op.create_index("ix_key_sources_source_id", "key_sources", ["source_id"])
    op.execute(
        "INSERT INTO key_sources SELECT key_id, source_id, sum(count), sum(refused),"
        " min(first_at), max(last_at) FROM sightings GROUP BY key_id, source_id"
    )
    op.execute(
        "UPDATE key_usage u SET days = s.days FROM (SELECT key_id, range_agg(daterange(day,"
        " day + 1)) AS days FROM (SELECT DISTINCT key_id, (hour AT TIME ZONE 'UTC')::date AS day"
        " FROM sightings) d GROUP BY key_id) s WHERE s.key_id = u.key_id"
    )


def declare_feeds() -> None:
    """In which hours a feed has reported, how often it has to, and whether it sees everything."""
    op.execute("ALTER TABLE feeds ADD reported tstzmultirange NOT NULL DEFAULT '{}'")
    op.execute("ALTER TABLE feeds ADD every interval")
    op.execute("ALTER TABLE feeds ADD complete boolean NOT NULL DEFAULT true")
    op.execute(
        "UPDATE feeds SET reported = tstzmultirange(tstzrange(first_event, newest_event, '[]'))"
        " WHERE newest_event IS NOT NULL"
    )
    op.create_table(
        "usage_cursors",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("position", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_usage_cursors"),
    )


def name_callers() -> None:
    """One row for each program, with what it did and which integration it is."""
    op.execute("CREATE INDEX ix_sources_user_agent ON sources (user_agent)")
    op.execute("ALTER TABLE sources ADD integration text")
    op.create_index(
        "ix_sources_integration",
        "sources",
        ["integration"],
        postgresql_where=sa.text("integration IS NOT NULL"),
    )
    op.execute(
        """
        CREATE TABLE callers (
          user_agent text CONSTRAINT pk_callers PRIMARY KEY,
          count bigint NOT NULL DEFAULT 0,
          refused bigint NOT NULL DEFAULT 0,
          first_seen timestamptz NOT NULL,
          last_seen timestamptz NOT NULL,
          days datemultirange NOT NULL DEFAULT '{}',
          due boolean NOT NULL DEFAULT true,
          kind text NOT NULL DEFAULT '',
          accounts bigint NOT NULL DEFAULT 0,
          keys bigint NOT NULL DEFAULT 0,
          networks bigint NOT NULL DEFAULT 0,
          candidate text,
          how text CONSTRAINT ck_callers_how CHECK (how IN ('signature', 'fan_out')),
          confidence real NOT NULL DEFAULT 0,
          reasons text[] NOT NULL DEFAULT '{}',
          integration text
        )
        """
    )
    op.execute("CREATE INDEX ix_callers_due ON callers (user_agent) WHERE due")
    op.execute(
        "CREATE INDEX ix_callers_integration ON callers (integration) WHERE integration IS NOT NULL"
    )
    op.execute(
        """
        INSERT INTO callers (user_agent, count, refused, first_seen, last_seen, days)
        SELECT s.user_agent, sum(g.count), sum(g.refused), min(g.first_at), max(g.last_at),
               range_agg(daterange((g.hour AT TIME ZONE 'UTC')::date,
                                   (g.hour AT TIME ZONE 'UTC')::date + 1))
          FROM sightings g JOIN sources s USING (source_id) GROUP BY s.user_agent
        """
    )
    op.execute(
        "CREATE VIEW named_sources AS SELECT s.source_id, s.user_agent, s.network,"
        " coalesce(s.integration, c.integration) AS integration"
        " FROM sources s LEFT JOIN callers c USING (user_agent)"
    )
    op.execute(
        """
        CREATE TABLE integrations (
          integration text CONSTRAINT pk_integrations PRIMARY KEY,
          kind text NOT NULL
            CONSTRAINT ck_integrations_kind CHECK (kind IN ('signature', 'fan_out', 'confirmed')),
          confidence real NOT NULL,
          reasons text[] NOT NULL,
          home_page text NOT NULL,
          accounts bigint NOT NULL,
          keys bigint NOT NULL,
          networks bigint NOT NULL,
          count bigint NOT NULL,
          refused bigint NOT NULL,
          first_seen timestamptz NOT NULL,
          last_seen timestamptz NOT NULL
        )
        """
    )
    op.execute(
        """
        CREATE TABLE integration_decisions (
          candidate text CONSTRAINT pk_integration_decisions PRIMARY KEY,
          integration text,
          owner text NOT NULL,
          decided_at timestamptz NOT NULL DEFAULT rollout_instant()
        )
        """
    )
    op.execute(
        "CREATE TABLE signature_files (digest bytea CONSTRAINT pk_signature_files PRIMARY KEY)"
    )
