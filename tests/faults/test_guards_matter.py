"""Take one guard out, and the checker says which invariant is broken; leave it in, and none is."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Self

import pytest
from sqlalchemy import Engine

from rollout.adapters.db.audit import SqlAudit
from rollout.adapters.db.cutoff import SqlCutoff
from rollout.adapters.db.invariants import breaches
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.holidays import holiday_finder
from rollout.domain.audit import Fact
from rollout.domain.cutoff import Case, Promise
from rollout.services.cutoff.sweep import CutoffSweep
from rollout.services.plan.guards import PlanGuards
from tests.support.crowd import COHORTS, gather
from tests.support.database import run, shift_clock

pytestmark = pytest.mark.fault


class PassesOverPauses(SqlCutoff):
    def due(self) -> Mapping[str, Sequence[str]]:
        return {"api-keys": [f"c{nth}" for nth in range(COHORTS)]}

    def lock_running(self, _deprecation: str, cohorts: Sequence[str]) -> Sequence[str]:
        return cohorts


class Claims(SqlCutoff):
    """Claims as it should, and then makes something else of a case."""

    def make_of(self, case: Case) -> Case | None:
        raise NotImplementedError

    def claim(self, *asked: Any) -> Sequence[Case]:
        cases = super().claim(*asked)
        return [made for case in cases if (made := self.make_of(case)) is not None]


class PassesOverHolds(Claims):
    def make_of(self, case: Case) -> Case:
        return replace(case, operator_hold=None)


class BelievesThatEverybodyWasTold(Claims):
    def make_of(self, case: Case) -> Case:
        told = Promise(case.deadline, case.deadline - timedelta(days=60), contacts=1)
        return replace(case, promises=(told,))


class ForgetsSomebody(Claims):
    def make_of(self, case: Case) -> Case | None:
        return None if case.account_id == "a0" else case


class WritesNoFacts(SqlAudit):
    def append(self, facts: Sequence[Fact]) -> None:
        pass


@dataclass(frozen=True)
class Removal:
    """A guard that is taken out, and the scene in which that shows."""

    code: str
    cutoff: type[SqlCutoff] = SqlCutoff
    audit: type[SqlAudit] = SqlAudit
    scene: Callable[[Engine, PlanGuards], object] = lambda _engine, _guards: None


def pause(_engine: Engine, guards: PlanGuards) -> None:
    guards.pause("api-keys", "c0", reason="incident", operator="olga")


def hold(_engine: Engine, guards: PlanGuards) -> None:
    guards.hold("a0", reason="ticket", operator="olga", ends_at=None)


def lose_the_letters(engine: Engine, _guards: PlanGuards) -> None:
    run(engine, "DELETE FROM notices")


REMOVALS = [
    pytest.param(Removal("P0", cutoff=PassesOverPauses, scene=pause), id="pauses"),
    pytest.param(Removal("P0", cutoff=PassesOverHolds, scene=hold), id="holds"),
    pytest.param(
        Removal("T0", cutoff=BelievesThatEverybodyWasTold, scene=lose_the_letters), id="promises"
    ),
    pytest.param(Removal("L0", cutoff=ForgetsSomebody), id="claims"),
    pytest.param(Removal("S0", audit=WritesNoFacts), id="facts"),
]


def weakened(engine: Engine, removal: Removal) -> SqlUnitOfWork:
    class Weakened(SqlUnitOfWork):
        def __enter__(self) -> Self:
            super().__enter__()
            self.cutoff = removal.cutoff(self._connection)
            self.audit = removal.audit(self._connection)
            return self

    return Weakened(engine)


@pytest.mark.parametrize("removal", REMOVALS)
@pytest.mark.parametrize("taken_out", [False, True], ids=["left in", "taken out"])
def test_an_invariant_is_broken_and_named_just_when_its_guard_is_taken_out(
    engine: Engine, start: Callable[[], SqlUnitOfWork], removal: Removal, *, taken_out: bool
) -> None:
    gather(engine, 8)
    removal.scene(engine, PlanGuards(start))

    sweeping = (lambda: weakened(engine, removal)) if taken_out else start
    CutoffSweep(sweeping, recheck=timedelta(seconds=30), holidays=holiday_finder).sweep()

    shift_clock(engine, timedelta(seconds=61))  # by then whoever was passed over is missed
    run(engine, "UPDATE keys SET enforced_version = version")
    assert {breach.code for breach in breaches(engine)} == ({removal.code} if taken_out else set())
