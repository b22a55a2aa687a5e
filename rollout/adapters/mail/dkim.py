"""Signs messages with DKIM (RFC 6376, RFC 8463): whoever reads them can tell that we wrote them."""

from __future__ import annotations

import re
from base64 import b64encode
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache
from hashlib import sha256
from textwrap import wrap

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from rollout.adapters.mail.addresses import own_domain
from rollout.domain.errors import BadInput

# Signed where they stand in a message, and of the first four also that no second one was added.
_ONLY_ONE = ("From", "To", "Subject", "Reply-To")
_SIGNED = (
    *_ONLY_ONE,
    *("Date", "Message-ID", "MIME-Version", "Content-Type"),
    *("List-Unsubscribe", "List-Unsubscribe-Post"),  # RFC 8058, section 4: they must be
)
_LABEL = r"[a-z0-9](?:[a-z0-9-]*[a-z0-9])?"
_SELECTOR = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.IGNORECASE)
_FEWEST_BITS = 1024  # RFC 8301, section 3.2
_WIDTH = 72

_SPACES = re.compile(rb"[ \t]+")
_FOLD = re.compile(rb"\r\n(?=[ \t])")


@dataclass(frozen=True, slots=True)
class DkimSigner:
    """Signs for a domain, with the key whose public half is at ``selector._domainkey.domain``."""

    domain: str
    selector: str
    key: RSAPrivateKey | Ed25519PrivateKey = field(repr=False)

    def sign(self, message: bytes, at: datetime) -> bytes:
        """Return a message, whose lines end in CRLF, with its signature in front of it."""
        head, _, body = message.partition(b"\r\n\r\n")
        lines = _FOLD.sub(b"", head).split(b"\r\n")
        fields = {name: b"%s:%s\r\n" % (name, value) for name, value in map(_relaxed, lines)}
        present = [name for name in _SIGNED if _lower(name) in fields]
        signed = b"".join(fields[_lower(name)] for name in present)
        ours = self._unsigned((*present, *_ONLY_ONE), body, at)
        proof = self._proof(signed + b"%s:%s" % _relaxed(_FOLD.sub(b"", ours)))
        folded = "\r\n ".join(wrap(b64encode(proof).decode(), _WIDTH))
        return ours + folded.encode() + b"\r\n" + message

    def _unsigned(self, names: tuple[str, ...], body: bytes, at: datetime) -> bytes:
        """Return our own header field up to its signature."""
        digest = b64encode(sha256(_relaxed_body(body)).digest()).decode()
        algorithm = "rsa-sha256" if isinstance(self.key, RSAPrivateKey) else "ed25519-sha256"
        listed = ":\r\n  ".join(":".join(names[n : n + 5]) for n in range(0, len(names), 5))
        return (
            f"DKIM-Signature: v=1; a={algorithm}; c=relaxed/relaxed;\r\n"
            f" d={self.domain};\r\n s={self.selector}; t={at.timestamp():.0f};\r\n"
            f" h={listed};\r\n bh={digest};\r\n b="
        ).encode()

    def _proof(self, data: bytes) -> bytes:
        if isinstance(self.key, RSAPrivateKey):
            return self.key.sign(data, PKCS1v15(), SHA256())
        return self.key.sign(sha256(data).digest())  # RFC 8463, section 3


def _lower(name: str) -> bytes:
    return name.lower().encode()


def _relaxed(line: bytes) -> tuple[bytes, bytes]:
    """Return name and value of an unfolded field as they are signed: RFC 6376, section 3.4.2."""
    name, _, value = line.partition(b":")
    return name.strip().lower(), _SPACES.sub(b" ", value).strip()


def _relaxed_body(body: bytes) -> bytes:
    """Return a body as it is signed: RFC 6376, section 3.4.4."""
    text = _SPACES.sub(b" ", body).replace(b" \r\n", b"\r\n").rstrip(b"\r\n ")
    return text + b"\r\n" if text else b""


@cache  # to read an RSA key, which is checked then, takes 50 ms
def dkim_signer(domain: str | None, selector: str | None, key: str | None) -> DkimSigner | None:
    """Return what signs as the settings say, or None; raise ``BadInput`` for unusable ones."""
    if domain is None or selector is None or key is None:
        return None
    if not _SELECTOR.fullmatch(selector):
        raise BadInput(
            f"ROLLOUT_DKIM_SELECTOR is not a selector: {selector!r}",
            fix="write the name before ._domainkey, like rollout2027",
        )
    return DkimSigner(own_domain("ROLLOUT_DKIM_DOMAIN", domain), selector, _private_key(key))


def _private_key(pem: str) -> RSAPrivateKey | Ed25519PrivateKey:
    try:
        key = load_pem_private_key(pem.encode(), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):  # TypeError: a password is missing
        raise _bad_key("it is no private key in PEM without a password") from None
    if isinstance(key, RSAPrivateKey):
        if key.key_size < _FEWEST_BITS:
            raise _bad_key(f"an RSA key needs {_FEWEST_BITS} bits, better 2048")
        return key
    if isinstance(key, Ed25519PrivateKey):
        return key
    raise _bad_key("it is neither an RSA nor an Ed25519 key")


def _bad_key(why: str) -> BadInput:
    return BadInput(
        f"ROLLOUT_DKIM_KEY cannot be used: {why}",
        fix="make one with `openssl genrsa 2048`, and name its file in ROLLOUT_DKIM_KEY_FILE",
    )
