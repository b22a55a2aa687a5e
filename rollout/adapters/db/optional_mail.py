"""The SQL of what readers decide about optional notices."""

from __future__ import annotations

from sqlalchemy import Connection, text

from rollout.adapters.db.suppression import SAME_ADDRESS, skip
from rollout.domain.notices import UNSUBSCRIBED
from rollout.services.ports.optional_mail import Reader

READER = """
SELECT c.contact_id, c.account_id, c.email, coalesce(c.locale, a.locale) AS locale,
       c.unsubscribed_at IS NULL AND c.deliverability <> 'complained' AS wanted
  FROM contacts c JOIN accounts a USING (account_id)
 WHERE c.contact_id = :contact_id FOR NO KEY UPDATE OF c
"""
# The wish of a reader holds for every account of which the address is a contact.
UNSUBSCRIBE = f"""
UPDATE contacts SET unsubscribed_at = rollout_instant() WHERE {SAME_ADDRESS}
"""
# Whoever asks for mail takes back that it was spam; a dead address stays dead.
RESUBSCRIBE = f"""
UPDATE contacts SET unsubscribed_at = NULL,
       deliverability = CASE deliverability WHEN 'complained' THEN 'ok' ELSE deliverability END
 WHERE {SAME_ADDRESS}
"""


class SqlOptionalMail:
    """Implements ``services.ports.optional_mail`` on one connection."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def reader(self, contact_id: int) -> Reader | None:
        """Return a contact, locked, or None."""
        found = self._connection.execute(text(READER), {"contact_id": contact_id})
        row = found.mappings().one_or_none()
        return Reader(**row) if row else None

    def unsubscribe(self, reader: Reader) -> None:
        """Send nothing optional any more; what waits to be sent is skipped."""
        self._connection.execute(text(UNSUBSCRIBE), {"contact_id": reader.contact_id})
        skip(self._connection, reader.contact_id, UNSUBSCRIBED, optional_only=True)

    def resubscribe(self, reader: Reader) -> None:
        """Send what is optional again, also to who had called it spam."""
        self._connection.execute(text(RESUBSCRIBE), {"contact_id": reader.contact_id})
