"""Every error Rollout raises on purpose.

    RolloutError
    ├── BadInput        a file, a flag or a value cannot be used as it is
    │   └── BadRows     a file has rows that cannot be used; each is named
    ├── NotFound        no such account, key, cohort, deprecation …
    ├── Refused         a rule or a guard says no; nothing was changed
    │   └── Conflict    somebody else was first (a lost race); nothing was changed
    └── Unavailable     a server or file system we depend on does not answer

Each says what went wrong and, where there is a way out, what to do about it.
"""

from __future__ import annotations

from collections.abc import Sequence


class RolloutError(Exception):
    """The root. ``message`` says what and where; ``fix`` says how to get out of it."""

    def __init__(self, message: str, *, fix: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


class BadInput(RolloutError):
    """What was given cannot be used; nothing was changed."""


class BadRows(BadInput):
    """A file has rows that cannot be used. ``rows`` holds one sentence for each."""

    def __init__(self, message: str, rows: Sequence[str], *, fix: str | None = None) -> None:
        super().__init__(message, fix=fix)
        self.rows = tuple(rows)


class NotFound(RolloutError):
    """What was named does not exist."""


def no_account(account_id: str) -> NotFound:
    """Return what is said of an account that was named and does not exist."""
    return NotFound(
        f"there is no account {account_id!r}", fix="`rollout import accounts` brings accounts in"
    )


class Refused(RolloutError):
    """A rule says no; nothing was changed."""


class Conflict(Refused):
    """Somebody else was first; nothing was changed. An HTTP door answers 409."""


class Unavailable(RolloutError):
    """A server or a file system that we depend on does not answer."""
