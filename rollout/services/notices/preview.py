"""Show a message as an account would get it. The real thing, never committed, never sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from rollout.domain.errors import NotFound, Refused
from rollout.domain.notices import NOBODY_LEFT
from rollout.domain.notices.unsubscribe import NOBODY
from rollout.services.plan.dates import locked
from rollout.services.ports import Letter, Renderer, StartUnitOfWork, UnitOfWork
from rollout.services.ports.notices import NewNotice
from rollout.services.ports.plan import Enrollment


class NoticePreview:
    """Renders the notices of one account."""

    def __init__(self, start: StartUnitOfWork, renderer: Renderer) -> None:
        self._start = start
        self._renderer = renderer

    def preview(
        self, account_id: str, step: str, deprecation: str | None
    ) -> list[tuple[str, Letter]]:
        """Return the message of a step for each contact of an account, with the address."""
        self._renderer.refresh()
        with self._start() as uow:  # left without a commit: the rows are gone again
            enrollment = locked(uow, account_id, deprecation)[0]
            template, rows = _written(uow, enrollment, step)
            contexts = uow.notices.contexts(list(rows), uow.now())
        # Its link is to be seen, and must not switch anything off: a test message is clicked at.
        contexts = {id_: replace(of, contact_id=NOBODY) for id_, of in contexts.items()}
        return [
            (email, self._renderer.render(template, contexts[notice_id]))
            for notice_id, email in rows.items()
        ]


def _written(uow: UnitOfWork, enrollment: Enrollment, step: str) -> tuple[str, Mapping[int, str]]:
    """Write the notices of a step; return their template, and to whom they go."""
    if step == NOBODY_LEFT:
        uow.notices.tell_insiders([enrollment.enrollment_id])
        template, who = NOBODY_LEFT, "contact with the role `internal`"
        rows = uow.notices.addresses(enrollment.enrollment_id, step)
    else:
        document = uow.plan.deprecation(enrollment.deprecation)
        found = next((s for s in document.reminders if s.name == step), None)
        if found is None:
            known = ", ".join([*(s.name for s in document.reminders), NOBODY_LEFT])
            raise NotFound(f"{document.name} has no step {step!r} (known: {known})")
        preview = replace(found, name=f"preview of {found.name}")
        uow.notices.add([NewNotice(enrollment.enrollment_id, preview)])
        template, who = found.template, "contact"
        rows = uow.notices.addresses(enrollment.enrollment_id, preview.name)
    if not rows:
        raise Refused(
            f"account {enrollment.account_id} has no {who}: nobody would be written to",
            fix="bring one in with `rollout import contacts`",
        )
    return template, rows
