"""Create the tables, the clock functions and the append-only guards."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    create_clock()
    create_tables()
    guard_history()
    tune()


def create_clock() -> None:
    """The only clock of a decision (DESIGN, section 5).

    `rollout_now` is the start of the transaction, so it errs late, never early. `rollout_instant`
    is the present instant: it stamps what was written under a lock that had to be waited for.
    A rehearsal database replaces both; production refuses a database where they are replaced.
    """
    op.execute(
        "CREATE FUNCTION rollout_now() RETURNS timestamptz"
        " LANGUAGE sql STABLE PARALLEL SAFE AS 'SELECT now()'"
    )
    op.execute(
        "CREATE FUNCTION rollout_instant() RETURNS timestamptz"
        " LANGUAGE sql VOLATILE PARALLEL SAFE AS 'SELECT clock_timestamp()'"
    )


def guard_history() -> None:
    """What has happened cannot be rewritten; each new fact is queued for sealing."""
    op.execute(
        """
        CREATE FUNCTION rollout_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          RAISE EXCEPTION '% is append-only: % is refused', TG_TABLE_NAME, TG_OP
            USING ERRCODE = 'restrict_violation';
        END $$
        """
    )
    for table in ("facts", "seals", "schedules", "cutoffs"):
        op.execute(
            f"CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON {table}"
            " FOR EACH STATEMENT EXECUTE FUNCTION rollout_append_only()"
        )
    op.execute(
        """
        CREATE FUNCTION rollout_queue_for_sealing() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          INSERT INTO facts_unsealed (seq) SELECT seq FROM fresh;
          RETURN NULL;
        END $$
        """
    )
    op.execute(
        "CREATE TRIGGER queue_for_sealing AFTER INSERT ON facts"
        " REFERENCING NEW TABLE AS fresh"
        " FOR EACH STATEMENT EXECUTE FUNCTION rollout_queue_for_sealing()"
    )


def tune() -> None:
    """Tables that are updated all day keep room for it, and are vacuumed early."""
    for table in ("enrollments", "keys", "key_usage", "notices", "facts_unsealed"):
        op.execute(
            f"ALTER TABLE {table} SET (fillfactor = 80, autovacuum_vacuum_scale_factor = 0.01)"
        )


def create_tables() -> None:
    op.create_table(
        "accounts",
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("timezone", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=False),
        sa.Column("tier", sa.Text(), nullable=False),
        sa.Column("discovered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("account_id", name="pk_accounts"),
    )
    op.create_table(
        "deprecations",
        sa.Column("deprecation", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column(
            "applied_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.Column("applied_by", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("deprecation", name="pk_deprecations"),
    )
    op.create_table(
        "facts",
        sa.Column("seq", sa.BigInteger(), sa.Identity(always=False), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("data", postgresql.JSONB(), server_default=sa.text("'{}'"), nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_facts"),
    )
    op.create_index("ix_facts_subject_seq", "facts", ["subject", "seq"], unique=False)
    op.create_table(
        "facts_unsealed",
        sa.Column("seq", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("seq", name="pk_facts_unsealed"),
    )
    op.create_table(
        "feeds",
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("first_event", sa.DateTime(timezone=True), nullable=True),
        sa.Column("newest_event", sa.DateTime(timezone=True), nullable=True),
        sa.Column("events", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "imported_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("feed", name="pk_feeds"),
    )
    op.create_table(
        "heartbeats",
        sa.Column("process", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("process", name="pk_heartbeats"),
    )
    op.create_table(
        "key_usage",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("first_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_seen", sa.DateTime(timezone=True), nullable=False),
        sa.Column("named_account", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key_id", name="pk_key_usage"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("holder", sa.Text(), nullable=False),
        sa.Column("term", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "seals",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("seq", sa.BigInteger(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("position", name="pk_seals"),
        sa.UniqueConstraint("seq", name="uq_seals_seq"),
    )
    op.create_table(
        "sources",
        sa.Column("source_id", sa.LargeBinary(), nullable=False),
        sa.Column("user_agent", sa.Text(), nullable=False),
        sa.Column("network", sa.Text(), nullable=False),
        sa.Column("example", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("source_id", name="pk_sources"),
    )
    op.create_table(
        "stops",
        sa.Column("stop_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column(
            "opened_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("stop_id", name="pk_stops"),
    )
    op.create_index(
        "ix_stops_closed_at",
        "stops",
        ["closed_at"],
        unique=False,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "usage_events",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("digest", name="pk_usage_events"),
    )
    op.create_table(
        "cohorts",
        sa.Column("deprecation", sa.Text(), nullable=False),
        sa.Column("cohort", sa.Text(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["deprecation"], ["deprecations.deprecation"], name="fk_cohorts_deprecation"
        ),
        sa.PrimaryKeyConstraint("deprecation", "cohort", name="pk_cohorts"),
    )
    op.create_table(
        "contacts",
        sa.Column("contact_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("email", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), nullable=False),
        sa.Column("locale", sa.Text(), nullable=True),
        sa.Column("timezone", sa.Text(), nullable=True),
        sa.Column("deliverability", sa.Text(), server_default="ok", nullable=False),
        sa.CheckConstraint(
            "deliverability IN ('ok', 'bounced')", name=op.f("ck_contacts_deliverability")
        ),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_contacts_account_id"
        ),
        sa.PrimaryKeyConstraint("contact_id", name="pk_contacts"),
        sa.UniqueConstraint("account_id", "email", name="uq_contacts_account_id_email"),
    )
    op.create_table(
        "keys",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="active", nullable=False),
        sa.Column("label", sa.Text(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("secret_digest", sa.LargeBinary(), nullable=True),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("discovered", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column(
            "imported_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("version", sa.BigInteger(), server_default="1", nullable=False),
        sa.Column("enforced_version", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column(
            "changed_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.CheckConstraint("kind IN ('rest', 'ios', 'android')", name=op.f("ck_keys_kind")),
        sa.CheckConstraint("status IN ('active', 'disabled', 'revoked')", name=op.f("ck_keys_status")),
        sa.CheckConstraint("octet_length(secret_digest) = 32", name=op.f("ck_keys_digest")),
        sa.ForeignKeyConstraint(["account_id"], ["accounts.account_id"], name="fk_keys_account_id"),
        sa.PrimaryKeyConstraint("key_id", name="pk_keys"),
    )
    op.create_index("ix_keys_account_id", "keys", ["account_id"], unique=False)
    op.create_index(
        "ix_keys_secret_digest",
        "keys",
        ["secret_digest"],
        unique=False,
        postgresql_where=sa.text("secret_digest IS NOT NULL"),
    )
    op.create_index(
        "ix_keys_unenforced",
        "keys",
        ["changed_at"],
        unique=False,
        postgresql_where=sa.text("enforced_version < version"),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("deprecation", sa.Text(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.Column("keys_due", sa.BigInteger(), nullable=False),
        sa.Column("accounts_due", sa.BigInteger(), nullable=False),
        sa.Column("cap", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(
            ["deprecation"], ["deprecations.deprecation"], name="fk_runs_deprecation"
        ),
        sa.PrimaryKeyConstraint("run_id", name="pk_runs"),
    )
    op.create_table(
        "sightings",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("source_id", sa.LargeBinary(), nullable=False),
        sa.Column("hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("refused", sa.BigInteger(), nullable=False),
        sa.Column("first_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["source_id"], ["sources.source_id"], name="fk_sightings_source_id"
        ),
        sa.PrimaryKeyConstraint("key_id", "source_id", "hour", name="pk_sightings"),
    )
    op.create_index("ix_sightings_source_id", "sightings", ["source_id"], unique=False)
    op.create_table(
        "usage_files",
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("feed", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("events", sa.BigInteger(), nullable=False),
        sa.Column("keyless", sa.BigInteger(), nullable=False),
        sa.Column("unreadable", sa.BigInteger(), nullable=False),
        sa.Column("repeated", sa.BigInteger(), nullable=False),
        sa.Column(
            "imported_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(["feed"], ["feeds.feed"], name="fk_usage_files_feed"),
        sa.PrimaryKeyConstraint("digest", name="pk_usage_files"),
    )
    op.create_table(
        "approvals",
        sa.Column("deprecation", sa.Text(), nullable=False),
        sa.Column("cohort", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("operator", sa.Text(), nullable=False),
        sa.Column(
            "at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["deprecation", "cohort"],
            ["cohorts.deprecation", "cohorts.cohort"],
            name="fk_approvals_deprecation_cohort",
        ),
        sa.PrimaryKeyConstraint("deprecation", "cohort", "digest", "operator", name="pk_approvals"),
    )
    op.create_table(
        "enrollments",
        sa.Column("enrollment_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("deprecation", sa.Text(), nullable=False),
        sa.Column("account_id", sa.Text(), nullable=False),
        sa.Column("cohort", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="scheduled", nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("wall", sa.DateTime(), nullable=False),
        sa.Column("zone", sa.Text(), nullable=False),
        sa.Column("schedule_version", sa.Integer(), server_default="1", nullable=False),
        sa.Column("planned_usage", sa.Text(), nullable=False),
        sa.Column("next_check_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_notice_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("told_until", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("state IN ('scheduled', 'cut', 'exempt')", name=op.f("ck_enrollments_state")),
        sa.ForeignKeyConstraint(
            ["account_id"], ["accounts.account_id"], name="fk_enrollments_account_id"
        ),
        sa.ForeignKeyConstraint(
            ["deprecation", "cohort"],
            ["cohorts.deprecation", "cohorts.cohort"],
            name="fk_enrollments_deprecation_cohort",
        ),
        sa.ForeignKeyConstraint(
            ["deprecation"], ["deprecations.deprecation"], name="fk_enrollments_deprecation"
        ),
        sa.PrimaryKeyConstraint("enrollment_id", name="pk_enrollments"),
        sa.UniqueConstraint(
            "deprecation", "account_id", name="uq_enrollments_deprecation_account_id"
        ),
    )
    op.create_index("ix_enrollments_account_id", "enrollments", ["account_id"], unique=False)
    op.create_index(
        "ix_enrollments_due",
        "enrollments",
        ["deprecation", "cohort", "next_check_at"],
        unique=False,
        postgresql_where=sa.text("state = 'scheduled'"),
    )
    op.create_index(
        "ix_enrollments_notice_due",
        "enrollments",
        ["deprecation", "cohort", "next_notice_at"],
        unique=False,
        postgresql_where=sa.text("next_notice_at IS NOT NULL"),
    )
    op.create_table(
        "pauses",
        sa.Column("pause_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("deprecation", sa.Text(), nullable=False),
        sa.Column("cohort", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column(
            "opened_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["deprecation", "cohort"],
            ["cohorts.deprecation", "cohorts.cohort"],
            name="fk_pauses_deprecation_cohort",
        ),
        sa.PrimaryKeyConstraint("pause_id", name="pk_pauses"),
    )
    op.create_index(
        "uq_pauses_open",
        "pauses",
        ["deprecation", "cohort"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "cutoffs",
        sa.Column("key_id", sa.Text(), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("schedule_version", sa.Integer(), nullable=False),
        sa.Column("run_id", sa.BigInteger(), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cut_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("evidence", postgresql.JSONB(), nullable=False),
        sa.CheckConstraint("cut_at >= deadline", name=op.f("ck_cutoffs_never_early")),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.enrollment_id"], name="fk_cutoffs_enrollment_id"
        ),
        sa.ForeignKeyConstraint(["key_id"], ["keys.key_id"], name="fk_cutoffs_key_id"),
        sa.ForeignKeyConstraint(["run_id"], ["runs.run_id"], name="fk_cutoffs_run_id"),
        sa.PrimaryKeyConstraint("key_id", "enrollment_id", "schedule_version", name="pk_cutoffs"),
    )
    op.create_index("ix_cutoffs_cut_at", "cutoffs", ["cut_at"], unique=False)
    op.create_index("ix_cutoffs_enrollment_id", "cutoffs", ["enrollment_id"], unique=False)
    op.create_index("ix_cutoffs_run_id", "cutoffs", ["run_id"], unique=False)
    op.create_table(
        "holds",
        sa.Column("hold_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("code", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("owner", sa.Text(), nullable=False),
        sa.Column(
            "opened_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.enrollment_id"], name="fk_holds_enrollment_id"
        ),
        sa.PrimaryKeyConstraint("hold_id", name="pk_holds"),
    )
    op.create_index(
        "uq_holds_open",
        "holds",
        ["enrollment_id", "code"],
        unique=True,
        postgresql_where=sa.text("closed_at IS NULL"),
    )
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("contact_id", sa.BigInteger(), nullable=False),
        sa.Column("step", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("required", sa.Boolean(), nullable=False),
        sa.Column("schedule_version", sa.Integer(), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), server_default="pending", nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease", sa.BigInteger(), nullable=True),
        sa.Column("leased_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("attempt_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("delivered_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "state IN ('pending', 'leased', 'sending', 'sent', 'delivered', 'bounced', 'retry', 'uncertain', 'skipped', 'dead')",
            name=op.f("ck_notices_state"),
        ),
        sa.ForeignKeyConstraint(
            ["contact_id"], ["contacts.contact_id"], name="fk_notices_contact_id"
        ),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.enrollment_id"], name="fk_notices_enrollment_id"
        ),
        sa.PrimaryKeyConstraint("notice_id", name="pk_notices"),
        sa.UniqueConstraint(
            "enrollment_id",
            "contact_id",
            "step",
            "schedule_version",
            name="uq_notices_enrollment_id_contact_id_step_schedule_version",
        ),
        sa.UniqueConstraint("message_id", name="uq_notices_message_id"),
    )
    op.create_index("ix_notices_contact_id", "notices", ["contact_id"], unique=False)
    op.create_index(
        "ix_notices_due",
        "notices",
        ["attempt_at"],
        unique=False,
        postgresql_where=sa.text("state IN ('pending', 'retry')"),
    )
    op.create_index(
        "ix_notices_leased",
        "notices",
        ["leased_until"],
        unique=False,
        postgresql_where=sa.text("state IN ('leased', 'sending')"),
    )
    op.create_index(
        "ix_notices_sent",
        "notices",
        ["sent_at"],
        unique=False,
        postgresql_where=sa.text("state = 'sent'"),
    )
    op.create_table(
        "schedules",
        sa.Column("enrollment_id", sa.BigInteger(), nullable=False),
        sa.Column("schedule_version", sa.Integer(), nullable=False),
        sa.Column("deadline", sa.DateTime(timezone=True), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column(
            "set_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("rollout_instant()"),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["enrollment_id"], ["enrollments.enrollment_id"], name="fk_schedules_enrollment_id"
        ),
        sa.PrimaryKeyConstraint("enrollment_id", "schedule_version", name="pk_schedules"),
    )
