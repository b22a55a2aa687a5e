"""Reads what comes back: bounces, delays, deliveries, complaints, machines and people who answer.

reading    one message, read within bounds, becomes what it says
parsing    bytes become parts and texts, whatever is broken about them
status     delivery status notifications (RFC 3464)
feedback   complaints (RFC 5965)
prose      bounces without a status part, by the words of the common mail servers
words      what a server's words and codes say about an address
replies    machines (RFC 3834) and people
"""

from __future__ import annotations

from rollout.adapters.mail.reports.parsing import is_mail
from rollout.adapters.mail.reports.reading import read_mail

__all__ = ["is_mail", "read_mail"]
