"""Receives mail by SMTP (RFC 5321) or LMTP (RFC 2033): accepted means stored."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Callable, Sequence

import structlog
from aiosmtpd.lmtp import LMTP
from aiosmtpd.smtp import SMTP, Envelope, Session

from rollout.domain.errors import RolloutError

log = structlog.get_logger()

TakeIn = Callable[[bytes, Sequence[str]], object]

_NAME = "rollout"  # with which it greets; whoever delivers here is configured to
_LATER = "451 4.3.0 Not stored: try again later"


class Receiver:
    """Answers aiosmtpd's questions: takes mail for any address, and never passes it on."""

    def __init__(self, take_in: TakeIn) -> None:
        self._take_in = take_in

    async def handle_DATA(  # noqa: N802 - the name is aiosmtpd's
        self,
        server: SMTP,
        session: Session,  # noqa: ARG002 - so is the signature
        envelope: Envelope,
    ) -> str:
        """Store the message before it is accepted; whatever fails, it is to come again."""
        content = envelope.content or b""
        raw = content if isinstance(content, bytes) else content.encode()
        try:
            await asyncio.to_thread(self._take_in, raw, envelope.rcpt_tos)
        except RolloutError as error:
            log.warning("mail.not-stored", error=error.message)
            reply = _LATER
        else:
            reply = "250 2.0.0 Stored"
        # LMTP answers once for each recipient (RFC 2033, section 4.2).
        times = len(envelope.rcpt_tos) if isinstance(server, LMTP) else 1
        return "\r\n".join([reply] * times)

    async def handle_exception(self, error: Exception) -> str:
        """Answer for a fault of ours: the sender must keep the message and try again."""
        log.error("mail.fault", error=repr(error))
        return _LATER


def receive(listener: socket.socket, take_in: TakeIn, *, lmtp: bool) -> None:
    """Serve until SIGINT or SIGTERM; a message that is being stored then is stored."""
    asyncio.run(_serve(listener, Receiver(take_in), LMTP if lmtp else SMTP))


async def _serve(listener: socket.socket, receiver: Receiver, protocol: type[SMTP]) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    server = await loop.create_server(
        lambda: protocol(receiver, hostname=_NAME, enable_SMTPUTF8=True, loop=loop), sock=listener
    )
    async with server:
        await stop.wait()
