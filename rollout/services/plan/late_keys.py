"""Keys that come after their account was cut: its date has passed, so they are due at once."""

from __future__ import annotations

from rollout.domain.audit import ROLLOUT, Fact
from rollout.services.ports import UnitOfWork


def reopen(uow: UnitOfWork) -> None:
    """Make the cutoff look again at accounts that were cut and have live keys since."""
    uow.audit.append(
        [
            Fact(
                ROLLOUT,
                "account.reopened",
                f"account:{account_id}",
                "keys have come in after its cutoff",
                {"deprecation": deprecation},
            )
            for deprecation, account_id in uow.plan.reopen()
        ]
    )
