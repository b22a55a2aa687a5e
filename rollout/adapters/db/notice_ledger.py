"""The SQL of the ledger: who sends which notice, and how it ended. A row is the outbox."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from rollout.adapters.db.parsed import text
from rollout.adapters.db.sending import PAUSED
from rollout.adapters.db.suppression import suppress
from rollout.domain.notices import NoticeState
from rollout.services.ports.notice_ledger import NONE, Ended, Leased, Reaped

LEASE = """
WITH due AS MATERIALIZED ({due})
UPDATE notices n SET state = 'leased', lease = coalesce(n.lease, 0) + 1,
       leased_until = rollout_now() + :length
  FROM due LEFT JOIN notices named ON named.notice_id = due.letter, enrollments e, contacts c
 WHERE n.notice_id = due.notice_id AND e.enrollment_id = n.enrollment_id
   AND c.contact_id = n.contact_id
RETURNING n.notice_id, n.lease, n.enrollment_id, e.deprecation, e.account_id, n.step, n.template,
          n.required, n.resend, n.resent_at IS NOT NULL AS resent, c.email,
          coalesce(named.message_id, n.message_id) AS message_id, n.attempts, n.letter,
          n.attempt_at, nextval('letters_letter_id_seq') AS letter_id
"""
# Deprecation by deprecation: what is due in a paused one, and be it a million, is not even read.
# Whose oldest is due first comes first; what is not taken is not locked.
OLDEST = f"""
  SELECT d.deprecation, oldest.attempt_at FROM deprecations d
   CROSS JOIN LATERAL (
         SELECT attempt_at FROM notices
          WHERE deprecation = d.deprecation AND state IN ('pending', 'retry')
            AND attempt_at <= rollout_now()
          ORDER BY attempt_at LIMIT 1) oldest
   WHERE NOT {PAUSED.format(of="d")}
"""
DUE = f"""
  SELECT first.notice_id, first.letter
    FROM ({OLDEST} ORDER BY oldest.attempt_at) running
   CROSS JOIN LATERAL (
         SELECT notice_id, letter FROM notices
          WHERE deprecation = running.deprecation AND state IN ('pending', 'retry')
            AND attempt_at <= rollout_now()
          ORDER BY attempt_at, notice_id LIMIT :limit FOR UPDATE SKIP LOCKED) first
   LIMIT :limit
"""
# Of each reader's other accounts, so that one letter can tell it all.
DUE_TO_THE_SAME = f"""
  SELECT n.notice_id, n.letter
    FROM contacts c JOIN notices n USING (contact_id)
   WHERE lower(c.email) = ANY(:addresses) AND n.notice_id <> ALL(:taken)
     AND n.state IN ('pending', 'retry') AND n.attempt_at <= rollout_now()
     AND NOT {PAUSED.format(of="n")}
   ORDER BY n.notice_id LIMIT :limit FOR UPDATE OF n SKIP LOCKED
"""

LETTERS_SINCE = """
SELECT address, array_agg(at ORDER BY at) AS at FROM (
  SELECT lower(c.email) AS address, min(n.sent_at) AS at
    FROM contacts c JOIN notices n USING (contact_id)
   WHERE lower(c.email) = ANY(:addresses) AND n.sent_at > :since
   GROUP BY lower(c.email), coalesce(n.letter, n.notice_id)) letters
 GROUP BY address
"""

# A warning is out of date once its schedule has moved or its account left; what follows the
# cutoff is out of date once the key is back. A wish of its reader may be younger than the row.
# An earlier letter is forgotten, unless nobody knows whether that one arrived.
BEGIN = """
UPDATE notices n SET state = 'sending', attempts = attempts + 1,
       leased_until = rollout_instant() + :length,
       letter_ids = CASE WHEN n.resent_at IS NOT NULL THEN n.letter_ids[1:1] END || mine.letter_id,
       template_version = mine.version
  FROM unnest(CAST(:ids AS bigint[]), CAST(:leases AS bigint[]), CAST(:letters AS bigint[]),
              CAST(:versions AS int[])) AS mine (notice_id, lease, letter_id, version),
       enrollments e
 WHERE (n.notice_id, n.lease) = (mine.notice_id, mine.lease) AND n.state = 'leased'
   AND e.enrollment_id = n.enrollment_id AND e.schedule_version = n.schedule_version
   AND e.state <> 'exempt'
   AND (e.state <> 'cut' OR n.due_at >= n.deadline OR n.webhook IS NOT NULL)
   AND (n.not_after IS NULL OR n.not_after >= rollout_now())
   AND (n.required OR NOT EXISTS (SELECT 1 FROM contacts c WHERE c.contact_id = n.contact_id
                                   AND c.unsubscribed_at IS NOT NULL))
RETURNING n.notice_id
"""

# What was begun has counted an attempt already. Whoever has locked one decides what becomes of it.
GIVE_BACK = """
WITH given AS MATERIALIZED (
  SELECT n.notice_id, n.state FROM notices n
    JOIN unnest(CAST(:ids AS bigint[]), CAST(:leases AS bigint[])) AS l (notice_id, lease)
      ON (n.notice_id, n.lease) = (l.notice_id, l.lease)
   WHERE n.state IN ('leased', 'sending') FOR UPDATE OF n SKIP LOCKED)
UPDATE notices n SET state = 'retry', reason = :reason, attempt_at = rollout_instant() + :pause,
       attempts = n.attempts - CASE given.state WHEN 'sending' THEN 1 ELSE 0 END
  FROM given WHERE n.notice_id = given.notice_id
RETURNING n.notice_id
"""

FINISH = """
UPDATE notices n SET state = ended.state, reason = ended.reason,
       attempt_at = coalesce(rollout_now() + ended.wait, n.attempt_at),
       sent_at = CASE WHEN ended.state = 'sent' THEN rollout_instant() ELSE n.sent_at END,
       resent_at = CASE WHEN ended.again THEN rollout_instant() ELSE n.resent_at END,
       bounced_at = CASE WHEN ended.state = 'bounced' THEN rollout_instant() END
  FROM unnest(CAST(:ids AS bigint[]), CAST(:leases AS bigint[]), CAST(:states AS text[]),
              CAST(:reasons AS text[]), CAST(:waits AS interval[]), CAST(:again AS bool[]))
       AS ended (notice_id, lease, state, reason, wait, again)
 WHERE (n.notice_id, n.lease) = (ended.notice_id, ended.lease) AND n.state IN ('leased', 'sending')
RETURNING n.notice_id
"""

REAP = """
WITH expired AS MATERIALIZED (
  SELECT notice_id, state = 'sending' AS half_sent,
         state = 'sending' AND resend AND resent_at IS NULL AS again
    FROM notices
   WHERE state IN ('leased', 'sending') AND leased_until <= rollout_now()
   ORDER BY leased_until LIMIT 1000 FOR UPDATE SKIP LOCKED)
UPDATE notices n SET lease = n.lease + 1, attempt_at = rollout_now(),
       state = CASE WHEN x.again THEN 'retry' WHEN x.half_sent THEN 'uncertain' ELSE 'pending' END,
       resent_at = CASE WHEN x.again THEN rollout_instant() ELSE n.resent_at END,
       reason = CASE WHEN x.half_sent THEN 'the sender died while sending: it may have arrived' END
  FROM expired x, enrollments e
 WHERE n.notice_id = x.notice_id AND e.enrollment_id = n.enrollment_id
RETURNING n.notice_id, coalesce(n.letter, n.notice_id) AS letter, n.deprecation, e.account_id,
          n.step, n.state, n.reason,
          (SELECT message_id FROM notices named
            WHERE named.notice_id = coalesce(n.letter, n.notice_id)) AS message_id,
          (SELECT digest FROM letters WHERE letter_id = n.letter_ids[cardinality(n.letter_ids)]),
          (SELECT digest FROM template_versions WHERE version_id = n.template_version)
            AS template_version
"""


class SqlNoticeLedger:
    """Implements ``services.ports.notice_ledger`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def any_due(self) -> bool:
        """Say whether there is anything to be sent now."""
        due: bool = self._connection.execute(text(f"SELECT EXISTS ({OLDEST})")).scalar_one()
        return due

    def lease(self, limit: int, length: timedelta) -> Sequence[Leased]:
        """Claim notices that are due to be sent, and what else is due to the same addresses."""
        leased = self._lease(DUE, limit=limit, length=length)
        if not leased:
            return []
        return leased + self._lease(
            DUE_TO_THE_SAME,
            limit=limit,
            length=length,
            addresses=list({notice.email.lower() for notice in leased}),
            taken=[notice.notice_id for notice in leased],
        )

    def _lease(self, due: str, **values: Any) -> list[Leased]:
        rows = self._connection.execute(text(LEASE.format(due=due)), values).mappings().all()
        in_turn = sorted(map(dict, rows), key=lambda row: (row.pop("attempt_at"), row["notice_id"]))
        return [Leased(**row) for row in in_turn]

    def bundle(self, notices: Sequence[Leased], lead: Leased) -> None:
        """Note that one letter, named after ``lead``, tells several notices."""
        self._connection.execute(
            text("UPDATE notices SET letter = :lead WHERE notice_id = ANY(:ids)"),
            {"lead": lead.notice_id, "ids": [notice.notice_id for notice in notices]},
        )

    def letters_since(
        self, addresses: Collection[str], since: datetime
    ) -> Mapping[str, Sequence[datetime]]:
        """Return when each address, in small letters, got letters since then, the first first."""
        which = {"addresses": list(addresses), "since": since}
        return {row.address: row.at for row in self._connection.execute(text(LETTERS_SINCE), which)}

    def begin(
        self, letters: Sequence[Leased], length: timedelta, versions: Mapping[int, int] = NONE
    ) -> frozenset[int]:
        """Mark as being sent; leave out those whose lease was lost or that are out of date."""
        return self._update(
            BEGIN,
            letters,
            length=length,
            letters=[notice.letter_id for notice in letters],
            versions=[versions.get(notice.notice_id) for notice in letters],
        )

    def finish(self, ended: Sequence[Ended]) -> frozenset[int]:
        """Record how they ended; leave out those whose lease was lost meanwhile."""
        return self._update(
            FINISH,
            [end.leased for end in ended],
            states=[end.state.value for end in ended],
            reasons=[end.reason for end in ended],
            waits=[end.wait for end in ended],
            again=[end.again for end in ended],
        )

    def _update(self, statement: str, leased: Sequence[Leased], **values: Any) -> frozenset[int]:
        """Change those whose lease still holds; return their ids."""
        if not leased:
            return frozenset()
        leases = {"ids": [n.notice_id for n in leased], "leases": [n.lease for n in leased]}
        updated = self._connection.execute(text(statement), leases | values)
        return frozenset(updated.scalars())

    def give_back(self, leased: Sequence[Leased], reason: str, pause: timedelta) -> frozenset[int]:
        """Let notices wait that were not tried; leave out those whose lease was lost."""
        return self._update(GIVE_BACK, leased, reason=reason, pause=pause)

    def bounce(self, leased: Leased) -> None:
        """Note that the address itself was refused for good; skip what waits to be sent to it."""
        query = text("SELECT contact_id FROM notices WHERE notice_id = :id")
        contact_id = self._connection.execute(query, {"id": leased.notice_id}).scalar_one()
        suppress(self._connection, contact_id, NoticeState.BOUNCED)

    def reap(self) -> Sequence[Reaped]:
        """Take back expired leases: unsent ones are due again.

        Half-sent ones are uncertain, or due once more where they may be sent twice.
        """
        rows = self._connection.execute(text(REAP))
        return [Reaped(**row) for row in rows.mappings()]

    def confirm(self, grace: timedelta, limit: int) -> Sequence[tuple[int, str]]:
        """Call delivered what was accepted and did not bounce within the grace time."""
        rows = self._connection.execute(
            text(
                "WITH quiet AS MATERIALIZED (SELECT notice_id FROM notices WHERE state = 'sent'"
                " AND sent_at <= rollout_now() - :grace ORDER BY sent_at LIMIT :limit"
                " FOR UPDATE SKIP LOCKED) UPDATE notices n SET state = 'delivered',"
                " delivered_at = n.sent_at FROM quiet, enrollments e"
                " WHERE n.notice_id = quiet.notice_id AND e.enrollment_id = n.enrollment_id"
                " RETURNING n.enrollment_id, e.account_id"
            ),
            {"grace": grace, "limit": limit},
        )
        return [(row.enrollment_id, row.account_id) for row in rows]
