"""A log is sent, not named: once, however often whoever sends it tries."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from rollout.domain.errors import Conflict, Refused
from rollout.services.ports import Log, StartUnitOfWork, UsageFeed
from rollout.services.ports.usage import ImportedFile
from rollout.services.usage.importing import UsageImport
from rollout.services.usage.tally import Tally


class Reused(Refused):
    """A name that was given to one log is given to another."""


@dataclass(frozen=True, slots=True)
class Uploaded:
    """What became of a log: its tally, or what was noted when it was taken in before."""

    tally: Tally | None = None
    before: ImportedFile | None = None


class UsageUploads:
    """Takes in logs that somebody sends."""

    def __init__(self, start: StartUnitOfWork, importing: UsageImport) -> None:
        self._start = start
        self._importing = importing

    def take_in(
        self,
        log: Log,
        digest: bytes,
        reader: UsageFeed,
        *,
        feed: str,
        operator: str,
        once: bool,
    ) -> Uploaded:
        """Take in a log whose SHA-256 is known; where its bytes came before, nothing is changed.

        With ``once``, its name is its sender's promise: raises ``Reused`` where another log came
        under it, and ``Conflict`` while one is being taken in. What was refused took no name.
        """
        with self._start() as uow:  # holds the name, until the import in its own has ended
            if once and not uow.usage.claim_name(log.name):
                raise Conflict("a request with the same key is under way", fix="try again later")
            files = uow.usage.find_files(digest, log.name if once else None)
            if before := _known(files, digest):
                return Uploaded(before=before)
            tally = self._importing.import_log(log, reader, feed=feed, operator=operator)
            if tally is None:  # somebody else has just sent the same
                return Uploaded(before=_known(uow.usage.find_files(digest, None), digest))
            return Uploaded(tally)


def _known(files: Iterable[ImportedFile], digest: bytes) -> ImportedFile | None:
    """Return the log with these bytes; whatever else was found, has the name."""
    same = None
    for file in files:
        if file.digest == digest:
            same = file
        else:
            raise Reused(
                "this key came with another body before",
                fix="give each body a key of its own, or none",
            )
    return same
