"""Enforcement: carry what the truth says of each key to where gateways look.

Nothing here decides. The order of versions makes every write safe to repeat, to race and to lose:
a lost one is still unenforced, and an emptied store is copied anew.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, datetime, time

from rollout.domain.gateway import Record, Retirement
from rollout.domain.inventory import KeyStatus
from rollout.domain.plan import Deprecation
from rollout.services.ports.enforcement import EnforcedKey, SetDate
from rollout.services.ports.unit_of_work import StartUnitOfWork, UnitOfWork
from rollout.services.ports.verdicts import Sync, VerdictStore


class Enforcement:
    """The relay from PostgreSQL to the verdict store, and the way around it."""

    def __init__(self, start: StartUnitOfWork, store: VerdictStore) -> None:
        self._start = start
        self._store = store

    def enforce(self, limit: int = 1000) -> int:
        """Write up to ``limit`` changed keys, and as many of a sync if one is under way.

        Return how many were handled; 0 means that the store says what the truth says.
        """
        # The store is asked first: while it does not answer, no row is locked.
        sync = self._store.unfinished_sync()
        handled = self._write_changed(limit)
        return handled if sync is None else handled + self._continue(sync, limit)

    def enforce_now(self, key_ids: Sequence[str]) -> None:
        """Write these keys at once, ahead of whatever is waiting: a person waits for them."""
        with self._start() as uow:
            keys = [key for key_id in key_ids if (key := uow.enforcement.key(key_id))]
            self._store.write(_records(uow, keys))

    def look_up(self, key_id: str) -> Record | None:
        """Return what the truth says of a key, for when the store does not say it."""
        with self._start() as uow:
            key = uow.enforcement.key(key_id)
            return next(iter(_records(uow, [key])), None) if key else None

    def _write_changed(self, limit: int) -> int:
        with self._start() as uow:
            keys = uow.enforcement.claim_unenforced(limit)
            if not keys:
                return 0
            self._store.write(_records(uow, keys))
            uow.enforcement.mark_enforced(keys)
            uow.commit()
        return len(keys)

    def _continue(self, sync: Sync, limit: int) -> int:
        with self._start() as uow:
            keys = uow.enforcement.keys_after(sync.cursor, limit)
            records = _records(uow, keys)
        self._store.write(records)
        if len(keys) == limit:
            self._store.advance(sync, keys[-1].key_id)
        else:
            self._store.finish(sync)
        return len(keys)


def _records(uow: UnitOfWork, keys: Sequence[EnforcedKey]) -> list[Record]:
    """Build the records of keys that were read before: dates are then never older than the key."""
    dates: dict[str, list[SetDate]] = {}
    for date in uow.enforcement.dates(sorted({key.account_id for key in keys})):
        dates.setdefault(date.account_id, []).append(date)
    names = {date.deprecation for of_account in dates.values() for date in of_account}
    deprecations = {name: uow.plan.deprecation(name) for name in names}
    return [
        Record(
            key_id=key.key_id,
            account_id=key.account_id,
            status=key.status,
            version=key.version,
            hint=key.hint,
            secret_digest=key.secret_digest,
            disabled_at=key.disabled_at,
            retirement=_retirement(key, dates.get(key.account_id, ()), deprecations),
        )
        for key in keys
        if key.secret_digest is not None
    ]


def _retirement(
    key: EnforcedKey, dates: Iterable[SetDate], deprecations: Mapping[str, Deprecation]
) -> Retirement | None:
    is_off = key.status is not KeyStatus.ACTIVE
    for date in dates:
        deprecation = deprecations[date.deprecation]
        if key.kind in deprecation.kinds and date.cut == is_off:
            return Retirement(
                title=deprecation.title,
                deprecated_at=datetime.combine(deprecation.announced, time.min, UTC),
                sunset=date.deadline,
                guide_url=deprecation.guide_url,
                replacement_title=deprecation.replacement.title,
                replacement_url=deprecation.replacement.url,
            )
    return None
