"""Asks mail servers to report what becomes of a message (RFC 3461), where they can.

Failures and delays always; a success only where the envelope asks for it, because each is one
more mail. What we ask of our own server it asks of the next one, as far as they know how.
"""

from __future__ import annotations

from rollout.domain.notices.envelope import Envelope

_LONGEST_ORCPT = 500  # characters, RFC 3461, section 4.2


def mail_parameters(envelope: Envelope) -> str:
    """Return what follows ``MAIL FROM:<…>``: send back the headers only, and repeat the name."""
    return f" RET=HDRS ENVID={xtext(envelope.name)}"


def recipient_parameters(envelope: Envelope, address: str) -> str:
    """Return what follows ``RCPT TO:<…>``: when to report, and on whom.

    The address as we know it comes back, to whichever other one it is forwarded. One beyond ASCII
    would have to be written in another way (RFC 6533), and is left out.
    """
    notify = " NOTIFY=SUCCESS,FAILURE,DELAY" if envelope.confirm else " NOTIFY=FAILURE,DELAY"
    original = f"rfc822;{xtext(address)}" if address.isascii() else ""
    return f"{notify} ORCPT={original}" if 0 < len(original) <= _LONGEST_ORCPT else notify


def xtext(text: str) -> str:
    """Encode printable ASCII: ``+`` and ``=`` become ``+2B`` and ``+3D`` (RFC 3461, section 4)."""
    return "".join(
        c if "!" <= c <= "~" and c not in "+=" else f"+{byte:02X}"
        for c in text
        for byte in c.encode()
    )
