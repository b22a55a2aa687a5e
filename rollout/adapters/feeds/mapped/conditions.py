"""What must hold for a record: which ones count, and which ones were refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rollout.adapters.feeds.mapped.sources import Record, Source

Condition = Callable[[Record], bool]
REFUSALS = frozenset({"401", "403"})


@dataclass(frozen=True, slots=True)
class Among:
    """A text is one of a few words."""

    source: Source
    words: frozenset[str]

    def __call__(self, record: Record) -> bool:
        """Say whether it holds."""
        return self.source(record) in self.words


@dataclass(frozen=True, slots=True)
class NotAmong:
    """A text is none of a few words; also where it is not there."""

    source: Source
    words: frozenset[str]

    def __call__(self, record: Record) -> bool:
        """Say whether it holds."""
        return self.source(record) not in self.words


@dataclass(frozen=True, slots=True)
class Present:
    """A text is there, or is not."""

    source: Source
    wanted: bool = True

    def __call__(self, record: Record) -> bool:
        """Say whether it holds."""
        return bool(self.source(record)) is self.wanted


@dataclass(frozen=True, slots=True)
class Refusal:
    """An HTTP status says that the caller was not let in; ``403.0`` is a status, too."""

    source: Source

    def __call__(self, record: Record) -> bool:
        """Say whether it holds."""
        return self.source(record).removesuffix(".0") in REFUSALS


@dataclass(frozen=True, slots=True)
class AllOf:
    """All of several conditions hold; of none, too."""

    conditions: tuple[Condition, ...]

    def __call__(self, record: Record) -> bool:
        """Say whether it holds."""
        return all(condition(record) for condition in self.conditions)


@dataclass(frozen=True, slots=True)
class AnyOf:
    """At least one of several conditions holds; of none, none does."""

    conditions: tuple[Condition, ...]

    def __call__(self, record: Record) -> bool:
        """Say whether it holds."""
        return any(condition(record) for condition in self.conditions)
