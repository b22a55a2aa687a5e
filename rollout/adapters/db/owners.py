"""Which accounts are related: those whose people write from one company's addresses have one owner.

Where accounts are counted to tell a third party, those of one owner count once.
"""

from __future__ import annotations

from rollout.adapters.db.insiders import CUSTOMERS

# Addresses at these say nothing of who employs somebody.
MAIL_PROVIDERS = (
    *("gmail.com", "googlemail.com", "outlook.com", "hotmail.com", "live.com", "msn.com"),
    *("yahoo.com", "icloud.com", "me.com", "mac.com", "aol.com", "gmx.de", "gmx.net", "web.de"),
    *("proton.me", "protonmail.com", "mail.ru", "yandex.ru", "qq.com", "163.com", "zoho.com"),
)

# Of the accounts in ``uses``: a part of a query, which is given these as ``:mail_providers``.
OWNERS = f"""
owners AS MATERIALIZED (
  SELECT c.account_id, min(split_part(lower(c.email), '@', 2)) AS owner
    FROM contacts c WHERE split_part(lower(c.email), '@', 2) <> ALL(:mail_providers)
     AND c.{CUSTOMERS} AND c.account_id IN (SELECT account_id FROM uses)
   GROUP BY c.account_id
)
"""
