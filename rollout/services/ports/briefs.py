"""What the briefs of accounts ask of the database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from rollout.domain.notices.brief import Standing


@dataclass(frozen=True, slots=True)
class Told:
    """A person of an account, and the newest notice that has gone out to them."""

    deprecation: str
    email: str
    standing: Standing


class BriefRepository(Protocol):
    """Speaks inside one unit of work."""

    def standing(self, notice_id: int) -> Standing | None:
        """Return where the enrollment of a notice stands, or None if there is no such notice.

        It is that of the newest notice of the present date, if its reader has got one since.
        """
        ...

    def version(self, account_id: str) -> int | None:
        """Return which links of an account are the valid ones; None: there is no such account."""
        ...

    def told(self, account_id: str) -> Sequence[Told]:
        """Return the people of an account who were written to, about each deprecation."""
        ...

    def renew(self, account_id: str) -> int | None:
        """Make all links of an account void; return the new version, None: no such account."""
        ...
