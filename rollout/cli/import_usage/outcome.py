"""What became of an import, for people and for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.markup import escape

from rollout.cli.output import out, printable, rfc3339
from rollout.domain.errors import BadInput
from rollout.services.usage import Discovery, Tally


@dataclass(slots=True)
class Outcome:
    """What became of all files together."""

    feed: str
    files: int = 0
    already_imported: int = 0
    passed_over: list[str] = field(default_factory=list)  # found in a folder, of another kind
    failed: list[tuple[str, BadInput]] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    discovered: Discovery = field(default_factory=lambda: Discovery(accounts=0, keys=0))
    unknown_keys: int = 0
    unknown_examples: Sequence[str] = ()


def as_json(outcome: Outcome) -> dict[str, Any]:
    """Return what JSON says of it."""
    tally = outcome.tally
    return {
        "feed": outcome.feed,
        "files": outcome.files,
        "already_imported": outcome.already_imported,
        "passed_over": outcome.passed_over,
        "failed": [{"file": name, "error": printable(error)} for name, error in outcome.failed],
        "records": tally.records,
        "sightings": tally.sightings,
        "repeated": tally.repeated,
        "last_uses": tally.last_uses,
        "ahead": tally.ahead,
        "keyless": tally.keyless,
        "unreadable": tally.unreadable,
        "unreadable_examples": tally.examples,
        "addresses": tally.addresses,
        "user_agents": tally.user_agents,
        "first": tally.first,
        "last": tally.last,
        "discovered_accounts": outcome.discovered.accounts,
        "discovered_keys": outcome.discovered.keys,
        "unknown_keys": outcome.unknown_keys,
        "unknown_examples": [printable(key_id) for key_id in outcome.unknown_examples],
    }


def show(outcome: Outcome) -> None:
    """Tell a person."""
    tally = outcome.tally
    left = len(outcome.failed) + len(outcome.passed_over)
    taken = outcome.files - outcome.already_imported - left
    out.print(
        f"files: {taken} taken in, {outcome.already_imported} taken in before,"
        f" {len(outcome.failed)} failed"
    )
    for name in outcome.passed_over:
        out.print(f"  passed over, no such log: {escape(name)}", soft_wrap=True)
    out.print(
        f"records: {tally.records} (uses of keys: {tally.sightings}, repeated: {tally.repeated},"
        f" without a key: {tally.keyless}, unreadable: {tally.unreadable})"
    )
    if tally.last_uses:
        out.print(f"last uses that an authority tells of: {tally.last_uses}")
    if tally.ahead:
        out.print(f"of a time that has not come, set aside: {tally.ahead} (`rollout usage ahead`)")
    for example in tally.examples:
        out.print(f"  unreadable: {escape(printable(example))}", soft_wrap=True)
    if tally.first and tally.last:
        out.print(f"from {rfc3339(tally.first)} to {rfc3339(tally.last)}")
        out.print(f"addresses: {tally.addresses}, user agents: {tally.user_agents}")
    if outcome.discovered.keys:
        out.print(
            f"discovered: {outcome.discovered.keys} keys, {outcome.discovered.accounts} accounts"
        )
    if outcome.unknown_keys:
        named = ", ".join(printable(key_id) for key_id in outcome.unknown_examples)
        out.print(
            f"keys in use that nobody registered: {outcome.unknown_keys}, such as {escape(named)}\n"
            "  `rollout usage keys --unregistered` lists them;"
            " `rollout import keys`, or --discover here, registers them",
            soft_wrap=True,
        )
