"""Usage: who still calls with a key, through what, and what we may conclude from it.

``sightings`` are the uses themselves, ``user_agents`` says what a program calls itself, and
``verdicts`` whether a key is in use, unused or unknown.
"""

from __future__ import annotations

from rollout.domain.usage.sightings import HourlyUse, Sighting, Source, hour_of
from rollout.domain.usage.user_agents import normalise_user_agent
from rollout.domain.usage.verdicts import (
    USAGE_FRESH,
    USAGE_WINDOW,
    Coverage,
    Usage,
    judge_usage,
)

__all__ = [
    "USAGE_FRESH",
    "USAGE_WINDOW",
    "Coverage",
    "HourlyUse",
    "Sighting",
    "Source",
    "Usage",
    "hour_of",
    "judge_usage",
    "normalise_user_agent",
]
