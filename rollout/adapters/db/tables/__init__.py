"""The tables, as SQLAlchemy Core, one file per stage.

``migrations/`` creates them; a test holds the two together. Times are ``timestamptz``. Ids that
come from outside (accounts, keys) are kept as they are.
"""

from rollout.adapters.db.tables.audit import facts, facts_unsealed, seals
from rollout.adapters.db.tables.base import metadata
from rollout.adapters.db.tables.clock import heartbeats, leases, stops
from rollout.adapters.db.tables.cutoff import cutoffs, runs
from rollout.adapters.db.tables.inventory import accounts, contacts, keys
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
from rollout.adapters.db.tables.usage import (
    feeds,
    key_usage,
    sightings,
    sources,
    usage_events,
    usage_files,
)

__all__ = [
    "accounts",
    "approvals",
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
    "key_usage",
    "keys",
    "leases",
    "metadata",
    "notices",
    "pauses",
    "runs",
    "schedules",
    "seals",
    "sightings",
    "sources",
    "stops",
    "usage_events",
    "usage_files",
]
