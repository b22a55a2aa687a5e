"""The SQL of questions about usage."""

from __future__ import annotations

from rollout.adapters.db.usage_questions.repository import SqlUsageQuestions

__all__ = ["SqlUsageQuestions"]
