"""Who is not written to any more, however we came to know of it."""

from __future__ import annotations

from sqlalchemy import Connection, text

from rollout.domain.notices import ADDRESS_DEAD, COMPLAINED_OF, NoticeState

# What was uncertain and is to be sent once more may have arrived: nobody may call it unsent.
SKIPPED = "CASE WHEN resent_at IS NULL THEN 'skipped' ELSE 'uncertain' END"
# An address is dead, or complains, whichever account it is a contact of.
_SAME = """lower(email) = (SELECT lower(email) FROM contacts WHERE contact_id = :contact_id)"""
_MARK = f"""
UPDATE contacts SET deliverability = :end WHERE {_SAME} AND deliverability <> 'bounced'
"""
_SKIP = f"""
UPDATE notices SET state = {SKIPPED}, reason = :reason
 WHERE contact_id IN (SELECT contact_id FROM contacts WHERE {_SAME})
   AND state IN ('pending', 'leased', 'retry')
   AND (:dead OR NOT required)
"""


def suppress(connection: Connection, contact_id: int, end: NoticeState) -> None:
    """Note that an address is dead or complains, and skip what waits to be sent to it.

    Whoever complains still gets what is required.
    """
    dead = end is NoticeState.BOUNCED
    reason = ADDRESS_DEAD if dead else COMPLAINED_OF
    connection.execute(text(_MARK), {"contact_id": contact_id, "end": end.value})
    connection.execute(text(_SKIP), {"contact_id": contact_id, "dead": dead, "reason": reason})
