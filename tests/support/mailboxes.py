"""What lies in people's mailboxes, as text that can be read and reviewed."""

from __future__ import annotations

from collections import defaultdict
from itertools import takewhile
from zoneinfo import ZoneInfo

from rollout.testing import FakeMailer
from tests.support.campaign import Campaign

SENT = """
SELECT n.message_id, n.sent_at, c.email, coalesce(c.timezone, a.timezone) AS zone
  FROM notices n JOIN contacts c USING (contact_id) JOIN accounts a USING (account_id)
 WHERE n.sent_at IS NOT NULL ORDER BY c.email, n.sent_at, n.notice_id
"""


def mailboxes(campaign: Campaign, mailer: FakeMailer) -> str:
    """Write down every mailbox: when each message came, by its reader's clock, and what it says."""
    letters = {sent.message_id: sent.letter for sent in mailer.sent}
    shown: dict[str, list[str]] = defaultdict(list)
    for message_id, sent_at, email, zone in campaign.rows(SENT):
        letter = letters[message_id]
        at = sent_at.astimezone(ZoneInfo(zone))
        shown[f"{email} ({zone})"] += [
            f"  {at:%a %d %b %Y %H:%M}  {letter.subject}",
            *(f"      {line}" for line in opening(letter.text)),
        ]
    return "\n".join("\n".join([owner, *lines, ""]) for owner, lines in shown.items())


def opening(text: str) -> list[str]:
    """Return the first paragraph after the salutation."""
    paragraphs = [p for p in text.split("\n\n") if p.strip()]
    lines = paragraphs[1].splitlines() if len(paragraphs) > 1 else paragraphs[0].splitlines()
    return list(takewhile(str.strip, lines))
