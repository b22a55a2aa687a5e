"""Reads what mail providers report by webhook, once it is known to be theirs.

Each becomes what a mail that came back would have said: one vocabulary, whoever reports.

    ses        Amazon SES, through an SNS topic (`sns` verifies)
    sendgrid   Twilio SendGrid's signed Event Webhook
    postmark   Postmark, which signs nothing: its door asks for a password
"""

from __future__ import annotations

from rollout.adapters.mail.providers.postmark import Postmark
from rollout.adapters.mail.providers.sendgrid import SendGrid
from rollout.adapters.mail.providers.ses import AmazonSes

__all__ = ["AmazonSes", "Postmark", "SendGrid"]
