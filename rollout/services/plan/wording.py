"""Would every message of a plan find what it names, for every account? Asked before any is due."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from rollout.domain.errors import BadInput
from rollout.domain.notices import NoticeContext
from rollout.domain.plan import Deprecation, Step
from rollout.services.ports import Letter, Renderer, UnitOfWork

BATCH = 500  # accounts that are read at once


class Wording:
    """Renders the steps of a plan on trial."""

    def __init__(self, renderer: Renderer, samples: Callable[[], Iterable[NoticeContext]]) -> None:
        """Take the renderer, and invented readers of every kind there is."""
        self._renderer = renderer
        self._samples = samples

    def templates(self) -> Collection[str]:
        """Return the names of the templates now; raise ``BadInput`` if one lacks a part."""
        self._renderer.refresh()
        return self._renderer.templates()

    def problems(self, uow: UnitOfWork, deprecation: Deprecation) -> list[str]:
        """Return a sentence for each step that cannot be written, and one account that it concerns.

        What can be said to every invented reader can be said to anybody: real accounts are read
        only where there is a doubt. Raises ``BadInput`` for an unusable catalogue.
        """
        self._renderer.languages()
        samples = list(self._samples())
        problems = [fault for sample in samples[:1] if (fault := self._not_together(sample))]
        doubtful = []
        for step in deprecation.reminders:
            faults = [fault for sample in samples if (fault := self._fault(step, sample))]
            if len(faults) == len(samples):
                problems.append(f"step {step.name} cannot be written: {faults[0]}")
            elif faults:
                doubtful.append(step)
        return problems + self._unwritable(uow, deprecation, doubtful)

    def _unwritable(
        self, uow: UnitOfWork, deprecation: Deprecation, doubtful: list[Step]
    ) -> list[str]:
        """Return a sentence for each of the steps that some real account cannot be told."""
        found: dict[str, str] = {}
        readers = _readers(uow, deprecation) if doubtful else iter(())
        for reader in readers:
            for step in doubtful:
                due = replace(reader, deadline=reader.now - step.offset)
                if step.name not in found and (fault := self._fault(step, due)):
                    whom = f"account {reader.account_id}"
                    found[step.name] = f"step {step.name} cannot be written to {whom}: {fault}"
            if len(found) == len(doubtful):
                break
        return list(found.values())

    def _not_together(self, reader: NoticeContext) -> str | None:
        """Say why several letters cannot be put into one, or None."""
        letter = Letter("one of several", "its text", "<body>its text</body>")
        try:
            self._renderer.together([letter, letter], reader.locale)
        except BadInput as error:
            return f"several messages to one person cannot be put into one letter: {error.message}"
        return None

    def _fault(self, step: Step, reader: NoticeContext) -> str | None:
        try:
            self._renderer.render(step.template, reader)
        except BadInput as error:
            return error.message
        return None


def _readers(uow: UnitOfWork, deprecation: Deprecation) -> Iterator[NoticeContext]:
    """Yield everybody who would be written to, as of today."""
    now = uow.now()
    accounts = (
        member.candidate.account_id
        for member in uow.plan.members(deprecation, now)
        if member.enrolled is None or member.enrolled.state == "scheduled"
    )
    while batch := list(islice(accounts, BATCH)):
        yield from uow.plan.readers(deprecation, batch, now)
