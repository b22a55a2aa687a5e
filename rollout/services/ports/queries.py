"""Read models: rows as the command line and, later, the pages show them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Protocol

Row = Mapping[str, Any]


class Queries(Protocol):
    """Reads outside of any unit of work; what it returns may be a moment old."""

    def account(self, account_id: str) -> Row:
        """Return everything known about an account, or raise ``NotFound``."""
        ...

    def mail_reports(
        self, *, unmatched: bool, kind: str | None, account_id: str | None, limit: int | None
    ) -> Iterator[Row]:
        """Yield what came back by mail, the newest first: all that fit, or ``limit`` of them."""
        ...

    def mail_report(self, report_id: int) -> Row:
        """Return one report with its mail, or raise ``NotFound``."""
        ...
