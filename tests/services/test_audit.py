"""The trail on a real database: nothing is lost, nothing can be rewritten unseen."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError

from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.domain.audit import GENESIS, Fact, FactFilter, chain, seal_behind
from rollout.domain.audit_check import Break
from rollout.services.audit import GRACE, PAGE, Audit
from tests.support.database import set_clock

Start = Callable[[], SqlUnitOfWork]
APPEND_ONLY = ["facts", "seals", "schedules", "cutoffs"]


@pytest.fixture
def audit(start: Start) -> Audit:
    return Audit(start)


def append(start: Start, numbers: range) -> None:
    with start() as uow:
        uow.audit.append(
            [Fact("rollout", "key.cut", f"key:k{n}", None, {"n": n, "share": 0.1}) for n in numbers]
        )
        uow.commit()


@pytest.fixture
def chained(start: Start, audit: Audit) -> Audit:
    """Facts 1 to 9, sealed at positions 1 to 9."""
    append(start, range(1, 10))
    assert audit.seal() == 9
    return audit


def tamper(engine: Engine, *statements: str) -> None:
    """Do what whoever owns the database can do: switch the guards off, strike, switch them on."""
    with engine.begin() as connection:
        for table in ("facts", "seals"):
            connection.execute(text(f"ALTER TABLE {table} DISABLE TRIGGER USER"))
        for statement in statements:
            connection.execute(text(statement))
        for table in ("facts", "seals"):
            connection.execute(text(f"ALTER TABLE {table} ENABLE TRIGGER USER"))


def found(audit: Audit) -> list[tuple[str, int | None]]:
    return sorted((str(finding.kind), finding.seq) for finding in audit.verify().findings)


def seqs(audit: Audit, **which: object) -> list[int]:
    return [fact.seq for fact in audit.facts(FactFilter(**which))]


@pytest.mark.parametrize("table", APPEND_ONLY)
@pytest.mark.parametrize("statement", ["UPDATE {} SET {} = {}", "DELETE FROM {}", "TRUNCATE {}"])
def test_the_database_refuses_to_rewrite_history(
    engine: Engine, chained: Audit, table: str, statement: str
) -> None:
    column = {"seals": "position", "facts": "actor", "schedules": "cause", "cutoffs": "key_id"}
    sql = statement.format(table, column[table], column[table])
    with engine.begin() as connection, pytest.raises(DBAPIError, match="append-only") as refused:
        connection.execute(text(sql))
    assert refused.value.orig.sqlstate == "23001"
    assert chained.verify().sealed == 9


def test_a_fact_shares_the_fate_of_what_it_describes(start: Start, audit: Audit) -> None:
    with start() as uow:
        uow.audit.append([Fact("amy", "account.held", "account:acme", "they asked")])
    assert seqs(audit) == []
    assert audit.seal() == 0
    with start() as uow:
        uow.audit.append([Fact("amy", "account.held", "account:acme", "they asked")])
        uow.commit()
    assert len(seqs(audit)) == 1
    assert audit.verify().waiting == 1


def test_facts_are_read_back_as_they_were_written(start: Start, audit: Audit) -> None:
    data = {"b": [1, 2.5, None], "a": 'tab\t, quote ", é, 中, line\n'}
    with start() as uow:
        before = uow.now()
        uow.audit.append([Fact("amy", "account.held", "account:acmé", "two\nlines", data)])
        uow.commit()
    (fact,) = audit.facts(FactFilter())
    assert (fact.actor, fact.action) == ("amy", "account.held")
    assert (fact.subject, fact.reason) == ("account:acmé", "two\nlines")
    assert json.loads(fact.data) == data
    assert before <= fact.at < before + timedelta(seconds=60)


def test_every_fact_is_sealed_once_in_order_behind_the_one_before(
    start: Start, audit: Audit
) -> None:
    append(start, range(1, 8))
    assert audit.verify().waiting == 7
    assert [audit.seal(3), audit.seal(3), audit.seal(3), audit.seal(3)] == [3, 3, 1, 0]
    head = GENESIS.digest
    for fact in sorted(audit.facts(FactFilter()), key=lambda fact: fact.seq):
        head = chain(head, fact)
    report = audit.verify()
    assert report.intact
    assert (report.sealed, report.waiting) == (7, 0)
    assert (report.head.position, report.head.digest) == (7, head)


def test_a_transaction_that_commits_late_is_sealed_behind_those_that_overtook_it(
    start: Start, audit: Audit
) -> None:
    with start() as slow:
        slow.audit.append([Fact("amy", "account.held", "account:slow")])
        append(start, range(1, 3))
        assert audit.seal() == 2
        slow.commit()
    assert audit.seal() == 1
    assert audit.verify().intact
    with start() as uow:
        order = [(row.seal.position, row.seal.seq) for row in uow.audit.sealed(None, 10)]
    assert order == [(1, 2), (2, 3), (3, 1)]


def test_a_sealer_that_dies_midway_leaves_all_to_the_next(start: Start, audit: Audit) -> None:
    append(start, range(1, 6))
    with start() as uow:
        assert uow.audit.take_chain()
        facts = uow.audit.unsealed(3)
        uow.audit.seal(list(seal_behind(uow.audit.head(), facts)))
    report = audit.verify()
    assert (report.sealed, report.waiting, report.intact) == (0, 5, True)
    assert audit.seal() == 5
    assert audit.verify().intact


def test_a_second_sealer_leaves_at_once_while_the_first_works(start: Start, audit: Audit) -> None:
    append(start, range(1, 6))
    with start() as uow:
        assert uow.audit.take_chain()
        assert audit.seal() == 0
    assert audit.seal() == 5


def test_sealers_and_writers_at_once_make_one_chain(start: Start, audit: Audit) -> None:
    def write(first: int) -> None:
        for n in range(first, first + 200, 20):
            append(start, range(n, n + 20))

    done = threading.Event()

    def keep_sealing() -> None:
        while not done.is_set():
            audit.seal(7)

    sealers = [threading.Thread(target=keep_sealing) for _ in range(2)]
    writers = [threading.Thread(target=write, args=(n,)) for n in (1000, 2000, 3000)]
    for thread in sealers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    done.set()
    for thread in sealers:
        thread.join()
    while audit.seal():
        pass
    report = audit.verify()
    assert report.findings == []
    assert (report.sealed, report.waiting) == (600, 0)


def test_a_chain_longer_than_a_page_is_read_whole(start: Start, audit: Audit) -> None:
    count = 2 * PAGE
    append(start, range(count))
    assert audit.seal(count + 1) == count
    assert audit.verify().sealed == count
    assert seqs(audit) == list(range(count, 0, -1))
    assert len(list(audit.export())) == count + 1


TAMPERINGS = {
    "UPDATE facts SET actor = 'mallory' WHERE seq = 4": [("changed", 4)],
    "UPDATE facts SET action = 'key.restored' WHERE seq = 4": [("changed", 4)],
    "UPDATE facts SET subject = 'key:other' WHERE seq = 4": [("changed", 4)],
    "UPDATE facts SET reason = '' WHERE seq = 4": [("changed", 4)],
    "UPDATE facts SET at = at + interval '1 microsecond' WHERE seq = 4": [("changed", 4)],
    "UPDATE facts SET at = 'infinity' WHERE seq = 4": [("changed", 4)],
    "UPDATE facts SET at = at - interval '4050 years' WHERE seq = 4": [("changed", 4)],
    """UPDATE facts SET data = '{"n": 4, "share": 0.10}' WHERE seq = 4""": [("changed", 4)],
    """UPDATE facts SET data = '{"n": "4", "share": 0.1}' WHERE seq = 4""": [("changed", 4)],
    "UPDATE facts SET actor = 'mallory' WHERE seq IN (1, 5, 9)": [
        ("changed", 1),
        ("changed", 5),
        ("changed", 9),
    ],
    "UPDATE facts SET seq = 99 WHERE seq = 4": [("removed", 4), ("unsealed", 99)],
    "DELETE FROM facts WHERE seq = 4": [("removed", 4)],
    "DELETE FROM facts WHERE seq = 9": [("removed", 9)],
    "DELETE FROM seals WHERE seq = 4": [("missing", 5), ("unsealed", 4)],
    "DELETE FROM seals WHERE seq > 7": [("unsealed", 8), ("unsealed", 9)],
    "DELETE FROM seals; DELETE FROM facts WHERE seq > 1": [("unsealed", 1)],
    "DELETE FROM facts WHERE seq = 4; DELETE FROM seals WHERE seq = 4": [("missing", 5)],
    "UPDATE seals SET digest = decode(repeat('00', 32), 'hex') WHERE seq = 4": [("replaced", 4)],
    "INSERT INTO facts (actor, action, subject) VALUES ('m', 'key.cut', 'key:x')": [
        ("unsealed", 10)
    ],
    "INSERT INTO facts_unsealed (seq) VALUES (4)": [("queued-twice", 4)],
    "INSERT INTO facts_unsealed (seq) VALUES (44)": [("removed", 44)],
    # two facts change their contents; two seals change places; two seals change their facts
    """UPDATE facts f SET subject = o.subject, data = o.data, at = o.at FROM facts o
        WHERE (f.seq, o.seq) IN ((4, 6), (6, 4))""": [("moved", 4), ("moved", 6)],
    """UPDATE seals SET position = 1000 + seq WHERE seq IN (4, 6);
       UPDATE seals SET position = CASE seq WHEN 4 THEN 6 ELSE 4 END WHERE seq IN (4, 6)""": [
        ("moved", 4),
        ("moved", 5),
        ("moved", 6),
        ("moved", 7),
    ],
    """UPDATE seals SET seq = 1000 + seq WHERE seq IN (4, 6);
       UPDATE seals SET seq = 1010 - seq WHERE seq > 1000""": [("moved", 4), ("moved", 6)],
}


@pytest.mark.parametrize(
    ("statements", "named"), TAMPERINGS.items(), ids=[" ".join(sql.split()) for sql in TAMPERINGS]
)
def test_whoever_switches_the_guards_off_is_found(
    engine: Engine, chained: Audit, statements: str, named: list[tuple[str, int]]
) -> None:
    assert chained.verify().intact
    tamper(engine, *statements.split(";"))
    assert found(chained) == named


def test_a_chain_that_was_rewritten_is_told_by_a_head_noted_before(
    engine: Engine, start: Start, chained: Audit
) -> None:
    noted = chained.verify().head.digest
    tamper(
        engine,
        "DELETE FROM seals",
        "UPDATE facts SET reason = 'nothing to see' WHERE seq = 4",
        "INSERT INTO facts_unsealed SELECT seq FROM facts",
    )
    assert chained.seal() == 9
    assert chained.verify().intact
    (finding,) = chained.verify(noted).findings
    assert finding.kind is Break.REWRITTEN
    assert noted.hex() in finding.message


def test_a_noted_head_is_found_again_when_the_chain_has_grown(start: Start, chained: Audit) -> None:
    noted = chained.verify().head.digest
    append(start, range(20, 30))
    chained.seal()
    report = chained.verify(noted)
    assert report.intact
    assert (report.noted_at, report.head.position) == (9, 19)


def test_a_fact_removed_before_it_was_sealed_is_named_and_stops_nobody(
    engine: Engine, start: Start, audit: Audit
) -> None:
    append(start, range(1, 6))
    tamper(engine, "DELETE FROM facts WHERE seq = 1")
    assert audit.seal(2) == 2
    assert audit.seal(5) == 2
    assert found(audit) == [("removed", 1)]


def test_facts_that_wait_longer_than_the_grace_are_named(
    engine: Engine, start: Start, audit: Audit
) -> None:
    noon = datetime(2027, 2, 2, 12, tzinfo=UTC)
    set_clock(engine, noon)
    append(start, range(1, 2))
    set_clock(engine, noon + GRACE)
    assert found(audit) == []
    set_clock(engine, noon + GRACE + timedelta(seconds=1))
    assert found(audit) == [("overdue", 1)]
    audit.seal()
    assert found(audit) == []


def test_facts_are_listed_newest_first_by_what_is_asked(
    engine: Engine, start: Start, audit: Audit
) -> None:
    noon = datetime(2027, 2, 2, 12, tzinfo=UTC)
    for hour, actor in enumerate(["amy", "rollout", "amy"]):
        set_clock(engine, noon + timedelta(hours=hour))
        with start() as uow:
            uow.audit.append(
                [
                    Fact(actor, "account.held", "account:acme"),
                    Fact(actor, "account.released", "account:acme"),
                ]
            )
            uow.commit()
    assert seqs(audit) == [6, 5, 4, 3, 2, 1]
    assert seqs(audit, actor="amy") == [6, 5, 2, 1]
    assert seqs(audit, action="account.held", actor="amy") == [5, 1]
    assert seqs(audit, subject="account:other") == []
    assert seqs(audit, since=noon + timedelta(hours=1)) == [6, 5, 4, 3]
    assert seqs(audit, until=noon + timedelta(hours=1)) == [2, 1]
    assert [f.seq for f in audit.facts(FactFilter(actor="amy"), 3)] == [6, 5, 2]
    assert [f.seq for f in audit.facts(FactFilter(), 6)] == [6, 5, 4, 3, 2, 1]


def test_an_export_can_be_verified_with_nothing_but_sha256(start: Start, chained: Audit) -> None:
    append(start, range(20, 22))
    *lines, last = [line.decode() for line in chained.export()]
    head = GENESIS.digest
    for line in lines:
        record = json.loads(line)
        sealed_bytes = line[line.index('"fact": ') + len('"fact": ') : -len("}\n")].encode()
        head = hashlib.sha256(head + sealed_bytes).digest()
        assert record["digest"] == head.hex()
        assert json.loads(sealed_bytes) == record["fact"]
    assert [json.loads(line)["position"] for line in lines] == list(range(1, 10))
    assert json.loads(last) == {"count": 9, "head": head.hex(), "waiting": 2}


def test_an_export_shows_a_removed_fact_as_null(engine: Engine, chained: Audit) -> None:
    tamper(engine, "DELETE FROM facts WHERE seq = 4")
    facts = [json.loads(line)["fact"] for line in list(chained.export())[:-1]]
    assert [n for n, fact in enumerate(facts, start=1) if fact is None] == [4]
