"""How every fault test ends: each invariant holds, every fact is sealed, and the chain verifies."""

from __future__ import annotations

from sqlalchemy import Engine

from rollout.adapters.db.invariants import breaches
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.services.audit import Audit
from tests.support.database import rows
from tests.support.processes import wait_until

UNSEALED = "SELECT 1 FROM facts_unsealed LIMIT 1"


def assert_sound(engine: Engine) -> None:
    broken = [f"{breach.code}: {breach.subject}" for breach in breaches(engine)]
    assert not broken, "\n".join(broken)
    audit = Audit(lambda: SqlUnitOfWork(engine))
    wait_until(lambda: audit.seal() == 0 and not rows(engine, UNSEALED))  # workers seal as well
    report = audit.verify()
    assert report.intact, "\n".join(finding.message for finding in report.findings)
