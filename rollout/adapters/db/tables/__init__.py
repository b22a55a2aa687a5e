"""The tables, as SQLAlchemy Core, one file per stage.

``migrations/`` creates them; a test holds the two together. Times are ``timestamptz``. Ids that
come from outside (accounts, keys) are kept as they are.
"""

from rollout.adapters.db.tables.alarms import alarms
from rollout.adapters.db.tables.audit import facts, facts_unsealed, seals
from rollout.adapters.db.tables.base import metadata
from rollout.adapters.db.tables.clock import heartbeats, leases, stops
from rollout.adapters.db.tables.cutoff import cutoffs, runs
from rollout.adapters.db.tables.integrations import (
    callers,
    integration_decisions,
    integrations,
    signature_files,
    source_candidates,
)
from rollout.adapters.db.tables.inventory import accounts, contacts, keys
from rollout.adapters.db.tables.letters import letters
from rollout.adapters.db.tables.mail import mail_reports, mails
from rollout.adapters.db.tables.notices import notices
from rollout.adapters.db.tables.plan import (
    approvals,
    cohorts,
    deprecations,
    enrollments,
    holds,
    pauses,
    schedules,
)
from rollout.adapters.db.tables.sending import sending_minutes, sending_pauses
from rollout.adapters.db.tables.templates import template_changes, template_versions
from rollout.adapters.db.tables.usage import (
    feeds,
    key_endpoints,
    key_sources,
    key_usage,
    sightings,
    sources,
    usage_ahead,
    usage_cursors,
    usage_files,
    usage_seen,
)
from rollout.adapters.db.tables.webhooks import webhook_deliveries, webhook_endpoints

__all__ = [
    "accounts",
    "alarms",
    "approvals",
    "callers",
    "cohorts",
    "contacts",
    "cutoffs",
    "deprecations",
    "enrollments",
    "facts",
    "facts_unsealed",
    "feeds",
    "heartbeats",
    "holds",
    "integration_decisions",
    "integrations",
    "key_endpoints",
    "key_sources",
    "key_usage",
    "keys",
    "leases",
    "letters",
    "mail_reports",
    "mails",
    "metadata",
    "notices",
    "pauses",
    "runs",
    "schedules",
    "seals",
    "sending_minutes",
    "sending_pauses",
    "sightings",
    "signature_files",
    "source_candidates",
    "sources",
    "stops",
    "template_changes",
    "template_versions",
    "usage_ahead",
    "usage_cursors",
    "usage_files",
    "usage_seen",
    "webhook_deliveries",
    "webhook_endpoints",
]
