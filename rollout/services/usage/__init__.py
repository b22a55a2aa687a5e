"""Usage: who still calls with a key, and through what.

``importing`` takes in logs, ``counting`` counts what they hold by caller and hour, and ``tally``
says what became of each record. ``naming`` gives those who call their names. ``service`` adopts
the keys that logs name. ``questions`` says who still uses what.
"""

from __future__ import annotations

from rollout.services.usage.importing import Imported, UsageImport
from rollout.services.usage.naming import CallerNaming
from rollout.services.usage.retention import UsageRetention
from rollout.services.usage.service import Discovery, UsageService
from rollout.services.usage.tally import Tally

__all__ = [
    "CallerNaming",
    "Discovery",
    "Imported",
    "Tally",
    "UsageImport",
    "UsageRetention",
    "UsageService",
]
