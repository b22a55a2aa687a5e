"""The report at the end of the demo, and whether it may exit with 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from sqlalchemy import text

from rollout.adapters.doctor import Health, examine_invariants
from rollout.cli.demo.clients import Caller
from rollout.cli.demo.play import Play
from rollout.cli.output import printable

PEOPLE = "SELECT count(DISTINCT contact_id) FROM notices WHERE state = 'delivered'"
HELD = """
SELECT e.account_id, h.reason FROM holds h JOIN enrollments e USING (enrollment_id)
 WHERE h.closed_at IS NULL ORDER BY e.account_id
"""
EXTENDED = """
SELECT e.account_id, s.reason, s.deadline, before.deadline AS before
  FROM schedules s JOIN enrollments e USING (enrollment_id)
  JOIN schedules before ON before.enrollment_id = s.enrollment_id
       AND before.schedule_version = s.schedule_version - 1
 WHERE s.cause = 'extend' ORDER BY e.account_id
"""
DEADLINES = """
SELECT k.key_id, max(c.cut_at) AS cut_at, max(c.deadline) AS deadline
  FROM keys k JOIN cutoffs c USING (key_id) GROUP BY k.key_id
"""


@dataclass(slots=True)
class Report:
    """What happened, and what must not have."""

    play: Play

    def show(self, console: Console) -> bool:
        """Print the report; say whether everything is as it must be."""
        told = self._counts("SELECT state, count(*) FROM notices GROUP BY state")
        people = self._one(
            "SELECT count(DISTINCT contact_id) FROM notices WHERE state = 'delivered'"
        )
        keys = self._counts("SELECT status, count(*) FROM keys WHERE kind = 'rest' GROUP BY status")
        held = self._rows(HELD)
        checks = self._checks()
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(style="bold")
        table.add_column()
        table.add_row(
            "reminded",
            f"{people} people, {told['delivered'] + told['sent']} messages,"
            f" {told['bounced']} bounced",
        )
        extended = self._rows(EXTENDED)
        for row in extended:
            table.add_row("extended", escape(printable(_extended(row))))
        table.add_row("cut", f"{keys['disabled']} of {keys.total()} keys")
        for row in held:
            table.add_row("held", escape(printable(f"{row['account_id']}: {row['reason']}")))
        table.add_row("still calling", _still_calling(self.play.clients.callers))
        for name, good, detail in checks:
            mark = "[green]yes[/]" if good else "[bold red]NO[/]"
            table.add_row(name, f"{mark}  {escape(printable(detail))}")
        console.print()
        console.print(table)
        planned = bool(extended) and self._as_planned(held, keys)
        return all(good for _, good, _ in checks) and planned

    def _checks(self) -> list[tuple[str, bool, str]]:
        audit = self.play.stage.rollout.audit
        while audit.seal():
            pass
        chain = audit.verify()
        findings = list(examine_invariants(self.play.stage.rollout.engine))
        broken = [f"{f.subject} {f.detail}" for f in findings if f.health is not Health.OK]
        early, seen = self._early()
        mobile = [c for c in self.play.clients.callers if c.key.kind != "rest"]
        calls = sum(c.passed + c.refused for c in mobile)
        refused_mobile = sum(c.refused for c in mobile)
        touched = self._one("SELECT count(*) FROM keys WHERE kind <> 'rest' AND status <> 'active'")
        explained = all(c.explained for c in self.play.clients.callers)
        return [
            ("0 early", early == 0, f"{early} of {seen} callers were refused before their date"),
            (
                "0 mobile",
                refused_mobile == 0 and touched == 0,
                f"{touched} keys touched, {refused_mobile} of {calls} calls refused",
            ),
            ("every 401 explained", explained, "why, since when, and what replaces the key"),
            ("chain verified", chain.intact, f"{chain.sealed} facts, {chain.broken} broken"),
            (
                "invariants hold",
                not broken,
                "; ".join(broken) or f"all {len(findings)} of them",
            ),
        ]

    def _early(self) -> tuple[int, int]:
        cut = {row["key_id"]: row for row in self._rows(DEADLINES)}
        refused = [c for c in self.play.clients.callers if c.first_refused is not None]
        early = [c for c in refused if _before_its_date(c, cut.get(c.key.key_id))]
        return len(early), len(refused)

    def _as_planned(self, held: list[dict[str, Any]], keys: Counter[str]) -> bool:
        """Say whether there was anything to see: keys cut, two accounts held, callers refused."""
        refused = any(c.refused for c in self.play.clients.callers)
        return keys["disabled"] > 0 and len(held) == 2 and refused  # noqa: PLR2004 - held, unreachable

    def _rows(self, query: str) -> list[dict[str, Any]]:
        with self.play.stage.rollout.engine.connect() as connection:
            return [dict(row) for row in connection.execute(text(query)).mappings()]

    def _one(self, query: str) -> int:
        return int(next(iter(self._rows(query)[0].values())))

    def _counts(self, query: str) -> Counter[str]:
        return Counter({str(a): int(b) for a, b in (row.values() for row in self._rows(query))})


def _before_its_date(caller: Caller, cut: dict[str, Any] | None) -> bool:
    """Say whether a caller was refused early; without a cutoff, any refusal is."""
    if caller.first_refused is None:
        return False
    return cut is None or caller.first_refused < cut["deadline"]


def _extended(row: dict[str, Any]) -> str:
    more = (row["deadline"] - row["before"]).total_seconds()
    until = f"{row['deadline'].astimezone(UTC):%H:%M:%S} UTC"
    return f"{row['account_id']}: {row['reason']}; {more:.0f} s more, until {until}"


def _still_calling(callers: Sequence[Caller]) -> str:
    refused = Counter(c.name for c in callers if c.refused)
    calls = sum(c.refused for c in callers)
    through = ", ".join(f"{name} ({count})" for name, count in refused.most_common())
    return f"{refused.total()} keys, {calls} calls refused, through {through or 'nothing'}"
