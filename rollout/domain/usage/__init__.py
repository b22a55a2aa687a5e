"""Usage: who still calls with a key, through what, and what we may conclude from it.

``sightings`` are the uses themselves, ``user_agents`` says what a program calls itself,
``endpoints`` what it called, and ``verdicts`` whether a key is in use, unused or unknown.
"""

from __future__ import annotations

from rollout.domain.usage.coverage import Coverage, Feed
from rollout.domain.usage.judging import History, Judgement, judge_usage
from rollout.domain.usage.rhythm import HOLIDAYS, Days
from rollout.domain.usage.sightings import (
    EVENT_BYTES,
    USE_BYTES,
    Caller,
    Sighting,
    Source,
    Uses,
    hour_of,
    mark,
)
from rollout.domain.usage.signatures import Named, Signature, SignatureKind, Signatures
from rollout.domain.usage.user_agent_kinds import UserAgentKind, kind_of_user_agent
from rollout.domain.usage.user_agents import normalise_user_agent
from rollout.domain.usage.verdicts import (
    USAGE_FRESH,
    USAGE_WINDOW,
    Usage,
    most_used,
)

__all__ = [
    "EVENT_BYTES",
    "HOLIDAYS",
    "USAGE_FRESH",
    "USAGE_WINDOW",
    "USE_BYTES",
    "Caller",
    "Coverage",
    "Days",
    "Feed",
    "History",
    "Judgement",
    "Named",
    "Sighting",
    "Signature",
    "SignatureKind",
    "Signatures",
    "Source",
    "Usage",
    "UserAgentKind",
    "Uses",
    "hour_of",
    "judge_usage",
    "kind_of_user_agent",
    "mark",
    "most_used",
    "normalise_user_agent",
]
