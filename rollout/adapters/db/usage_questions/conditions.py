"""Which keys are meant, as SQL over keys ``k`` and their uses ``u``, as of ``:at`` if given."""

from __future__ import annotations

from typing import Any

from rollout.domain.plan import ANY_INTEGRATION
from rollout.services.ports.usage_questions import KeyFilter

# Which key was used by which integration, for all of them at once. Few sources are those of an
# integration, but the planner takes them for the many that a library has: it would read the sources
# and uses of everybody. OFFSET 0 makes it look them up, one integration after the other.
NAMED_USES = """
SELECT x.key_id, n.integration, x.first_seen, x.last_seen FROM (
  SELECT source_id, integration FROM sources WHERE integration IS NOT NULL
  UNION ALL
  SELECT s.source_id, c.integration FROM callers c CROSS JOIN LATERAL (
    SELECT source_id FROM sources s WHERE s.user_agent = c.user_agent AND s.integration IS NULL
    OFFSET 0) s WHERE c.integration IS NOT NULL
) n CROSS JOIN LATERAL (
  SELECT key_id, first_seen, last_seen FROM key_sources x WHERE x.source_id = n.source_id
  OFFSET 0) x
"""
SOURCES_OF = """
SELECT source_id FROM sources WHERE integration = :integration
UNION ALL
SELECT s.source_id FROM callers c JOIN sources s USING (user_agent)
 WHERE c.integration = :integration AND s.integration IS NULL
"""
_USED_BY = f"""
{{key}}.key_id IN (SELECT x.key_id FROM key_sources x WHERE x.source_id IN ({SOURCES_OF})
                    AND (CAST(:at AS timestamptz) IS NULL OR x.first_seen <= :at))
"""
_USED_BY_ANY = f"""
{{key}}.key_id IN (SELECT DISTINCT n.key_id FROM ({NAMED_USES}) n
                    WHERE CAST(:at AS timestamptz) IS NULL OR n.first_seen <= :at)
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
    used_by = _USED_BY_ANY if integration == ANY_INTEGRATION else _USED_BY
    return used_by.format(key=key)
