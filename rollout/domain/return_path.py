"""Return paths: each notice is sent from an address of its own, so its bounce names it (VERP)."""

from __future__ import annotations

import hmac
import re
from base64 import b32encode
from collections.abc import Iterable
from dataclasses import dataclass, field

_TAG = re.compile(r"bounces\+([1-9]\d{0,17})\.([a-z2-7]{16})", re.ASCII)
_DIGEST_BYTES = 10  # sixteen characters of base32: nobody guesses one


@dataclass(frozen=True, slots=True)
class ReturnPaths:
    """Makes and reads ``bounces+<notice id>.<keyed digest>@domain``.

    The digest keeps strangers from reporting on notices by counting. Some servers change the case
    of a local part, so it is written in small letters and read in any.
    """

    domain: str
    key: bytes = field(repr=False)

    def of(self, notice_id: int) -> str:
        """Return the address from which a notice is sent."""
        return f"bounces+{notice_id}.{self._digest(notice_id)}@{self.domain}"

    def notice(self, addresses: Iterable[str]) -> int | None:
        """Return the notice that the first genuine one of these addresses names, or None."""
        for address in addresses:
            local, _, domain = address.lower().rpartition("@")
            tag = _TAG.fullmatch(local)
            if tag is None or domain != self.domain.lower():
                continue
            notice_id = int(tag.group(1))
            if hmac.compare_digest(self._digest(notice_id), tag.group(2)):
                return notice_id
        return None

    def _digest(self, notice_id: int) -> str:
        digest = hmac.digest(self.key, b"return path %d" % notice_id, "sha256")
        return b32encode(digest[:_DIGEST_BYTES]).decode().lower()
