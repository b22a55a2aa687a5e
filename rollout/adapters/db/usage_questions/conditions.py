"""Which keys are meant, as SQL over keys ``k`` and their uses ``u``, as of ``:at`` if given."""

from __future__ import annotations

from typing import Any

from rollout.domain.plan import ANY_INTEGRATION
from rollout.services.ports.usage_questions import KeyFilter

# The sources of all integrations with their names, and those of one. The view `named_sources` says
# the same, but is read from the sources of everybody, most of which are no integration.
NAMED = """
SELECT source_id, integration FROM sources WHERE integration IS NOT NULL
UNION ALL
SELECT s.source_id, c.integration FROM callers c JOIN sources s USING (user_agent)
 WHERE c.integration IS NOT NULL AND s.integration IS NULL
"""
SOURCES_OF = """
SELECT source_id FROM sources WHERE integration = :integration
UNION ALL
SELECT s.source_id FROM callers c JOIN sources s USING (user_agent)
 WHERE c.integration = :integration AND s.integration IS NULL
"""
_USED_BY = """
{key}.key_id IN (SELECT x.key_id FROM key_sources x WHERE x.source_id IN ({sources})
                    AND (CAST(:at AS timestamptz) IS NULL OR x.first_seen <= :at))
"""
_ENROLLED = """
EXISTS (SELECT FROM enrollments e WHERE e.account_id = k.account_id
           AND e.deprecation = :deprecation
           AND (CAST(:cohort AS text) IS NULL OR e.cohort = :cohort))
"""
_TIER = "EXISTS (SELECT FROM accounts a WHERE a.account_id = k.account_id AND a.tier = :tier)"
_UNREGISTERED = "NOT EXISTS (SELECT FROM keys r WHERE r.key_id = u.key_id)"


def conditions(which: KeyFilter) -> tuple[str, dict[str, Any]]:
    """Return a condition for what is given, and its values."""
    key = "k" if which.registered else "u"
    every = [
        (not which.registered, _UNREGISTERED),
        (which.active, "k.status = 'active'"),
        (which.kinds is not None, "k.kind = ANY(:kinds)"),
        (which.other_than_kinds is not None, "k.kind <> ALL(:other_than_kinds)"),
        (which.deprecation is not None, _ENROLLED),
        (which.tier is not None, _TIER),
        (which.integration is not None, _used_by(which.integration, key)),
        (which.prefix is not None, f"starts_with({key}.key_id, :prefix)"),
        (which.used_since is not None, "u.last_seen >= :used_since"),
        (
            which.not_used_since is not None,
            "(u.last_seen <= :not_used_since OR u.last_seen IS NULL)",
        ),
    ]
    values = {
        "kinds": sorted(which.kinds or ()),
        "other_than_kinds": sorted(which.other_than_kinds or ()),
        "deprecation": which.deprecation,
        "cohort": which.cohort,
        "tier": which.tier,
        "integration": which.integration,
        "prefix": which.prefix,
        "used_since": which.used_since,
        "not_used_since": which.not_used_since,
    }
    return " AND ".join(["true", *(sql for given, sql in every if given)]), values


def _used_by(integration: str | None, key: str) -> str:
    anys = f"SELECT named.source_id FROM ({NAMED}) named"
    sources = anys if integration == ANY_INTEGRATION else SOURCES_OF
    return _USED_BY.format(key=key, sources=sources)
