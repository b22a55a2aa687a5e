"""Who is not written to any more, however we came to know of it."""

from __future__ import annotations

from sqlalchemy import Connection, text

from rollout.domain.notices import ADDRESS_DEAD, COMPLAINED_OF, NoticeState

# What was uncertain and is to be sent once more may have arrived: nobody may call it unsent.
SKIPPED = "CASE WHEN resent_at IS NULL THEN 'skipped' ELSE 'uncertain' END"
# An address is dead, or complains, whichever account it is a contact of.
SAME_ADDRESS = (
    """lower(email) = (SELECT lower(email) FROM contacts WHERE contact_id = :contact_id)"""
)
_MARK = f"""
UPDATE contacts SET deliverability = :end WHERE {SAME_ADDRESS} AND deliverability <> 'bounced'
"""
_SKIP = f"""
UPDATE notices SET state = {SKIPPED}, reason = :reason
 WHERE contact_id IN (SELECT contact_id FROM contacts WHERE {SAME_ADDRESS})
   AND state IN ('pending', 'leased', 'retry') AND NOT (:optional_only AND required)
"""


def suppress(connection: Connection, contact_id: int, end: NoticeState) -> None:
    """Note that an address is dead or complains, and skip what waits to be sent to it.

    Whoever complains still gets what is required.
    """
    dead = end is NoticeState.BOUNCED
    reason = ADDRESS_DEAD if dead else COMPLAINED_OF
    connection.execute(text(_MARK), {"contact_id": contact_id, "end": end.value})
    skip(connection, contact_id, reason, optional_only=not dead)


def skip(connection: Connection, contact_id: int, reason: str, *, optional_only: bool) -> None:
    """Skip what waits to be sent to a contact."""
    values = {"contact_id": contact_id, "reason": reason, "optional_only": optional_only}
    connection.execute(text(_SKIP), values)
