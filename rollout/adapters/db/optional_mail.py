"""The SQL of what readers decide about optional notices."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from rollout.adapters.db.suppression import SAME_ADDRESS, skip
from rollout.domain.notices import UNSUBSCRIBED
from rollout.services.ports.optional_mail import Reader

READER = """
SELECT c.contact_id, c.email, coalesce(c.locale, a.locale) AS locale,
       c.unsubscribed_at IS NULL AND c.deliverability <> 'complained' AS wanted
  FROM contacts c JOIN accounts a USING (account_id) WHERE contact_id = :contact_id
"""
UNSUBSCRIBE = f"""
UPDATE contacts SET unsubscribed_at = rollout_instant()
 WHERE {SAME_ADDRESS} AND unsubscribed_at IS NULL RETURNING account_id
"""
# Whoever asks for mail takes back that it was spam; a dead address stays dead.
RESUBSCRIBE = f"""
UPDATE contacts SET unsubscribed_at = NULL,
       deliverability = CASE deliverability WHEN 'complained' THEN 'ok' ELSE deliverability END
 WHERE {SAME_ADDRESS} AND (unsubscribed_at IS NOT NULL OR deliverability = 'complained')
RETURNING account_id
"""


class SqlOptionalMail:
    """Implements ``services.ports.optional_mail`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def reader(self, contact_id: int) -> Reader | None:
        """Return a contact, or None."""
        found = self._connection.execute(text(READER), {"contact_id": contact_id})
        row = found.mappings().one_or_none()
        return Reader(**row) if row else None

    def unsubscribe(self, reader: Reader) -> Sequence[str]:
        """Send nothing optional any more, and skip what waits; return the accounts that changed."""
        accounts = self._update(UNSUBSCRIBE, reader)
        skip(self._connection, reader.contact_id, UNSUBSCRIBED, optional_only=True)
        return accounts

    def resubscribe(self, reader: Reader) -> Sequence[str]:
        """Send what is optional again, also to who had called it spam; return as above."""
        return self._update(RESUBSCRIBE, reader)

    def _update(self, statement: str, reader: Reader) -> Sequence[str]:
        values = {"contact_id": reader.contact_id}
        return sorted(self._connection.execute(text(statement), values).scalars())
