"""Questions about usage: who still uses keys, through what, and how many are left.

``view`` says as of when and by which rules usage is judged; ``keys``, ``summary``, ``callers``,
``sources`` and ``burn_down`` answer; ``service`` is the door to them.
"""

from __future__ import annotations

from rollout.services.usage.questions.burn_down import BurnDown, Explanation
from rollout.services.usage.questions.callers import (
    ACCOUNT_TREND,
    AccountUse,
    Customer,
    IntegrationUse,
    OwnKeyUse,
    change,
)
from rollout.services.usage.questions.keys import KeyUse
from rollout.services.usage.questions.service import UsageQuestions
from rollout.services.usage.questions.sources import Sources
from rollout.services.usage.questions.summary import KeyCounts, Summary

__all__ = [
    "ACCOUNT_TREND",
    "AccountUse",
    "BurnDown",
    "Customer",
    "Explanation",
    "IntegrationUse",
    "KeyCounts",
    "KeyUse",
    "OwnKeyUse",
    "Sources",
    "Summary",
    "UsageQuestions",
    "change",
]
