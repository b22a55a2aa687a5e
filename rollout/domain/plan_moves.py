"""Which dates an edit of the file moves: from when to when, whose, and why."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from rollout.domain.calendar import Deadline
from rollout.domain.plan import Deprecation

EXAMPLES = 5  # accounts that are named; the others are counted


@dataclass(slots=True)
class Move:
    """Accounts that go from one date to another for one reason; or keep it, in another cohort."""

    before: datetime
    after: datetime
    because: str
    accounts: int = 0
    examples: list[str] = field(default_factory=list)  # the first few

    @property
    def kind(self) -> tuple[datetime, datetime, str]:
        """What the accounts have in common."""
        return self.before, self.after, self.because

    def add(self, account_id: str) -> None:
        """Count an account."""
        self.accounts += 1
        if len(self.examples) < EXAMPLES:
            self.examples.append(account_id)


class Edits:
    """A file as it is applied and as it is to be: what in it moves a date."""

    def __init__(self, applied: Deprecation | None, edited: Deprecation) -> None:
        self._before = {} if applied is None else _dates(applied)
        self._after = _dates(edited)
        self._calendar = applied is not None and applied.calendar != edited.calendar

    def move(self, left: str, before: datetime, cohort: str, deadline: Deadline) -> Move:
        """Return a move, of nobody yet: out of the cohort ``left``, to a deadline in ``cohort``."""
        if before == deadline.instant:
            return Move(before, before, f"{left} has left the file")
        reason = self._reason(left, cohort)
        moves = "; ".join(deadline.moves)
        return Move(before, deadline.instant, f"{reason} ({moves})" if moves else reason)

    def _reason(self, left: str, cohort: str) -> str:
        before, after = self._before.get(cohort), self._after[cohort]
        if left != cohort:
            return f"{left} has left the file, and the date of {cohort} is {after}"
        if before is None:
            return f"its date in the file is {after}"
        if before != after:
            return f"its date in the file was {before} and is {after}"
        if self._calendar:
            return "the calendar in the file has changed"
        return "the account's time zone, or a holiday, has changed"


def _dates(deprecation: Deprecation) -> dict[str, str]:
    """Return each cohort's date as the file may have it."""
    return {cohort.name: _written(cohort.date) for cohort in deprecation.cohorts}


def _written(when: date | datetime) -> str:
    return when.isoformat().replace("+00:00", "Z")
