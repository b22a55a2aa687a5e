"""From the rows of a file to accounts, contacts and keys: which columns, and what each may say.

What is wrong is told by line and field. Of a file of keys no value is repeated but the ids: in
the wrong column it might be a secret (K0).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any

from rollout.domain import inventory_fields as field
from rollout.domain.errors import BadInput
from rollout.domain.inventory import INTERNAL, Account, Contact, KeyKind, NewKey, key_hint

Entry = Account | Contact | NewKey
Rules = Mapping[str, Callable[[str], Any]]


class Register(StrEnum):
    """What a file lists."""

    ACCOUNTS = "accounts"
    CONTACTS = "contacts"
    KEYS = "keys"


@dataclass(frozen=True, slots=True)
class Columns:
    """The columns that a file must have, and those that it may have."""

    required: tuple[str, ...]
    optional: tuple[str, ...] = ()

    @property
    def all(self) -> tuple[str, ...]:
        """Both, in the order in which they are documented."""
        return self.required + self.optional


COLUMNS = {
    Register.ACCOUNTS: Columns(("account_id", "name", "timezone", "locale", "tier")),
    Register.CONTACTS: Columns(("account_id", "email", "name", "role"), ("locale", "timezone")),
    Register.KEYS: Columns(
        ("key_id", "account_id", "kind", "label", "created_at"), ("secret", "secret_sha256")
    ),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One row: the line on which it starts, from 1, and its values by column."""

    line: int
    values: Mapping[str, str]


@dataclass(frozen=True, slots=True, order=True)
class Problem:
    """Why a row cannot be used. An empty ``field``: the row as a whole is wrong."""

    line: int
    field: str
    reason: str

    def __str__(self) -> str:
        return (
            f"{self.line}: {self.field}: {self.reason}"
            if self.field
            else f"{self.line}: {self.reason}"
        )


class RowReader:
    """Reads the rows of one register."""

    def __init__(
        self,
        register: Register,
        *,
        pepper: bytes,
        canonical_locale: Callable[[str], str | None],
    ) -> None:
        """Take what the rules need: ``canonical_locale`` returns None for an unknown locale."""
        locale = partial(field.locale, canonical_locale)
        kinds: dict[Register, tuple[Rules, Callable[..., Entry]]] = {
            Register.ACCOUNTS: (_account_rules(locale), Account),
            Register.CONTACTS: (_contact_rules(locale), Contact),
            Register.KEYS: (_key_rules(pepper), _key),
        }
        self._rules, self._build = kinds[register]

    def read(self, row: Row) -> Entry | list[Problem]:
        """Return what the row says, or everything that is wrong with it."""
        values: dict[str, Any] = {}
        problems: list[Problem] = []
        for name, rule in self._rules.items():
            try:
                values[name] = rule(row.values.get(name, ""))
            except BadInput as error:
                problems.append(Problem(row.line, name, str(error)))
        if problems:
            return problems
        try:
            return self._build(**values)
        except BadInput as error:
            return [Problem(row.line, "", str(error))]


def _account_rules(locale: field.Rule) -> Rules:
    return {
        "account_id": field.identifier,
        "name": field.required(field.one_line),
        "timezone": field.required(field.timezone),
        "locale": field.required(locale),
        "tier": field.one_line,
    }


def _contact_rules(locale: field.Rule) -> Rules:
    return {
        "account_id": field.identifier,
        "email": field.required(field.email),
        "name": field.one_line,
        "role": _role,
        "locale": field.optional(locale),
        "timezone": field.optional(field.timezone),
    }


def _role(text: str) -> str:
    """Take a role as it is; the one that has a meaning is written in one way."""
    role = field.one_line(text)
    return INTERNAL if role.lower() == INTERNAL else role


def _key_rules(pepper: bytes) -> Rules:
    return {
        "key_id": field.identifier,
        "account_id": field.identifier,
        "kind": field.one_of(KeyKind),
        "label": field.one_line,
        "created_at": field.optional(field.instant),
        "secret": field.optional(partial(field.secret, pepper)),
        "secret_sha256": field.optional(partial(field.secret_sha256, pepper)),
    }


def _key(*, secret: bytes | None, secret_sha256: bytes | None, **values: Any) -> NewKey:
    if secret and secret_sha256:
        raise BadInput("has both a secret and a secret_sha256; one of them is enough")
    return NewKey(**values, secret_digest=secret or secret_sha256, hint=key_hint(values["key_id"]))
