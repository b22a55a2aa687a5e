"""How each register takes in what is staged in ``incoming``: what it refuses, changes and adds.

A refusal writes ``field`` and ``reason`` to the staged row; the first one stays. What was
discovered in logs is a guess, so the register corrects it; what was registered is not moved to
another account, and never changes its kind (M0). An empty secret or date keeps the known one.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

from rollout.domain.inventory import INTERNAL, Account, Contact, NewKey
from rollout.domain.inventory_rows import Register


@dataclass(frozen=True, slots=True)
class Merge:
    """The statements of one register. The columns of a table are the fields of its entries."""

    columns: tuple[str, ...]
    refusals: tuple[str, ...]
    update: str
    insert: str


def _columns(entry: type[Account | Contact | NewKey]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(entry))


def _refuse(field: str, reason: str, condition: str) -> str:
    return (
        f"UPDATE incoming i SET field = '{field}', reason = {reason}"
        f" {condition} AND i.reason IS NULL"
    )


def _refuse_contradictions(identity: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """Refuse rows that stand twice with different values: nobody knows which is meant."""
    ids, name = ", ".join(identity), identity[-1]
    rest = ", ".join(column for column in columns if column not in identity)
    return _refuse(
        name,
        f"'lines ' || twice.lines || ' say different things about ' || quote_literal(i.{name})",
        f"FROM (SELECT {ids}, array_to_string((array_agg(line ORDER BY line))[1:5], ', ') AS lines"
        f" FROM incoming GROUP BY {ids} HAVING count(DISTINCT ({rest})) > 1) twice"
        f" WHERE ({', '.join(f'i.{name}' for name in identity)})"
        f" = ({', '.join(f'twice.{name}' for name in identity)})",
    )


_REFUSE_UNKNOWN_ACCOUNT = _refuse(
    "account_id",
    "'there is no account ' || quote_literal(i.account_id)",
    "WHERE NOT EXISTS (SELECT FROM accounts a WHERE a.account_id = i.account_id)",
)


def _insert(register: Register, identity: tuple[str, ...], columns: tuple[str, ...]) -> str:
    """Add what is not there; a row that stands twice in the file is added once."""
    names, ids = ", ".join(columns), ", ".join(identity)
    known = " AND ".join(f"known.{name} = i.{name}" for name in identity)
    return (
        f"INSERT INTO {register} ({names}) SELECT DISTINCT ON ({ids}) {names} FROM incoming i"
        f" WHERE NOT EXISTS (SELECT FROM {register} known WHERE {known}) ORDER BY {ids}"
    )


_ACCOUNT, _CONTACT, _KEY = _columns(Account), _columns(Contact), _columns(NewKey)

_ACCOUNTS = Merge(
    columns=_ACCOUNT,
    refusals=(_refuse_contradictions(("account_id",), _ACCOUNT),),
    update="""
        UPDATE accounts a
        SET name = i.name, timezone = i.timezone, locale = i.locale, tier = i.tier,
            discovered = false
        FROM incoming i
        WHERE a.account_id = i.account_id
          AND (a.name, a.timezone, a.locale, a.tier, a.discovered)
              IS DISTINCT FROM (i.name, i.timezone, i.locale, i.tier, false)
    """,
    insert=_insert(Register.ACCOUNTS, ("account_id",), _ACCOUNT),
)

_CONTACTS = Merge(
    columns=_CONTACT,
    refusals=(
        _refuse_contradictions(("account_id", "email"), _CONTACT),
        _REFUSE_UNKNOWN_ACCOUNT,
        _refuse(
            "role",
            "'was written to as ' || CASE c.role WHEN '' THEN 'the customer' ELSE c.role END"
            " || '; nobody changes between the customer and `internal`: give another address'",
            "FROM contacts c WHERE (c.account_id, c.email) = (i.account_id, i.email)"
            f" AND (c.role = '{INTERNAL}') <> (i.role = '{INTERNAL}')"
            " AND EXISTS (SELECT 1 FROM notices n WHERE n.contact_id = c.contact_id)",
        ),
    ),
    update="""
        UPDATE contacts c
        SET name = i.name, role = i.role, locale = i.locale, timezone = i.timezone
        FROM incoming i
        WHERE (c.account_id, c.email) = (i.account_id, i.email)
          AND (c.name, c.role, c.locale, c.timezone)
              IS DISTINCT FROM (i.name, i.role, i.locale, i.timezone)
    """,
    insert=_insert(Register.CONTACTS, ("account_id", "email"), _CONTACT),
)

# What a file makes of a known key. A revoked key stays as it is, whatever the file says.
_KEY_AFTER = """(
    i.account_id, i.kind, coalesce(i.secret_digest, k.secret_digest),
    i.label, coalesce(i.created_at, k.created_at), false
)"""
_KEY_BEFORE = "(k.account_id, k.kind, k.secret_digest, k.label, k.created_at, k.discovered)"
_GATEWAYS_CARE = """(
    (k.account_id, k.kind, k.secret_digest)
    IS DISTINCT FROM (i.account_id, i.kind, coalesce(i.secret_digest, k.secret_digest))
)"""

_KEYS = Merge(
    columns=_KEY,
    refusals=(
        _refuse_contradictions(("key_id",), _KEY),
        _REFUSE_UNKNOWN_ACCOUNT,
        _refuse(
            "account_id",
            "'the key belongs to account ' || quote_literal(k.account_id)",
            "FROM keys k WHERE k.key_id = i.key_id AND k.account_id <> i.account_id"
            " AND NOT k.discovered",
        ),
        _refuse(
            "kind",
            "'the key is of kind ' || k.kind || ', which never changes'",
            "FROM keys k WHERE k.key_id = i.key_id AND k.kind <> i.kind AND NOT k.discovered",
        ),
        _refuse(
            "key_id",
            "'the key is revoked for good, and is not changed any more'",
            "FROM keys k WHERE k.key_id = i.key_id AND k.status = 'revoked'"
            f" AND {_KEY_BEFORE} IS DISTINCT FROM {_KEY_AFTER}",
        ),
    ),
    # Locked in the order of their ids, as the cutoff does: neither waits for the other crosswise.
    # The last conditions repeat the refusals for keys that change while the file is read.
    update=f"""
        WITH changing AS MATERIALIZED (
            SELECT k.key_id FROM keys k JOIN incoming i USING (key_id)
            WHERE {_KEY_BEFORE} IS DISTINCT FROM {_KEY_AFTER}
            ORDER BY k.key_id FOR UPDATE OF k
        )
        UPDATE keys k
        SET (account_id, kind, secret_digest, label, created_at, discovered) = ROW {_KEY_AFTER},
            version = k.version + {_GATEWAYS_CARE}::int,
            changed_at = CASE WHEN {_GATEWAYS_CARE} THEN rollout_instant() ELSE k.changed_at END
        FROM incoming i JOIN changing USING (key_id)
        WHERE k.key_id = i.key_id
          AND {_KEY_BEFORE} IS DISTINCT FROM {_KEY_AFTER}
          AND k.status <> 'revoked'
          AND (k.discovered OR (k.account_id, k.kind) = (i.account_id, i.kind))
    """,
    insert=_insert(Register.KEYS, ("key_id",), _KEY),
)

MERGES = {
    Register.ACCOUNTS: _ACCOUNTS,
    Register.CONTACTS: _CONTACTS,
    Register.KEYS: _KEYS,
}
