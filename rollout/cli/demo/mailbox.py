"""A local mail server: whatever it accepts becomes a file that any mail program opens."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, Envelope, Session


class Mailbox:
    """Keeps each message as ``NNNN-address.eml``; refuses the addresses of one domain."""

    def __init__(self, folder: Path, port: int, refused_domain: str) -> None:
        folder.mkdir()
        self.folder = folder
        self.url = f"smtp://127.0.0.1:{port}"  # for ROLLOUT_SMTP_URL
        self._refused = refused_domain
        self._numbers = itertools.count(1)
        self._controller = Controller(self, hostname="127.0.0.1", port=port)

    def start(self) -> None:
        """Begin to take messages."""
        self._controller.start()

    def stop(self) -> None:
        """Stop listening; the messages stay."""
        self._controller.stop()

    async def handle_RCPT(  # noqa: N802 - the name is aiosmtpd's
        self,
        server: SMTP,  # noqa: ARG002 - so is the signature
        session: Session,  # noqa: ARG002
        envelope: Envelope,
        address: str,
        options: list[str],  # noqa: ARG002
    ) -> str:
        """Refuse whoever is not known here."""
        if address.endswith(f"@{self._refused}"):
            return "550 5.1.1 No such mailbox"
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802
        self,
        server: SMTP,  # noqa: ARG002
        session: Session,  # noqa: ARG002
        envelope: Envelope,
    ) -> str:
        """Keep the message."""
        content = envelope.content or b""
        safe = re.sub(r"[^\w.@+-]", "_", envelope.rcpt_tos[0])
        name = f"{next(self._numbers):04}-{safe}.eml"
        (self.folder / name).write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
        return "250 2.0.0 Kept"
