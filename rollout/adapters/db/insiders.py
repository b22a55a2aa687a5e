"""The SQL of people inside the company, who are told where nobody of an account can be.

They are no readers of the customer's: every other statement leaves them, and what they are told,
out. So a message to them promises nothing (T0).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from sqlalchemy import Connection, text

from rollout.domain.inventory import INTERNAL
from rollout.domain.notices import NOBODY_LEFT
from rollout.domain.notices.delivery import Reach

CUSTOMERS = f"role <> '{INTERNAL}'"  # of contacts
TO_CUSTOMERS = f"step <> '{NOBODY_LEFT}'"  # of notices


def reach_of(date: str) -> str:
    """Return the SQL that counts, of an enrollment ``e``, how far its people are told.

    Of contacts as ``c``, of notices as ``n``, and of those only that share ``date`` with it: its
    ``schedule_version``, or its ``deadline``.
    """
    return f"""CROSS JOIN LATERAL (
       SELECT count(*) AS contacts, count(*) FILTER (WHERE deliverability = 'bounced') AS dead
         FROM contacts WHERE contacts.account_id = e.account_id AND {CUSTOMERS}) c
 CROSS JOIN LATERAL (
       SELECT count(DISTINCT contact_id) FILTER (WHERE state IN ('delivered', 'complained'))
              AS told,
              count(DISTINCT contact_id) FILTER (WHERE acknowledged_at IS NOT NULL) AS answered,
              count(*) FILTER (WHERE state IN ('bounced', 'dead')) AS failed,
              count(*) FILTER (WHERE state IN ('pending', 'leased', 'sending', 'sent', 'retry'))
              AS open,
              (array_agg(reason ORDER BY notice_id DESC)
                 FILTER (WHERE state IN ('bounced', 'dead')))[1] AS last_failure
         FROM notices WHERE notices.enrollment_id = e.enrollment_id
          AND notices.{date} = e.{date} AND {TO_CUSTOMERS}) n"""


# Few accounts have anybody inside: of all others nothing is counted.
REACHES = f"""
WITH inside AS MATERIALIZED (
  SELECT enrollment_id, schedule_version, account_id FROM enrollments e
   WHERE enrollment_id = ANY(:ids) AND state = 'scheduled'
     AND EXISTS (SELECT 1 FROM contacts i WHERE i.account_id = e.account_id
                  AND i.role = '{INTERNAL}' AND i.deliverability <> 'bounced'))
SELECT e.enrollment_id, c.*, n.*
  FROM inside e
 {reach_of("schedule_version")}
"""
TELL = f"""
WITH told AS (
  INSERT INTO notices (enrollment_id, deprecation, contact_id, step, template, required, resend,
                       schedule_version, deadline, message_id, due_at, attempt_at)
  SELECT e.enrollment_id, e.deprecation, c.contact_id, '{NOBODY_LEFT}', '{NOBODY_LEFT}', true, true,
         e.schedule_version, e.deadline, '<' || gen_random_uuid() || '@' || :domain || '>',
         rollout_now(), rollout_now()
    FROM enrollments e JOIN contacts c USING (account_id)
   WHERE e.enrollment_id = ANY(:ids) AND c.role = '{INTERNAL}' AND c.deliverability <> 'bounced'
  ON CONFLICT (enrollment_id, contact_id, step, schedule_version) DO NOTHING
  RETURNING enrollment_id, contact_id)
SELECT t.enrollment_id, e.account_id, array_agg(c.email ORDER BY c.email) AS addresses
  FROM told t JOIN enrollments e USING (enrollment_id) JOIN contacts c USING (contact_id)
 GROUP BY t.enrollment_id, e.account_id ORDER BY t.enrollment_id
"""


def reaches(connection: Connection, enrollment_ids: Collection[int]) -> Mapping[int, Reach]:
    """Return how far each scheduled enrollment is told, where somebody inside could be."""
    rows = connection.execute(text(REACHES), {"ids": list(enrollment_ids)})
    return {
        row.enrollment_id: Reach(
            contacts=row.contacts,
            dead=row.dead,
            told=row.told,
            failed=row.failed,
            open=row.open,
            last_failure=row.last_failure,
        )
        for row in rows
    }


def tell(
    connection: Connection, mail_domain: str, enrollment_ids: Collection[int]
) -> Sequence[tuple[int, str, Sequence[str]]]:
    """Write to the people inside, once per schedule; return enrollment, account and addresses."""
    values = {"ids": list(enrollment_ids), "domain": mail_domain}
    rows = connection.execute(text(TELL), values)
    return [(row.enrollment_id, row.account_id, row.addresses) for row in rows]
