"""As of when, and by which rules, usage is judged."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollout.domain.plan import Guards
from rollout.domain.usage import (
    USAGE_FRESH,
    USAGE_WINDOW,
    Coverage,
    History,
    Judgement,
    judge_usage,
)
from rollout.services.ports import UnitOfWork


@dataclass(frozen=True, slots=True)
class View:
    """``at`` is an instant that was asked for: uses after it do not count; None: now."""

    at: datetime | None
    now: datetime
    coverage: Coverage
    window: timedelta
    fresh: timedelta

    def judge(self, history: History) -> Judgement:
        """Say whether a key is in use, unused or unknown."""
        return judge_usage(
            history, self.coverage, now=self.now, window=self.window, fresh=self.fresh
        )

    def describe(self) -> Sequence[str]:
        """Say in sentences what the verdicts rest on."""
        return self.coverage.describe(self.now, self.fresh)


def view(
    uow: UnitOfWork,
    *,
    at: datetime | None = None,
    guards: Guards | None = None,
    window: timedelta | None = None,
) -> View:
    """Judge by the guards of a deprecation, where one is asked about."""
    usual = guards.usage_window if guards else USAGE_WINDOW
    fresh = guards.usage_fresh if guards else USAGE_FRESH
    now = uow.now()
    coverage = uow.usage_questions.coverage(at)
    return View(at, at or now, coverage, usual if window is None else window, fresh)
