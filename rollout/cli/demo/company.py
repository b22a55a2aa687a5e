"""The sample company: invented, and the same every time."""

from __future__ import annotations

import csv
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

ACCOUNTS = 300
ZONES = (
    *("Europe/Berlin", "America/New_York", "America/Los_Angeles"),
    *("Asia/Tokyo", "Australia/Sydney", "UTC"),
)
FIRST = (
    *("Amber", "Birch", "Cedar", "Delta", "Ember", "Fjord", "Grove", "Harbor", "Indigo"),
    *("Juniper", "Kestrel", "Lumen", "Maple", "North", "Opal"),
)
SECOND = (
    *("Analytics", "Books", "Clinic", "Dental", "Energy", "Foods", "Games", "Hotels"),
    *("Insurance", "Labs", "Logistics", "Media", "Music", "Outdoor", "Parts", "Pay"),
    *("Retail", "School", "Studio", "Travel"),
)
ALPHABET = "abcdefghijkmnpqrstuvwxyz23456789"

EXTENDED, HELD, UNREACHABLE = "app-007", "app-011", "app-013"


@dataclass(frozen=True, slots=True)
class SampleKey:
    """A key with its secret: the demo plays the customers, so it knows it."""

    key_id: str
    account_id: str
    kind: str
    label: str
    secret: str


@dataclass(frozen=True, slots=True)
class SampleAccount:
    """An account, the addresses of its people, and its keys."""

    account_id: str
    name: str
    timezone: str
    tier: str
    contacts: tuple[str, ...]
    keys: tuple[SampleKey, ...]

    @property
    def rest_keys(self) -> tuple[SampleKey, ...]:
        """Return the keys that are to be retired."""
        return tuple(key for key in self.keys if key.kind == "rest")


def make_company(dice: random.Random) -> list[SampleAccount]:
    """Invent the accounts. The first twenty all have a key that is to be retired."""
    return [_account(number, dice) for number in range(1, ACCOUNTS + 1)]


def _account(number: int, dice: random.Random) -> SampleAccount:
    account_id = f"app-{number:03}"
    domain = f"{account_id}.example"
    kinds = ["rest"] if number <= 20 or dice.random() < 0.95 else []  # noqa: PLR2004
    kinds += ["rest"] if kinds and dice.random() < 0.2 else []  # noqa: PLR2004
    kinds += ["ios"] if dice.random() < 0.4 or not kinds else []  # noqa: PLR2004
    kinds += ["android"] if dice.random() < 0.3 else []  # noqa: PLR2004
    people = ("admin", "dev") if dice.random() < 0.5 else ("admin",)  # noqa: PLR2004
    return SampleAccount(
        account_id,
        f"{dice.choice(FIRST)} {dice.choice(SECOND)}",
        dice.choice(ZONES),
        dice.choices(("gold", "silver", "free"), (1, 3, 6))[0],
        tuple(f"{person}@{domain}" for person in people),
        tuple(_key(account_id, kind, dice) for kind in kinds),
    )


def _key(account_id: str, kind: str, dice: random.Random) -> SampleKey:
    label = dice.choice(("production", "reporting", "sync", "nightly job"))
    return SampleKey(f"ak_{_word(dice, 16)}", account_id, kind, label, f"sk_{_word(dice, 32)}")


def _word(dice: random.Random, length: int) -> str:
    return "".join(dice.choice(ALPHABET) for _ in range(length))


def write_inventory(company: Sequence[SampleAccount], folder: Path) -> None:
    """Write accounts.csv, contacts.csv and keys.csv, as a company would export them."""
    _write(
        folder / "accounts.csv",
        ("account_id", "name", "timezone", "locale", "tier"),
        ((a.account_id, a.name, a.timezone, "en", a.tier) for a in company),
    )
    _write(
        folder / "contacts.csv",
        ("account_id", "email", "name", "role", "locale", "timezone"),
        (
            (a.account_id, email, email.partition("@")[0].title(), "admin", "", "")
            for a in company
            for email in a.contacts
        ),
    )
    _write(
        folder / "keys.csv",
        ("key_id", "account_id", "kind", "label", "created_at", "secret"),
        (
            (k.key_id, k.account_id, k.kind, k.label, "2024-01-15", k.secret)
            for a in company
            for k in a.keys
        ),
    )


def _write(path: Path, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
