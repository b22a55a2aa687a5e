"""The chain of facts: whatever is done to a fact or a seal is found, and named."""

from __future__ import annotations

import hashlib
import json
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rollout.domain.audit import GENESIS, Seal, StoredFact, canonical, chain, seal_behind
from rollout.domain.audit_check import (
    EXPLAINED,
    NAMED,
    Break,
    Loose,
    Report,
    Sealed,
    verify,
)

NOW = datetime(2027, 2, 2, 16, tzinfo=UTC)
GRACE = timedelta(minutes=15)

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
facts_anywhere = st.builds(
    StoredFact,
    seq=st.integers(1, 2**63 - 1),
    at=st.datetimes(timezones=st.just(UTC)),
    actor=texts,
    action=texts,
    subject=texts,
    reason=st.none() | texts,
    data=st.dictionaries(texts, st.integers() | texts | st.none(), max_size=3).map(json.dumps),
)
FIELDS = [field.name for field in fields(StoredFact)]


def fact(seq: int) -> StoredFact:
    subject, data = f"key:k{seq}", f'{{"n": {seq}}}'
    return StoredFact(seq, NOW, "rollout", "key.cut", subject, None, data)


def sealed(facts: list[StoredFact]) -> list[Sealed]:
    return [Sealed(*pair) for pair in zip(seal_behind(GENESIS, facts), facts, strict=True)]


def ten() -> list[Sealed]:
    return sealed([fact(seq) for seq in range(101, 111)])


def check(rows: list[Sealed], *loose: Loose, noted_head: bytes | None = None) -> Report:
    return verify(rows, loose, now=NOW, grace=GRACE, noted_head=noted_head)


def named(report: Report) -> list[tuple[Break, int | None]]:
    assert report.broken == len(report.findings)
    for finding in report.findings:
        assert str(finding.seq) in finding.message
    return sorted((finding.kind, finding.seq) for finding in report.findings)


def with_fact(rows: list[Sealed], index: int, **changes: object) -> list[Sealed]:
    rows = list(rows)
    rows[index] = replace(rows[index], fact=replace(rows[index].fact, **changes))
    return rows


def with_seal(rows: list[Sealed], index: int, **changes: object) -> list[Sealed]:
    rows = list(rows)
    rows[index] = replace(rows[index], seal=replace(rows[index].seal, **changes))
    return rows


def test_the_sealed_bytes_are_one_json_object_in_a_fixed_order() -> None:
    stored = StoredFact(
        7,
        datetime(2027, 2, 2, 17, 0, 0, 5, tzinfo=timezone(timedelta(hours=1))),
        'amy "the ops" O\'Neil\n',
        "account.extended",
        "account:acmé",
        None,
        '{"until": 1.50}',
    )
    assert canonical(stored).decode() == (
        '{"seq": 7, "at": "2027-02-02T16:00:00.000005Z", "actor": "amy \\"the ops\\" O\'Neil\\n",'
        ' "action": "account.extended", "subject": "account:acmé", "reason": null,'
        ' "data": {"until": 1.50}}'
    )
    assert chain(bytes(32), stored) == hashlib.sha256(bytes(32) + canonical(stored)).digest()


@given(facts_anywhere)
def test_the_sealed_bytes_are_json_that_says_the_same(stored: StoredFact) -> None:
    said = json.loads(canonical(stored))
    assert list(said) == FIELDS
    assert datetime.fromisoformat(said.pop("at")) == stored.at
    assert said.pop("data") == json.loads(stored.data)
    assert said == {name: getattr(stored, name) for name in said}


@given(facts_anywhere, facts_anywhere)
def test_two_facts_that_differ_are_never_sealed_alike(one: StoredFact, other: StoredFact) -> None:
    assert (canonical(one) == canonical(other)) == (one == other)


@given(st.lists(facts_anywhere, max_size=8, unique_by=lambda f: f.seq), st.integers(0, 8))
def test_a_chain_sealed_in_batches_of_any_size_is_intact(facts: list[StoredFact], cut: int) -> None:
    first = list(seal_behind(GENESIS, facts[:cut]))
    second = list(seal_behind(first[-1] if first else GENESIS, facts[cut:]))
    rows = [Sealed(*pair) for pair in zip(first + second, facts, strict=True)]
    report = check(rows)
    assert report.intact
    assert report.sealed == len(facts)
    assert report.head == (rows[-1].seal if rows else GENESIS)


@given(
    st.lists(facts_anywhere, min_size=1, max_size=5, unique_by=lambda f: f.seq),
    facts_anywhere,
    st.sampled_from([name for name in FIELDS if name != "seq"]),
    st.data(),
)
def test_a_change_to_any_field_of_any_fact_is_found_and_nothing_else_is_blamed(
    facts: list[StoredFact], other: StoredFact, name: str, data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(facts) - 1))
    assume(getattr(facts[index], name) != getattr(other, name))
    rows = with_fact(sealed(facts), index, **{name: getattr(other, name)})
    assert named(check(rows)) == [(Break.CHANGED, facts[index].seq)]


def test_a_number_with_another_last_digit_is_a_change() -> None:
    rows = sealed([replace(fact(1), data='{"share": 0.1}')])
    rows = with_fact(rows, 0, data='{"share": 0.10000000000000000001}')
    assert named(check(rows)) == [(Break.CHANGED, 1)]


def test_a_changed_fact_is_named_with_both_digests_and_its_position() -> None:
    rows = with_fact(ten(), 4, actor="mallory")
    (finding,) = check(rows).findings
    assert (finding.seq, finding.position) == (105, 5)
    assert rows[4].seal.digest.hex()[:16] in finding.message
    assert chain(rows[3].seal.digest, rows[4].fact).hex()[:16] in finding.message


def test_every_break_is_found_not_only_the_first() -> None:
    rows = with_fact(with_fact(ten(), 0, actor="m"), 9, reason="m")
    rows[5] = replace(rows[5], fact=None)
    del rows[2]
    assert named(check(rows)) == [
        (Break.CHANGED, 101),
        (Break.CHANGED, 110),
        (Break.MISSING, 104),
        (Break.REMOVED, 106),
    ]


def test_neighbours_that_were_both_changed_are_both_named() -> None:
    rows = with_fact(with_fact(ten(), 4, actor="m"), 5, actor="m")
    assert named(check(rows)) == [(Break.CHANGED, 105), (Break.CHANGED, 106)]


def test_a_removed_fact_is_named_by_its_seal() -> None:
    rows = ten()
    rows[5] = replace(rows[5], fact=None)
    (finding,) = check(rows).findings
    assert (finding.kind, finding.seq, finding.position) == (Break.REMOVED, 106, 6)


@pytest.mark.parametrize(("gone", "said"), [(1, "position 4 is"), (3, "positions 4 to 6 are")])
def test_removed_seals_leave_a_gap_that_is_named(gone: int, said: str) -> None:
    rows = ten()
    del rows[3 : 3 + gone]
    (finding,) = check(rows).findings
    assert finding.kind is Break.MISSING
    assert finding.position == 4
    assert finding.message.startswith(said)


def test_the_first_seal_cannot_be_removed_unseen() -> None:
    assert named(check(ten()[1:])) == [(Break.MISSING, 102)]


def test_closing_the_gap_of_a_removed_row_does_not_hide_it() -> None:
    rows = ten()
    del rows[3]
    for index in range(3, 9):
        rows = with_seal(rows, index, position=index + 1)
    assert named(check(rows)) == [(Break.CHANGED, 105)]


@given(st.integers(0, 9), st.integers(0, 9))
def test_two_seals_that_changed_positions_are_named_as_moved(i: int, j: int) -> None:
    assume(i != j)
    rows = ten()
    seals = (rows[i].seal, rows[j].seal)
    rows[i], rows[j] = rows[j], rows[i]
    rows = with_seal(rows, i, position=i + 1)
    rows = with_seal(rows, j, position=j + 1)
    found = named(check(rows))
    assert {(Break.MOVED, seal.seq) for seal in seals} <= set(found)
    assert {kind for kind, _ in found} == {Break.MOVED}


@given(st.integers(0, 9), st.integers(0, 9))
def test_two_facts_that_changed_numbers_are_named_as_moved(i: int, j: int) -> None:
    assume(i != j)
    rows = ten()
    one, other = rows[i].fact, rows[j].fact
    rows = with_fact(rows, i, **{**as_fields(other), "seq": one.seq})
    rows = with_fact(rows, j, **{**as_fields(one), "seq": other.seq})
    assert named(check(rows)) == sorted([(Break.MOVED, one.seq), (Break.MOVED, other.seq)])


def test_two_seals_that_changed_facts_are_named_as_moved() -> None:
    rows = ten()
    one, other = rows[2], rows[6]
    rows[2] = Sealed(replace(one.seal, seq=other.seal.seq), other.fact)
    rows[6] = Sealed(replace(other.seal, seq=one.seal.seq), one.fact)
    assert named(check(rows)) == [(Break.MOVED, 103), (Break.MOVED, 107)]


def as_fields(stored: StoredFact) -> dict[str, object]:
    return {name: getattr(stored, name) for name in FIELDS}


def test_an_overwritten_digest_is_told_from_a_changed_fact() -> None:
    rows = with_seal(ten(), 4, digest=bytes(32))
    assert named(check(rows)) == [(Break.REPLACED, 105)]


def test_a_row_slipped_into_the_chain_breaks_it_where_it_stands() -> None:
    rows = ten()
    forged = fact(200)
    behind = rows[4].seal
    rows.insert(5, Sealed(Seal(6, 200, chain(behind.digest, forged)), forged))
    for index in range(6, 11):
        rows = with_seal(rows, index, position=index + 1)
    assert named(check(rows)) == [(Break.CHANGED, 106)]


def test_a_renumbered_fact_is_missed_at_its_seal_and_found_without_one() -> None:
    rows = ten()
    rows[4] = replace(rows[4], fact=None)
    report = check(rows, Loose(205, NOW, queued=False, sealed=False))
    assert named(report) == [(Break.REMOVED, 105), (Break.UNSEALED, 205)]


def test_more_breaks_than_a_report_names_are_counted() -> None:
    rows = sealed([fact(seq) for seq in range(1, NAMED + EXPLAINED + 2)])
    rows = [replace(row, fact=replace(row.fact, actor="m")) for row in rows]
    report = check(rows)
    assert report.broken == NAMED + EXPLAINED + 1
    assert len(report.findings) == NAMED
    assert {finding.kind for finding in report.findings} == {Break.CHANGED}


def test_a_chain_that_was_rewritten_as_a_whole_betrays_itself_only_by_a_noted_head() -> None:
    noted = ten()[6].seal.digest
    forged = [fact(seq) for seq in range(101, 111)]
    forged[3] = replace(forged[3], reason="nothing to see")
    rows = sealed(forged)
    assert check(rows).intact
    assert [f.kind for f in check(rows, noted_head=noted).findings] == [Break.REWRITTEN]
    assert check(ten(), noted_head=noted).noted_at == 7


def test_a_tail_that_was_cut_off_betrays_itself_by_a_noted_head() -> None:
    noted = ten()[-1].seal.digest
    report = check(ten()[:-1], noted_head=noted)
    assert [f.kind for f in report.findings] == [Break.REWRITTEN]


def test_the_head_of_an_empty_chain_can_be_noted() -> None:
    assert check([], noted_head=GENESIS.digest).noted_at == 0
    assert check(ten(), noted_head=GENESIS.digest).intact


def test_a_young_fact_may_wait_for_its_seal_and_an_old_one_is_overdue() -> None:
    young = Loose(1, NOW - GRACE, queued=True, sealed=False)
    old = Loose(2, NOW - GRACE - timedelta(microseconds=1), queued=True, sealed=False)
    report = check([], young, old)
    assert report.waiting == 2
    assert named(report) == [(Break.OVERDUE, 2)]


def test_what_is_wrong_outside_the_chain_is_named() -> None:
    report = check(
        [],
        Loose(1, None, queued=True, sealed=False),
        Loose(2, NOW, queued=False, sealed=False),
        Loose(3, NOW, queued=True, sealed=True),
    )
    assert report.waiting == 0
    assert named(report) == [(Break.QUEUED_TWICE, 3), (Break.REMOVED, 1), (Break.UNSEALED, 2)]
