"""What is called of late, with all keys, with those of one account, or with one."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta

from rollout.domain.errors import NotFound
from rollout.services.ports import StartUnitOfWork
from rollout.services.ports.usage_questions import EndpointRow

OF_LATE = timedelta(days=30)  # by days of UTC, the day of today included


def endpoints(
    start: StartUnitOfWork, *, account_id: str | None, key_id: str | None
) -> Iterator[EndpointRow]:
    """Read what was called; raise ``NotFound`` for what is not there before the first."""
    with start() as uow:
        after = (uow.now() - OF_LATE).date()
        if account_id is not None:
            uow.usage_questions.account_keys(account_id, uow.now())
        if key_id is not None and not uow.usage_questions.key_exists(key_id):
            raise NotFound(
                "no key of this id is registered, and none was ever used",
                fix="`rollout usage keys` lists those that are; --unregistered, those that were",
            )
    return _rows(start, after, account_id, key_id)


def _rows(
    start: StartUnitOfWork, after: date, account_id: str | None, key_id: str | None
) -> Iterator[EndpointRow]:
    with start() as uow:
        yield from uow.usage_questions.endpoints(after, account_id=account_id, key_id=key_id)
