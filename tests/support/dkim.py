"""Verifies DKIM signatures as RFC 6376 and RFC 8463 say, and is proven by the latter's example.

The usual library, dkimpy, is to be had as source only, and what is installed here comes as wheels.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Mapping

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key


def tags(value: str) -> dict[str, str]:
    """Read a tag list, of a signature or of a record in the DNS: section 3.2."""
    pairs = (part.partition("=") for part in value.split(";") if part.strip())
    return {name.strip(): re.sub(r"\s", "", text) for name, _, text in pairs}


def relaxed_field(field: str) -> str:
    """Section 3.4.2."""
    name, _, value = field.partition(":")
    return name.rstrip().lower() + ":" + re.sub(r"[ \t\r\n]+", " ", value).strip()


def relaxed_body(body: str) -> str:
    """Section 3.4.4."""
    lines = [re.sub(r"[ \t]+", " ", line).rstrip(" ") for line in body.split("\r\n")]
    while lines and not lines[-1]:
        lines.pop()
    return "".join(f"{line}\r\n" for line in lines)


def verify(raw: bytes, records: Mapping[str, str]) -> list[str]:
    """Say of each signature, from the top, what is wrong with it; "" means nothing: section 6.1.

    ``records`` are what the DNS holds, by selector.
    """
    head, _, body = raw.decode().partition("\r\n\r\n")
    fields = re.split(r"\r\n(?![ \t])", head)
    signatures = [field for field in fields if field.lower().startswith("dkim-signature:")]
    return [_fault(signature, fields, body, records) for signature in signatures]


def _fault(signature: str, fields: list[str], body: str, records: Mapping[str, str]) -> str:
    said = tags(signature.partition(":")[2])
    assert said["c"] == "relaxed/relaxed"
    digest = hashlib.sha256(relaxed_body(body).encode()).digest()
    if base64.b64encode(digest).decode() != said["bh"]:
        return "body"
    left = list(fields)
    data = ""
    for name in said["h"].lower().split(":"):
        last = next((f for f in reversed(left) if relaxed_field(f).startswith(f"{name}:")), None)
        if last is not None:  # one that is not there signs that there is none: section 5.4.2
            left.reverse()
            left.remove(last)
            left.reverse()
            data += relaxed_field(last) + "\r\n"
    data += relaxed_field(re.sub(r"(?<=[;\s])b=[^;]*", "b=", signature))
    record = tags(records[said["s"]])
    key, proof = base64.b64decode(record["p"]), base64.b64decode(said["b"])
    try:
        if said["a"] == "rsa-sha256":
            public = load_der_public_key(key)
            assert isinstance(public, RSAPublicKey)
            public.verify(proof, data.encode(), PKCS1v15(), SHA256())
        else:
            hashed = hashlib.sha256(data.encode()).digest()
            Ed25519PublicKey.from_public_bytes(key).verify(proof, hashed)
    except InvalidSignature:
        return "fields"
    return ""
