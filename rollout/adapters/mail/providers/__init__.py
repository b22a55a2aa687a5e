"""Reads what mail providers report by webhook, once its signature is verified.

Each becomes what a mail that came back would have said: one vocabulary, whoever reports.

    ses        Amazon SES, through an SNS topic (`sns` verifies)
    sendgrid   Twilio SendGrid's signed Event Webhook
"""

from __future__ import annotations

from rollout.adapters.mail.providers.sendgrid import SendGrid
from rollout.adapters.mail.providers.ses import AmazonSes

__all__ = ["AmazonSes", "SendGrid"]
