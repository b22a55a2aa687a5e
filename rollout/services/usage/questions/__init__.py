"""Questions about usage: who still uses keys, through what, and how many are left.

``view`` says as of when and by which rules usage is judged; ``keys``, ``summary``, ``callers``,
``sources``, ``endpoints`` and ``burn_down`` answer, ``trend`` says whether calls have grown;
``service`` is the door to them.
"""

from __future__ import annotations

from rollout.services.usage.questions.burn_down import BurnDown, Explanation
from rollout.services.usage.questions.callers import (
    AccountUse,
    CallerUse,
    Customer,
    IntegrationUse,
    OwnKeyUse,
)
from rollout.services.usage.questions.keys import KeyUse
from rollout.services.usage.questions.service import UsageQuestions
from rollout.services.usage.questions.sources import Sources
from rollout.services.usage.questions.summary import KeyCounts, Summary
from rollout.services.usage.questions.trend import Calls

__all__ = [
    "AccountUse",
    "BurnDown",
    "CallerUse",
    "Calls",
    "Customer",
    "Explanation",
    "IntegrationUse",
    "KeyCounts",
    "KeyUse",
    "OwnKeyUse",
    "Sources",
    "Summary",
    "UsageQuestions",
]
