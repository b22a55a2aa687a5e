"""One person, one message: what is due to the same reader at the same time goes in one letter."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from rollout.services.ports import Letter
from rollout.services.ports.notice_ledger import Leased


@dataclass(frozen=True, slots=True)
class Bundle:
    """The notices that one letter tells one person. Each has its own row, and its own fate."""

    notices: tuple[Leased, ...]

    @property
    def lead(self) -> Leased:
        """Return the notice that the letter is named after: by Message-ID and return path."""
        named = self.notices[0].letter
        return next((n for n in self.notices if n.notice_id == named), self.notices[0])

    @property
    def required(self) -> bool:
        """Say whether it tells anything that its reader cannot do without."""
        return any(n.required for n in self.notices)

    def without(self, notice_ids: Collection[int]) -> Bundle:
        """Return what is left when some are not to be told."""
        return Bundle(tuple(n for n in self.notices if n.notice_id not in notice_ids))


@dataclass(frozen=True, slots=True)
class Sealed:
    """A bundle and the letter that tells it."""

    bundle: Bundle
    letter: Letter


def bundles(batch: Iterable[Leased]) -> Sequence[Bundle]:
    """Gather notices by reader. What was in one letter before is again, and nothing else is."""
    alike: dict[int | str, list[Leased]] = defaultdict(list)
    for leased in batch:
        alike[leased.letter or leased.email.lower()].append(leased)
    return [Bundle(tuple(sorted(each, key=lambda n: n.notice_id))) for each in alike.values()]
