"""The SQL of the inventory stage: files come in by COPY, beside the register, and are merged.

Statements work on whole sets. No row is locked that does not change, so an import does not stand
in the way of a cutoff.
"""

from __future__ import annotations

from collections.abc import Iterable
from operator import attrgetter

from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from rollout.adapters.db.copy import copy_rows
from rollout.adapters.db.inventory_merge import MERGES
from rollout.domain.errors import Conflict
from rollout.domain.inventory_rows import Entry, Problem, Register
from rollout.services.ports.inventory import Merged

# Any fixed number: two imports at once would wait for each other's rows crosswise.
IMPORT_LOCK = 0x496D7074


class SqlInventory:
    """Implements ``services.ports.inventory`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def stage(self, register: Register, entries: Iterable[tuple[int, Entry]]) -> int:
        """Take entries in beside the register, each with its line; return how many.

        Raises ``Conflict`` while another import is running.
        """
        merge = MERGES[register]
        if not self._connection.execute(
            text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": IMPORT_LOCK}
        ).scalar_one():
            raise Conflict("another import is running", fix="start this one when it has ended")
        self._connection.execute(
            text(
                "CREATE TEMPORARY TABLE incoming ON COMMIT DROP AS SELECT 0::bigint AS line,"
                f" NULL::text AS field, NULL::text AS reason, {', '.join(merge.columns)}"
                f" FROM {register} WITH NO DATA"
            )
        )
        values = attrgetter(*merge.columns)
        count = copy_rows(
            self._connection,
            "incoming",
            ("line", *merge.columns),
            ((line, *values(entry)) for line, entry in entries),
        )
        self._connection.execute(text("ANALYZE incoming"))
        return count

    def reject(self, register: Register, limit: int) -> list[Problem]:
        """Remove the staged entries that the register cannot take; say why, of up to ``limit``."""
        for refusal in MERGES[register].refusals:
            self._connection.execute(text(refusal))
        rows = self._connection.execute(
            text(
                "SELECT line, field, reason FROM incoming WHERE reason IS NOT NULL"
                " ORDER BY line LIMIT :limit"
            ),
            {"limit": limit},
        )
        problems = [Problem(*row) for row in rows]
        self._connection.execute(text("DELETE FROM incoming WHERE reason IS NOT NULL"))
        return problems

    def merge(self, register: Register) -> Merged:
        """Write the staged entries into the register. Those that say nothing new change nothing.

        Raises ``Conflict`` when somebody else adds one of them at the same moment.
        """
        merge = MERGES[register]
        try:
            changed = self._connection.execute(text(merge.update)).rowcount
            new = self._connection.execute(text(merge.insert)).rowcount
        except IntegrityError as error:  # a key was discovered in a log at the same moment
            raise Conflict(
                f"somebody else added to the {register} meanwhile; nothing was changed",
                fix="import the file again",
            ) from error
        return Merged(new=new, changed=changed)
