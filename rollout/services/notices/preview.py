"""Show a message as an account would get it. The real thing, never committed, never sent."""

from __future__ import annotations

from dataclasses import replace

from rollout.domain.errors import NotFound, Refused
from rollout.domain.notices.unsubscribe import NOBODY
from rollout.services.plan.dates import locked
from rollout.services.ports import Letter, Renderer, StartUnitOfWork
from rollout.services.ports.notices import NewNotice


class NoticePreview:
    """Renders the notices of one account."""

    def __init__(self, start: StartUnitOfWork, renderer: Renderer) -> None:
        self._start = start
        self._renderer = renderer

    def preview(
        self, account_id: str, step: str, deprecation: str | None
    ) -> list[tuple[str, Letter]]:
        """Return the message of a step for each contact of an account, with the address."""
        with self._start() as uow:  # left without a commit: the rows are gone again
            enrollment = locked(uow, account_id, deprecation)[0]
            document = uow.plan.deprecation(enrollment.deprecation)
            found = next((s for s in document.reminders if s.name == step), None)
            if found is None:
                known = ", ".join(s.name for s in document.reminders)
                raise NotFound(f"{document.name} has no step {step!r} (known: {known})")
            preview = replace(found, name=f"preview of {found.name}")
            uow.notices.add([NewNotice(enrollment.enrollment_id, preview)])
            rows = uow.notices.addresses(enrollment.enrollment_id, preview.name)
            if not rows:
                raise Refused(f"account {account_id} has no contact: nobody would be written to")
            contexts = uow.notices.contexts(list(rows), uow.now())
        # Its link is to be seen, and must not switch anything off: a test message is clicked at.
        contexts = {id_: replace(of, contact_id=NOBODY) for id_, of in contexts.items()}
        return [
            (email, self._renderer.render(found.template, contexts[notice_id]))
            for notice_id, email in rows.items()
        ]
