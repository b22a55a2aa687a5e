"""How many letters a domain gets, agreed upon by all workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Protocol

from rollout.domain.notices.rates import Rate


@dataclass(frozen=True, slots=True)
class Wanted:
    """So many letters for one domain, and our own limit for it if there is one."""

    letters: int
    limit: Rate | None = None


@dataclass(frozen=True, slots=True)
class Allowance:
    """How many of them may go now, and when the others should ask again."""

    letters: int
    wait: timedelta = timedelta(0)  # until the first of the others
    between: timedelta = timedelta(0)  # from each of them to the next
    paused: bool = False  # none, because the domain has asked for less
    slowed: bool = False  # it has asked for less lately: tell if it takes one


class SendRates(Protocol):
    """Domains are as ``domain_of`` writes them. Nothing here raises, or keeps a sender for long."""

    def ask(self, wanted: Mapping[str, Wanted]) -> Mapping[str, Allowance]:
        """Allow letters to each of these domains; what is allowed counts as sent.

        Those that are too many are told times at which it is likely to be their turn. They ask
        again then, as all do.
        """
        ...

    def pause(self, domain: str) -> None:
        """Note that a domain has asked for less: for a while it gets nothing, from anybody.

        Each time in a row, that is twice as long; while it lasts, to ask for less is nothing new.
        """
        ...

    def resume(self, domain: str) -> None:
        """Note that a domain has taken a letter after its pause, so that the row is broken."""
        ...
