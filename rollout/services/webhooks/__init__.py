"""Webhooks: an account's machines are told what its people are told.

endpoints   who may be told, and with what it is signed
posting     what a request is, for each kind of endpoint
sending     the sweep that posts, and what becomes of each delivery
"""

from rollout.services.webhooks.endpoints import WebhookEndpoints
from rollout.services.webhooks.sending import WebhookSending

__all__ = ["WebhookEndpoints", "WebhookSending"]
