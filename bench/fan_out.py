"""Who is behind it: fan-out over accounts × 10 sources from nothing, again after an import, listed.

Nine of ten sources are scripts and browsers of the accounts' own; the tenth is one of a thousand
third parties. Sources and uses are written as an import leaves them.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

from sqlalchemy import Engine, text

from bench.figures import Figure
from bench.servers import Servers, rollout
from bench.size import Size
from rollout.adapters.db.unit_of_work import SqlUnitOfWork
from rollout.adapters.feeds import FEEDS, LogFormat
from rollout.adapters.feeds.reading import Piece
from rollout.adapters.signatures import load_signatures
from rollout.services.usage import CallerNaming, UsageImport

SOURCES = 10  # of each account
PARTIES = 1_000
STATEMENTS = (
    "SET LOCAL session_replication_role = replica",  # ten million foreign keys are not the question
    "SET LOCAL work_mem = '1GB'",
    """
    INSERT INTO accounts (account_id, name, timezone, locale, tier)
    SELECT 'a' || n, 'Account ' || n, 'UTC', 'en', 'free' FROM generate_series(1, {accounts}) n
    """,
    """
    INSERT INTO keys (key_id, account_id, kind, label, hint)
    SELECT 'k' || n, 'a' || n, 'rest', '', '' FROM generate_series(1, {accounts}) n
    """,
    """
    INSERT INTO contacts (account_id, email, name, role)
    SELECT 'a' || n, 'ops@company' || n || '.example', '', 'admin'
      FROM generate_series(1, {accounts}) n
    """,
    """
    CREATE TEMPORARY TABLE wanted AS
    SELECT n, user_agent, network,
           decode(md5(user_agent || ' ' || network), 'hex') AS source_id FROM (
    SELECT n, CASE WHEN s = 0 THEN 'party-' || n % {parties}
                      WHEN s < 4 THEN 'python-requests' WHEN s < 7 THEN 'curl'
                      ELSE 'Mozilla (X' || s || '; Linux) Gecko Firefox' END AS user_agent,
           CASE WHEN s = 0 THEN '10.9.' || n % {parties} % 256 || '.' || n % {parties} / 256
                ELSE '10.' || s || '.' || n / 256 % 256 || '.' || n % 256 || '-' || n / 65536 END
             AS network
      FROM generate_series(1, {accounts}) n, generate_series(0, {sources} - 1) s) AS calls
    """,
    """
    INSERT INTO sources (source_id, user_agent, network, example)
    SELECT source_id, min(user_agent), min(network), min(user_agent) || '/1.0' FROM wanted
     GROUP BY source_id
    """,
    """
    INSERT INTO key_sources (key_id, source_id, count, refused, first_seen, last_seen)
    SELECT 'k' || n, source_id, 7, 0, now() - interval '30 days', now() FROM wanted
    """,
    """
    INSERT INTO callers (user_agent, count, first_seen, last_seen, days)
    SELECT user_agent, 7 * count(*), now() - interval '30 days', now(),
           datemultirange(daterange(current_date - 30, current_date)) FROM wanted GROUP BY 1
    """,
    "ANALYZE",
)


def measure(servers: Servers, size: Size) -> Iterator[Figure]:
    """Name everybody, import one more line, name again, and list."""
    accounts = size.fan_out_accounts
    what = f"{accounts:,} accounts × {SOURCES} sources"
    with servers.database("fan_out") as engine:
        seed(engine, accounts)
        signatures = load_signatures()
        naming = CallerNaming(lambda: SqlUnitOfWork(engine), lambda: signatures)
        yield Figure(what=f"fan-out over {what}", value=seconds(naming), unit="s", owed="≤ 60 s")
        call(engine, accounts)
        yield Figure(
            what="  after one more call of a third party",
            value=seconds(naming) * 1e3,
            unit="ms",
        )
        began, _ = rollout(servers, engine, "--help")
        took, _ = rollout(servers, engine, "usage", "integrations", "--json")
        yield Figure(
            what="  usage integrations, without starting up",
            value=max(took - began, 0.001) * 1e3,
            unit="ms",
            owed="≤ 300 ms",
        )


def seed(engine: Engine, accounts: int) -> None:
    """Write what an import would leave."""
    names = {"accounts": accounts, "sources": SOURCES, "parties": PARTIES}
    with engine.begin() as connection:
        for statement in STATEMENTS:
            connection.execute(text(statement.format(**names)))


def seconds(naming: CallerNaming) -> float:
    """Return how long it takes to name all callers that are due."""
    began = time.perf_counter()
    naming.name_all()
    return time.perf_counter() - began


def call(engine: Engine, accounts: int) -> None:
    """Let a third party call for one more account."""
    line = b'10.9.7.0 - k%d [01/Nov/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 5 "-" "party-7/1.0"\n'
    importing = UsageImport(lambda: SqlUnitOfWork(engine))
    log, reader = Piece("log", line % accounts), FEEDS[LogFormat.COMBINED]
    importing.import_log(log, reader, feed="bench", operator="bench")
