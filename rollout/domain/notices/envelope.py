"""What a letter bears on its way, so that whatever comes back names its notice."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from rollout.domain.keyed_ids import KeyedIds
from rollout.domain.notices.return_path import ReturnPaths


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is told to mail servers, and not to the reader."""

    name: str  # of the notice: repeated by those that report on it
    return_path: str | None = None  # to which bounces come back; None: to the sender
    confirm: bool = False  # ask for a report also of its arrival


@dataclass(frozen=True, slots=True)
class Envelopes:
    """Makes envelopes, and reads what comes back of them. Nobody makes up a name: it is keyed."""

    key: bytes = field(repr=False)
    bounce_domain: str | None = None

    def of(self, notice_id: int, *, confirm: bool = False) -> Envelope:
        """Return the envelope in which a notice is sent."""
        paths = self._return_paths
        path = paths.of(notice_id) if paths else None
        return Envelope(self._names.of(notice_id), path, confirm)

    def notice(self, returned_to: Sequence[str], names: Sequence[str]) -> int | None:
        """Return the notice that the first genuine address or name tells, or None."""
        paths = self._return_paths
        found = paths.notice(returned_to) if paths else None
        if found is not None:
            return found
        read = (self._names.read(name.lower()) for name in names)
        return next((notice_id for notice_id in read if notice_id is not None), None)

    @property
    def _names(self) -> KeyedIds:
        return KeyedIds(self.key, "envelope")

    @property
    def _return_paths(self) -> ReturnPaths | None:
        return ReturnPaths(self.bounce_domain, self.key) if self.bounce_domain else None
