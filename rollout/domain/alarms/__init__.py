"""Alarms: what an operator must look at, because the rest depends on it and nobody else will.

rules      what is observed, and which alarms must stand by it
standing   what opens, what closes, and when an operator is told
"""

from rollout.domain.alarms.rules import AlarmKind, Blind, Lost, Paused, Seen, Trouble, troubles
from rollout.domain.alarms.standing import (
    STALE,
    Alarm,
    Alert,
    Changes,
    alert,
    changes,
    next_telling,
    told_long_ago,
)

__all__ = [
    "STALE",
    "Alarm",
    "AlarmKind",
    "Alert",
    "Blind",
    "Changes",
    "Lost",
    "Paused",
    "Seen",
    "Trouble",
    "alert",
    "changes",
    "next_telling",
    "told_long_ago",
    "troubles",
]
