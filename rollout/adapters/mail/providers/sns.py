"""Verifies what Amazon SNS delivers, and confirms the subscription of our own topic."""

from __future__ import annotations

import base64
import re
import urllib.request
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1, SHA256
from cryptography.x509 import load_pem_x509_certificate

from rollout.adapters.mail.providers.events import parse_json
from rollout.domain.errors import BadInput, Refused, Unavailable

Fetch = Callable[[str], bytes]

_HOST = r"https://sns\.[a-z0-9-]{1,40}\.amazonaws\.com(?:\.cn)?"
_CERTIFICATE = re.compile(_HOST + r"/SimpleNotificationService-[0-9a-zA-Z]{1,100}\.pem")
_SUBSCRIBE = re.compile(_HOST + r"/\?Action=ConfirmSubscription&[\w.~%=&:-]{1,2000}")
_SIGNED = {
    "Notification": ("Message", "MessageId", "Subject", "Timestamp", "TopicArn", "Type"),
    "SubscriptionConfirmation": (
        *("Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"),
    ),
}
_HASHES = {"1": SHA1, "2": SHA256}
_TIMEOUT = 10.0  # seconds
_LONGEST = 1 << 20  # bytes


def fetch(url: str) -> bytes:
    """Fetch from Amazon; raise ``Unavailable`` where that fails."""
    try:
        with urllib.request.urlopen(url, timeout=_TIMEOUT) as answer:  # noqa: S310 - https, above
            content: bytes = answer.read(_LONGEST)
            return content
    except OSError as error:
        raise Unavailable("Amazon SNS does not answer", fix="try again") from error


class SnsTopic:
    """One topic, whose messages are verified."""

    def __init__(self, arn: str, fetch: Fetch) -> None:
        self._arn = arn
        self._fetch = lru_cache(maxsize=8)(fetch)

    def message(self, body: bytes) -> Any:
        """Return what was published, or None where this only asked for a confirmation, now given.

        Raises ``Refused`` for what Amazon has not signed, or has signed for another topic.
        """
        envelope = parse_json(body)
        if not isinstance(envelope, dict):
            raise BadInput("the body is not a message of Amazon SNS")
        if envelope.get("TopicArn") != self._arn:
            raise Refused("this is of another topic", fix="set ROLLOUT_SES_TOPIC to its ARN")
        self._verify(envelope)
        if envelope["Type"] == "SubscriptionConfirmation":
            url = str(envelope["SubscribeURL"])
            if not _SUBSCRIBE.fullmatch(url):
                raise Refused("the confirmation would not go to Amazon")
            self._fetch(url)
            return None
        return parse_json(str(envelope["Message"]))

    def _verify(self, envelope: dict[str, Any]) -> None:
        names = _SIGNED.get(str(envelope.get("Type")), ())
        url = str(envelope.get("SigningCertURL"))
        algorithm = _HASHES.get(str(envelope.get("SignatureVersion")))
        if not names or algorithm is None or not _CERTIFICATE.fullmatch(url):
            raise _forged()
        signed = "".join(f"{name}\n{envelope[name]}\n" for name in names if name in envelope)
        try:
            key = load_pem_x509_certificate(self._fetch(url)).public_key()
            signature = base64.b64decode(str(envelope.get("Signature")), validate=True)
            if not isinstance(key, RSAPublicKey):
                raise _forged()
            key.verify(signature, signed.encode(), PKCS1v15(), algorithm())
        except (InvalidSignature, ValueError) as error:
            raise _forged() from error


def _forged() -> Refused:
    return Refused("Amazon SNS has not signed this", fix="subscribe this address to your topic")
