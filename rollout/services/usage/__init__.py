"""Usage: who still calls with a key, and through what.

``service`` imports logs, adopts the keys they name, and lists keys and sources; ``counting`` makes
sightings per hour of readings; ``tally`` says what became of each record.
"""

from __future__ import annotations

from rollout.services.usage.service import Discovery, KeyUse, UsageService
from rollout.services.usage.tally import Tally

__all__ = ["Discovery", "KeyUse", "Tally", "UsageService"]
