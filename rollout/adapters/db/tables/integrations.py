"""Who calls, by name: programs, what each was taken for, and what people decided about that."""

from __future__ import annotations

from sqlalchemy import REAL, BigInteger, Boolean, Column, Index, LargeBinary, Table, Text, text
from sqlalchemy.dialects.postgresql import ARRAY, DATEMULTIRANGE

from rollout.adapters.db.tables.base import NOW, instant, metadata

# A program is a normalised user agent. What it did is added up as sightings come in; what follows
# from it is worked out while `due`.
callers = Table(
    "callers",
    metadata,
    Column("user_agent", Text, primary_key=True),
    Column("count", BigInteger, nullable=False, server_default="0"),
    Column("refused", BigInteger, nullable=False, server_default="0"),
    Column("first_seen", instant, nullable=False),
    Column("last_seen", instant, nullable=False),
    Column("days", DATEMULTIRANGE, nullable=False, server_default="{}"),
    Column("due", Boolean, nullable=False, server_default="true"),
    Column("kind", Text, nullable=False, server_default=""),  # browser, library, product or none
    Column("accounts", BigInteger, nullable=False, server_default="0"),  # unrelated ones
    Column("keys", BigInteger, nullable=False, server_default="0"),
    Column("networks", BigInteger, nullable=False, server_default="0"),
    Column("candidate", Text),  # what it seems to be
    Column("how", Text),  # that was found: signature or fan_out
    Column("confidence", REAL, nullable=False, server_default="0"),
    Column("reasons", ARRAY(Text), nullable=False, server_default="{}"),
    Column("integration", Text),  # what it is called: the candidate, if sure enough, or as decided
    Index("ix_callers_due", "user_agent", postgresql_where=text("due")),
    Index(
        "ix_callers_integration", "integration", postgresql_where=text("integration IS NOT NULL")
    ),
)

# What a program without a name of its own was taken for in one network that shows nothing else. It
# is called so only if somebody says so, which is then written to the source as well.
source_candidates = Table(
    "source_candidates",
    metadata,
    Column("source_id", LargeBinary, primary_key=True),
    Column("candidate", Text, nullable=False),
    Column("accounts", BigInteger, nullable=False),  # unrelated ones
    Column("keys", BigInteger, nullable=False),
    Column("confidence", REAL, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("integration", Text),  # what it is called, if somebody said so
)

# Added up over all programs that bear the name.
integrations = Table(
    "integrations",
    metadata,
    Column("integration", Text, primary_key=True),
    Column("kind", Text, nullable=False),  # signature, fan_out or confirmed
    Column("confidence", REAL, nullable=False),
    Column("reasons", ARRAY(Text), nullable=False),
    Column("home_page", Text, nullable=False),
    Column("accounts", BigInteger, nullable=False),
    Column("keys", BigInteger, nullable=False),
    Column("networks", BigInteger, nullable=False),
    Column("count", BigInteger, nullable=False),
    Column("refused", BigInteger, nullable=False),
    Column("first_seen", instant, nullable=False),
    Column("last_seen", instant, nullable=False),
    # Where its maker says how to move to OAuth, as people say, or else its signature; or empty.
    Column("migration_url", Text, nullable=False, server_default=""),
)

# What people say holds for everybody: a candidate has this name, or none.
integration_decisions = Table(
    "integration_decisions",
    metadata,
    Column("candidate", Text, primary_key=True),
    Column("integration", Text),
    Column("owner", Text, nullable=False),
    Column("decided_at", instant, nullable=False, server_default=NOW),
    Column("migration_url", Text),  # of that integration; NULL: what its signature says, if any
)

# By which signatures all callers were named.
signature_files = Table(
    "signature_files", metadata, Column("digest", LargeBinary, primary_key=True)
)
