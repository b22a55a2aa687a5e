"""How much each bench does."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """Everything that makes a run long or short."""

    enrollments: int  # due at one instant, for the cutoff
    idle: tuple[int, int]  # enrollments of the two databases whose idle ticks are compared
    ticks: int
    accounts: int  # in the files that are imported
    lines: int  # of the access log
    trail_files: int  # of CloudTrail
    trail_events: int  # in each
    letters: int  # notices that are due at once
    planned: int  # accounts for which six steps fall due
    fan_out_accounts: int  # each called for by ten sources
    gateway_keys: int
    gateway_seconds: float  # per round
    gateway_rounds: int


FULL = Size(
    enrollments=200_000,
    idle=(10_000, 1_000_000),
    ticks=300,
    accounts=100_000,
    lines=5_000_000,
    trail_files=1_000,
    trail_events=500,
    letters=10_000,
    planned=100_000,
    fan_out_accounts=1_000_000,
    gateway_keys=20_000,
    gateway_seconds=5.0,
    gateway_rounds=3,
)
QUICK = Size(
    enrollments=3_000,
    idle=(200, 2_000),
    ticks=5,
    accounts=300,
    lines=3_000,
    trail_files=3,
    trail_events=50,
    letters=80,
    planned=600,
    fan_out_accounts=1_000,
    gateway_keys=200,
    gateway_seconds=0.2,
    gateway_rounds=3,
)
