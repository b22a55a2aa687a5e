"""Files become accounts, contacts and keys: once, whole, and without a secret left anywhere."""

from __future__ import annotations

import hashlib
import io
import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import Engine, text

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.locales import canonical_locale
from rollout.adapters.rows import RowFile, RowFormat
from rollout.domain.errors import BadInput, BadRows, Conflict, Unavailable
from rollout.domain.inventory import KeyKind, NewKey, digest_secret
from rollout.domain.inventory_rows import Columns, Register, Row
from rollout.services.inventory import MAX_PROBLEMS, ImportReport, Inventory
from rollout.services.ports.inventory import Merged

PEPPER = b"a pepper of the tests"
SECRET = "sk_live_5up3r-secret"
HEADERS = {
    Register.ACCOUNTS: "account_id,name,timezone,locale,tier",
    Register.CONTACTS: "account_id,email,name,role",
    Register.KEYS: "key_id,account_id,kind,label,created_at,secret",
}
KNOWN_KEY = "SELECT account_id, kind, status, label, version, discovered FROM keys"

Take = Callable[..., ImportReport]
Ask = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def take(start: Callable[[], SqlUnitOfWork]) -> Take:
    """Take in rows below the usual header of a register."""
    inventory = Inventory(start, pepper=PEPPER, canonical_locale=canonical_locale)

    def take_in(register: Register, *rows: str, **options: Any) -> ImportReport:
        data = "\n".join([options.pop("header", HEADERS[register]), *rows]).encode()
        source = RowFile("f.csv", io.BytesIO(data), RowFormat.CSV)
        return inventory.import_file(register, source, operator="olga", **options)

    return take_in


@pytest.fixture
def ask(engine: Engine) -> Ask:
    """Ask the database, in a transaction of its own."""

    def query(statement: str) -> list[tuple[Any, ...]]:
        with engine.begin() as connection:
            result = connection.execute(text(statement))
            return [tuple(row) for row in result] if result.returns_rows else []

    return query


@pytest.fixture
def acme(take: Take) -> None:
    take(Register.ACCOUNTS, "acme,Acme,Europe/Berlin,de,gold", "zeta,Zeta,UTC,en-US,")


def counts(report: ImportReport) -> tuple[int, int, int, int]:
    return report.new, report.changed, report.unchanged, report.bad


def test_accounts_contacts_and_keys_are_taken_in(take: Take, ask: Ask, acme: None) -> None:
    contacts = take(Register.CONTACTS, "acme,Ada@ACME.example,Ada,owner", "zeta,z@z.example,,")
    keys = take(Register.KEYS, f"key-00012345,acme,rest,sync,2019-03-04,{SECRET}")
    assert (counts(contacts), counts(keys)) == ((2, 0, 0, 0), (1, 0, 0, 0))
    assert ask("SELECT * FROM accounts ORDER BY 1")[0][:5] == (
        "acme", "Acme", "Europe/Berlin", "de", "gold",
    )  # fmt: skip
    assert ask("SELECT email, deliverability FROM contacts ORDER BY 1") == [
        ("Ada@acme.example", "ok"),
        ("z@z.example", "ok"),
    ]
    assert ask("SELECT status, hint, secret_digest, version, enforced_version FROM keys") == [
        ("active", "…2345", digest_secret(PEPPER, SECRET), 1, 0)
    ]


@pytest.mark.parametrize(
    ("register", "rows"),
    [
        (Register.ACCOUNTS, ("acme,Acme,Europe/Berlin,de-DE,gold", "b,B,UTC,zh-TW,")),
        (Register.CONTACTS, ("acme,a@ACME.example,Ada,owner", "zeta,a@acme.example,,")),
        (Register.KEYS, (f"k1,acme,rest,sync,2019-03-04,{SECRET}", "k2,zeta,ios,,,")),
    ],
)
def test_the_same_file_again_changes_nothing(
    take: Take, ask: Ask, acme: None, register: Register, rows: tuple[str, ...]
) -> None:
    everything = f"SELECT *, xmin FROM {register} ORDER BY 1"
    take(register, *rows)
    before, facts = ask(everything), ask("SELECT count(*) FROM facts")
    again = take(register, *rows)
    assert (counts(again), again.kept) == ((0, 0, 2, 0), True)
    assert (ask(everything), ask("SELECT count(*) FROM facts")) == (before, facts)


def test_only_what_differs_is_changed(take: Take, ask: Ask, acme: None) -> None:
    report = take(Register.ACCOUNTS, "acme,Acme Holding,UTC,de,gold", "zeta,Zeta,UTC,en_US,")
    assert counts(report) == (0, 1, 1, 0)
    assert ask("SELECT name, timezone FROM accounts WHERE account_id = 'acme'") == [
        ("Acme Holding", "UTC")
    ]


def test_a_contact_changes_and_its_deliverability_stays(take: Take, ask: Ask, acme: None) -> None:
    take(Register.CONTACTS, "acme,ada@acme.example,Ada,owner")
    ask("UPDATE contacts SET deliverability = 'bounced'")
    changed = take(Register.CONTACTS, "acme,ada@ACME.example,Ada L.,owner")
    assert counts(changed) == (0, 1, 0, 0)
    assert ask("SELECT name, deliverability FROM contacts") == [("Ada L.", "bounced")]


def test_the_role_of_people_inside_is_written_in_one_way(take: Take, ask: Ask, acme: None) -> None:
    take(Register.CONTACTS, "acme,sue@us.example,Sue,Internal", "zeta,sue@us.example,Sue,INTERNAL")

    assert ask("SELECT DISTINCT role FROM contacts") == [("internal",)]


def test_local_parts_that_differ_in_case_are_different_people(take: Take, acme: None) -> None:
    report = take(Register.CONTACTS, "acme,ada@a.example,Ada,", "acme,Ada@a.example,Ada,")
    assert report.new == 2


def test_a_dry_run_counts_and_changes_nothing(take: Take, ask: Ask) -> None:
    report = take(Register.ACCOUNTS, "acme,Acme,UTC,de,gold", dry_run=True)
    assert (counts(report), report.kept) == ((1, 0, 0, 0), False)
    assert ask("SELECT * FROM accounts") == ask("SELECT * FROM facts") == []


def test_one_bad_row_and_nothing_is_kept(take: Take, ask: Ask) -> None:
    report = take(Register.ACCOUNTS, "acme,Acme,UTC,de,gold", "b,B,Europe/Berln,de,")
    assert (counts(report), report.kept) == ((1, 0, 0, 1), False)
    assert report.bad_rows == [
        "f.csv:3: timezone: 'Europe/Berln' is not a known time zone; did you mean Europe/Berlin?"
    ]
    assert ask("SELECT * FROM accounts") == ask("SELECT * FROM facts") == []


def test_partial_keeps_the_good_rows_and_names_the_bad(take: Take, ask: Ask) -> None:
    report = take(Register.ACCOUNTS, "b,B,,,", "acme,Acme,UTC,de,gold", "x", partial=True)
    assert (counts(report), report.kept) == ((1, 0, 0, 2), True)
    assert report.bad_rows == [
        "f.csv:2: locale: is empty",
        "f.csv:2: timezone: is empty",
        "f.csv:4: has 1 fields, the header has 5",
    ]
    assert ask("SELECT account_id FROM accounts") == [("acme",)]


def test_a_dry_run_wins_over_partial(take: Take, ask: Ask) -> None:
    assert not take(Register.ACCOUNTS, "acme,Acme,UTC,de,", "x", partial=True, dry_run=True).kept
    assert ask("SELECT * FROM accounts") == []


def test_a_file_that_breaks_off_is_refused_even_with_partial(take: Take, ask: Ask) -> None:
    with pytest.raises(BadInput, match=r"f\.csv:3: this row is not CSV"):
        take(Register.ACCOUNTS, "acme,Acme,UTC,de,gold", 'b,"B', partial=True)
    assert ask("SELECT * FROM accounts") == []


def test_a_row_that_stands_twice_counts_once(take: Take, ask: Ask) -> None:
    row = "acme,Acme,UTC,de,gold"
    assert counts(take(Register.ACCOUNTS, row, row, f"{row}")) == (1, 0, 2, 0)
    assert counts(take(Register.ACCOUNTS, "acme,New,UTC,de,", "acme,New,UTC,de,")) == (0, 1, 1, 0)


def test_rows_that_contradict_each_other_are_all_bad_and_all_named(take: Take, ask: Ask) -> None:
    report = take(
        Register.ACCOUNTS,
        "acme,Acme,UTC,de,gold",
        "b,B,UTC,de,",
        "acme,Acme,UTC,de,silver",
        partial=True,
    )
    assert counts(report) == (1, 0, 0, 2)
    assert report.bad_rows == [
        f"f.csv:{line}: account_id: lines 2, 4 say different things about 'acme'" for line in (2, 4)
    ]
    assert ask("SELECT account_id FROM accounts") == [("b",)]


def test_contacts_and_keys_that_contradict_each_other_are_named(take: Take, acme: None) -> None:
    contacts = take(Register.CONTACTS, "acme,a@A.example,Ada,", "acme,a@a.example,Eve,")
    keys = take(Register.KEYS, f"k1,acme,rest,,,{SECRET}", "k1,acme,rest,,,")
    assert contacts.bad_rows[1].endswith(
        "email: lines 2, 3 say different things about 'a@a.example'"
    )
    assert keys.bad_rows[0].endswith("key_id: lines 2, 3 say different things about 'k1'")


@pytest.mark.parametrize("register", [Register.CONTACTS, Register.KEYS])
def test_an_unknown_account_is_named(take: Take, acme: None, register: Register) -> None:
    row = {Register.CONTACTS: "acmee,a@a.example,,", Register.KEYS: "k1,acmee,rest,,,"}[register]
    assert take(register, row).bad_rows == ["f.csv:2: account_id: there is no account 'acmee'"]


def test_a_key_of_another_account_is_refused(take: Take, ask: Ask, acme: None) -> None:
    take(Register.KEYS, "k1,acme,rest,,,")
    report = take(Register.KEYS, "k1,zeta,rest,,,", partial=True)
    assert report.bad_rows == ["f.csv:2: account_id: the key belongs to account 'acme'"]
    assert ask(KNOWN_KEY) == [("acme", "rest", "active", "", 1, False)]


@pytest.mark.parametrize(("known", "claimed"), [("ios", "rest"), ("rest", "android")])
def test_a_key_never_changes_its_kind(
    take: Take, ask: Ask, acme: None, known: str, claimed: str
) -> None:
    take(Register.KEYS, f"k1,acme,{known},,,")
    report = take(Register.KEYS, f"k1,acme,{claimed},,,", partial=True)
    assert report.bad_rows == [f"f.csv:2: kind: the key is of kind {known}, which never changes"]
    assert ask("SELECT kind FROM keys") == [(known,)]


def test_a_revoked_key_stays_as_it_is(take: Take, ask: Ask, acme: None) -> None:
    take(Register.KEYS, "k1,acme,rest,old,,")
    ask("UPDATE keys SET status = 'revoked'")
    same, other = (
        take(Register.KEYS, "k1,acme,rest,old,,"),
        take(Register.KEYS, f"k1,acme,rest,old,,{SECRET}"),
    )
    assert (counts(same), counts(other)) == ((0, 0, 1, 0), (0, 0, 0, 1))
    assert other.bad_rows == [
        "f.csv:2: key_id: the key is revoked for good, and is not changed any more"
    ]
    assert ask("SELECT status, version, secret_digest FROM keys") == [("revoked", 1, None)]


def test_a_disabled_key_is_not_switched_on_by_a_file(take: Take, ask: Ask, acme: None) -> None:
    take(Register.KEYS, "k1,acme,rest,old,,")
    ask("UPDATE keys SET status = 'disabled'")
    assert counts(take(Register.KEYS, f"k1,acme,rest,new,,{SECRET}")) == (0, 1, 0, 0)
    assert ask(KNOWN_KEY) == [("acme", "rest", "disabled", "new", 2, False)]


def test_gateways_are_told_of_a_new_secret_but_not_of_a_new_label(
    take: Take, ask: Ask, acme: None
) -> None:
    version = "SELECT version, changed_at > imported_at FROM keys"
    take(Register.KEYS, "k1,acme,rest,old,,")
    [(_, before)] = ask("SELECT version, changed_at FROM keys")
    take(Register.KEYS, "k1,acme,rest,new,2020-01-01,")
    assert ask("SELECT version, changed_at, label FROM keys") == [(1, before, "new")]
    take(Register.KEYS, f"k1,acme,rest,new,2020-01-01,{SECRET}")
    assert ask(version) == [(2, True)]


def test_an_export_without_secrets_and_dates_keeps_the_known_ones(
    take: Take, ask: Ask, acme: None
) -> None:
    take(Register.KEYS, f"k1,acme,rest,sync,2019-03-04,{SECRET}")
    assert counts(take(Register.KEYS, "k1,acme,rest,sync,,")) == (0, 0, 1, 0)
    assert ask("SELECT secret_digest, created_at IS NULL, version FROM keys") == [
        (digest_secret(PEPPER, SECRET), False, 1)
    ]


def test_what_was_discovered_is_corrected_by_the_register(take: Take, ask: Ask) -> None:
    ask("INSERT INTO accounts VALUES ('guess', 'guess', 'UTC', 'en', '', true)")
    ask(
        "INSERT INTO keys (key_id, account_id, kind, label, hint, discovered)"
        " VALUES ('k1', 'guess', 'rest', '', '…k1', true)"
    )
    assert counts(take(Register.ACCOUNTS, "guess,guess,UTC,en,", "acme,A,UTC,en,")) == (1, 1, 0, 0)
    assert counts(take(Register.KEYS, "k1,acme,ios,phone,,")) == (0, 1, 0, 0)
    assert ask("SELECT DISTINCT discovered FROM accounts") == [(False,)]
    assert ask(KNOWN_KEY) == [("acme", "ios", "active", "phone", 2, False)]


def test_an_import_leaves_one_fact(take: Take, ask: Ask) -> None:
    rows = ("acme,Acme,UTC,de,gold", "x")
    take(Register.ACCOUNTS, *rows, partial=True)
    data = "\n".join([HEADERS[Register.ACCOUNTS], *rows]).encode()
    assert ask("SELECT actor, action, subject, data FROM facts") == [
        (
            "olga",
            "inventory.imported",
            "file:f.csv",
            {
                "kind": "accounts",
                "new": 1,
                "changed": 0,
                "unchanged": 0,
                "bad": 1,
                "sha256": hashlib.sha256(data).hexdigest(),
            },
        )
    ]


def test_a_second_import_at_the_same_time_is_refused(
    take: Take, ask: Ask, start: Callable[[], SqlUnitOfWork]
) -> None:
    with start() as first:
        first.inventory.stage(Register.ACCOUNTS, [])
        with pytest.raises(Conflict, match="another import is running"):
            take(Register.ACCOUNTS, "acme,Acme,UTC,de,gold")
    assert take(Register.ACCOUNTS, "acme,Acme,UTC,de,gold").new == 1


def test_an_account_that_is_discovered_at_the_same_moment_is_not_lost(
    take: Take, ask: Ask, engine: Engine
) -> None:
    with engine.connect() as discovery, ThreadPoolExecutor() as threads:
        discovery.execute(text("INSERT INTO accounts VALUES ('acme', '', 'UTC', 'en', '', true)"))
        importing = threads.submit(take, Register.ACCOUNTS, "acme,Acme,UTC,de,gold")
        while not ask("SELECT FROM pg_locks WHERE NOT granted"):
            assert not importing.done()
        discovery.commit()
        with pytest.raises(Conflict, match="somebody else added to the accounts"):
            importing.result()
    assert counts(take(Register.ACCOUNTS, "acme,Acme,UTC,de,gold")) == (0, 1, 0, 0)


@pytest.mark.parametrize("meanwhile", ["status = 'revoked'", "kind = 'ios'", "account_id = 'zeta'"])
def test_a_key_that_changes_while_its_file_is_read_keeps_what_is_refused(
    take: Take, ask: Ask, acme: None, start: Callable[[], SqlUnitOfWork], meanwhile: str
) -> None:
    take(Register.KEYS, "k1,acme,rest,old,,")
    new = NewKey("k1", "acme", KeyKind.REST, "new", None, None, "…k1")
    with start() as uow:
        uow.inventory.stage(Register.KEYS, [(2, new)])
        assert uow.inventory.reject(Register.KEYS, 1) == []
        ask(f"UPDATE keys SET {meanwhile}")
        before = ask(KNOWN_KEY)
        assert uow.inventory.merge(Register.KEYS) == Merged(new=0, changed=0)
        uow.commit()
    assert ask(KNOWN_KEY) == before


class Interrupted:
    """A file during which every session of the database is ended."""

    name, sha256 = "f.csv", ""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def rows(self, columns: Columns) -> Iterator[Row]:
        self._ask(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        yield Row(2, dict(zip(columns.required, ("acme", "Acme", "UTC", "de", ""), strict=True)))


def test_a_database_that_goes_away_is_told_and_nothing_is_kept(
    start: Callable[[], SqlUnitOfWork], ask: Ask
) -> None:
    inventory = Inventory(start, pepper=PEPPER, canonical_locale=canonical_locale)
    with pytest.raises(Unavailable, match="the database gave up: "):
        inventory.import_file(Register.ACCOUNTS, Interrupted(ask), operator="olga")
    assert ask("SELECT * FROM accounts") == ask("SELECT * FROM facts") == []


@pytest.mark.parametrize("row", ["x", "nobody,{n}@a.example,,"])
def test_with_too_many_bad_rows_the_file_is_refused(
    take: Take, ask: Ask, acme: None, row: str
) -> None:
    rows = ["acme,a@a.example,,", *(row.format(n=n) for n in range(MAX_PROBLEMS + 1))]
    with pytest.raises(BadRows, match="more than 10,000 bad rows") as refused:
        take(Register.CONTACTS, *rows, partial=True)
    assert refused.value.rows[0].startswith("f.csv:3: ")
    assert ask("SELECT * FROM contacts") == []


def test_a_secret_is_nowhere_afterwards(
    take: Take,
    ask: Ask,
    acme: None,
    engine: Engine,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    report = take(
        Register.KEYS,
        f"k1,acme,rest,sync,2019-03-04,{SECRET}",
        f"k2,acme,rest,sync,2019-03-04,{SECRET}\x00",
        f"k3,acme,{SECRET},sync,{SECRET},",
        f"k4,acme,{SECRET}",
        f"k5,acme,rest,a,,{SECRET}",
        f"k5,acme,rest,b,,{SECRET}",
        partial=True,
    )
    assert counts(report) == (1, 0, 0, 5)
    said = [*report.bad_rows, caplog.text, *capfd.readouterr(), *everything_stored(ask)]
    traces = (SECRET, hashlib.sha256(SECRET.encode()).hexdigest())
    assert not [text for text in said if any(trace in text for trace in traces)]
    assert any("acme" in text for text in said)  # the search does find what is there


def everything_stored(ask: Ask) -> list[str]:
    tables = ask("SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'")
    return [str(row) for (table,) in tables for row in ask(f"SELECT t::text FROM {table} t")]
