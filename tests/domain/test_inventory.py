"""What the fields of accounts, contacts and keys may say."""

from __future__ import annotations

import hashlib
import hmac
from datetime import UTC, datetime
from typing import Any

import pytest

from rollout.domain.inventory import (
    Account,
    Contact,
    KeyKind,
    NewKey,
    digest_secret,
    digest_sha256,
)
from rollout.domain.inventory_rows import Problem, Register, Row, RowReader

PEPPER = b"a pepper of the tests"
SECRET = "sk_live_5up3r-secret"

ACCOUNT = {
    "account_id": "acme",
    "name": "Acme, Inc.",
    "timezone": "Europe/Berlin",
    "locale": "de-DE",
    "tier": "gold",
}
CONTACT = {"account_id": "acme", "email": "Ada@Acme.EXAMPLE", "name": "Ada", "role": "owner"}
KEY = {
    "key_id": "key-00012345",
    "account_id": "acme",
    "kind": "rest",
    "label": "nightly sync",
    "created_at": "2019-03-04",
}


def read(register: Register, values: dict[str, str], **changed: str) -> Any:
    """Read line 17, with some values changed."""
    reader = RowReader(register, pepper=PEPPER, canonical_locale={"de-DE": "de_DE"}.get)
    return reader.read(Row(17, values | changed))


def reason(register: Register, values: dict[str, str], **changed: str) -> str:
    """Read a row with exactly one bad field, and return why it is bad."""
    [problem] = read(register, values, **changed)
    assert problem.line == 17
    assert problem.field in {"", *changed}
    return str(problem.reason)


def test_an_account_is_read_with_its_locale_in_one_spelling() -> None:
    assert read(Register.ACCOUNTS, ACCOUNT) == Account(
        "acme", "Acme, Inc.", "Europe/Berlin", "de_DE", "gold"
    )


def test_a_contact_keeps_the_local_part_and_lower_cases_the_domain() -> None:
    assert read(Register.CONTACTS, CONTACT) == Contact(
        "acme", "Ada@acme.example", "Ada", "owner", None, None
    )


def test_a_contact_may_have_its_own_locale_and_zone() -> None:
    contact = read(Register.CONTACTS, CONTACT, locale="de-DE", timezone="Asia/Tokyo")
    assert (contact.locale, contact.timezone) == ("de_DE", "Asia/Tokyo")


def test_a_key_without_a_secret_is_known_by_its_id_only() -> None:
    assert read(Register.KEYS, KEY) == NewKey(
        "key-00012345",
        "acme",
        KeyKind.REST,
        "nightly sync",
        datetime(2019, 3, 4, tzinfo=UTC),
        None,
        "…2345",
    )


def test_a_secret_and_its_sha256_give_the_same_digest() -> None:
    sha256 = hashlib.sha256(SECRET.encode())
    expected = hmac.new(PEPPER, sha256.digest(), "sha256").digest()
    assert digest_secret(PEPPER, SECRET) == digest_sha256(PEPPER, sha256.hexdigest()) == expected
    assert read(Register.KEYS, KEY, secret=SECRET).secret_digest == expected
    upper = sha256.hexdigest().upper()
    assert read(Register.KEYS, KEY, secret_sha256=upper).secret_digest == expected


def test_another_pepper_gives_another_digest() -> None:
    assert digest_secret(b"one pepper", SECRET) != digest_secret(b"another", SECRET)


def test_the_blanks_of_a_secret_belong_to_it() -> None:
    assert read(Register.KEYS, KEY, secret=f" {SECRET}").secret_digest == digest_secret(
        PEPPER, f" {SECRET}"
    )


def test_a_key_has_one_secret_not_two() -> None:
    both = reason(Register.KEYS, KEY, secret=SECRET, secret_sha256="ab" * 32)
    assert both == "has both a secret and a secret_sha256; one of them is enough"


@pytest.mark.parametrize("field", ["key_id", "kind", "label", "created_at", "secret_sha256"])
def test_a_secret_in_the_wrong_column_of_a_key_is_not_repeated(field: str) -> None:
    misplaced = read(Register.KEYS, KEY, **{field: f"{SECRET}\x00"})
    assert isinstance(misplaced, list)
    assert SECRET not in str([str(problem) for problem in misplaced])


@pytest.mark.parametrize("digits", ["ab" * 31, "g" * 64, "ab" * 33, "0x" + "ab" * 31])
def test_a_sha256_has_64_hexadecimal_digits(digits: str) -> None:
    assert reason(Register.KEYS, KEY, secret_sha256=digits).startswith("is not a SHA-256")


def test_the_sha256_of_nothing_is_no_secret() -> None:
    nothing = hashlib.sha256(b"").hexdigest()
    assert "an empty secret" in reason(Register.KEYS, KEY, secret_sha256=nothing)


@pytest.mark.parametrize("field", ["account_id", "name", "timezone", "locale"])
@pytest.mark.parametrize("nothing", ["", "  "])
def test_what_an_account_needs_must_not_be_empty(field: str, nothing: str) -> None:
    assert reason(Register.ACCOUNTS, ACCOUNT, **{field: nothing}) == "is empty"


def test_an_unknown_time_zone_is_told_with_the_closest() -> None:
    [problem] = read(Register.ACCOUNTS, ACCOUNT, timezone="Europe/Berln")
    assert str(problem) == (
        "17: timezone: 'Europe/Berln' is not a known time zone; did you mean Europe/Berlin?"
    )


def test_an_unknown_locale_is_told() -> None:
    assert reason(Register.ACCOUNTS, ACCOUNT, locale="klingon") == (
        "'klingon' is not a known locale; write it like en or pt-BR"
    )


def test_everything_that_is_wrong_with_a_row_is_told_at_once() -> None:
    problems = read(Register.ACCOUNTS, ACCOUNT, account_id="", timezone="Mars/Base", locale="x")
    assert [problem.field for problem in problems] == ["account_id", "timezone", "locale"]


@pytest.mark.parametrize("control", ["\x00", "\x1b", "\x7f", "\x9b", "\ud800"])
def test_a_control_character_is_named_by_its_number(control: str) -> None:
    expected = f"has a control character (U+{ord(control):04X})"
    assert reason(Register.ACCOUNTS, ACCOUNT, name=f"Ac{control}me") == expected


def test_line_ends_in_a_name_become_blanks() -> None:
    account = read(Register.ACCOUNTS, ACCOUNT, name="  Acme\r\n  Holding\t(UK)\u2028 Ltd ")
    assert account.name == "Acme Holding (UK) Ltd"


def test_a_field_of_more_than_10000_characters_is_refused() -> None:
    assert read(Register.ACCOUNTS, ACCOUNT, name="x" * 10_000).name == "x" * 10_000
    long = reason(Register.ACCOUNTS, ACCOUNT, name="x" * 10_001)
    assert long == "has 10,001 characters, 10,000 are allowed"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("a b", "has a blank or an invisible character in it"),
        ("a\u200bb", "has a blank or an invisible character in it"),
        ("x" * 256, "has 256 characters, 255 are allowed"),
    ],
)
def test_an_id_is_one_word_that_can_be_indexed(text: str, why: str) -> None:
    assert reason(Register.ACCOUNTS, ACCOUNT, account_id=text) == why


@pytest.mark.parametrize(
    "address",
    [
        "ada@acme.example",
        "ada+keys@mail.acme.example",
        "o'neil_x@acme.example",
        "jürgen@müller.example",
        "root@localhost",
        f"{'x' * 64}@acme.example",
        f"ada@{'x' * 61}.{'y' * 61}.{'z' * 61}.{'w' * 61}.ex",
    ],
)
def test_a_mail_address_is_taken(address: str) -> None:
    assert read(Register.CONTACTS, CONTACT, email=address).email == address


@pytest.mark.parametrize(
    "address",
    [
        "ada",
        "ada@",
        "@acme.example",
        "ada@@acme.example",
        "ada lovelace@acme.example",
        "Ada <ada@acme.example>",
        "ada@acme.example,eve@evil.example",
        "ada@acme.example\nBcc: eve@evil.example",
        "ada@acme.example%0d%0aBcc:eve@evil.example",
        '"ada b"@acme.example',
        "ada@[10.0.0.1]",
        "ada..b@acme.example",
        ".ada@acme.example",
        "ada@-acme.example",
        "ada@acme.example.",
        "ad\u202ea@acme.example",
        f"{'x' * 65}@acme.example",
        f"ada@{'x' * 61}.{'y' * 61}.{'z' * 61}.{'w' * 61}.exa",
    ],
)
def test_what_is_not_one_mail_address_is_refused(address: str) -> None:
    assert reason(Register.CONTACTS, CONTACT, email=address).endswith("is not a mail address")


def test_a_misspelt_kind_is_told_with_the_closest() -> None:
    assert reason(Register.KEYS, KEY, kind="Androit") == (
        "is none of rest, ios, android; did you mean android?"
    )


@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("", None),
        ("2024-02-29", datetime(2024, 2, 29, tzinfo=UTC)),
        ("2024-01-01T01:30:00+01:00", datetime(2024, 1, 1, 0, 30, tzinfo=UTC)),
        ("2024-01-01 00:00:00z", datetime(2024, 1, 1, tzinfo=UTC)),
        ("2024-01-01T00:00:00.123456789Z", datetime(2024, 1, 1, 0, 0, 0, 123456, tzinfo=UTC)),
    ],
)
def test_created_at_is_a_day_or_an_instant(text: str, instant: datetime | None) -> None:
    assert read(Register.KEYS, KEY, created_at=text).created_at == instant


@pytest.mark.parametrize(
    "text",
    [
        "2023-02-29",
        "2024-13-01T00:00:00Z",
        "2024-01-01T25:00:00Z",
        "0000-01-01",
        "0001-01-01T00:00:00+05:00",
        "20240101",
        "2024-W01-1",
        "yesterday",
        "1704067200",
    ],
)
def test_what_is_no_day_or_instant_is_refused(text: str) -> None:
    assert reason(Register.KEYS, KEY, created_at=text).startswith("is no day or time")


def test_a_time_without_an_offset_is_refused() -> None:
    assert reason(Register.KEYS, KEY, created_at="2024-01-01T00:00:00").startswith(
        "has no UTC offset"
    )


def test_a_problem_with_a_row_as_a_whole_names_no_field() -> None:
    assert str(Problem(3, "", "has 4 fields")) == "3: has 4 fields"
