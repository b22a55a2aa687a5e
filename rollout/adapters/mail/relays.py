"""Several mail servers for one: the first that takes anything gets the letter.

A server that takes nothing is left in peace for a while, by itself, and the others go on. A letter
is offered to the next one only where the last has not even heard of it: what a server has said of a
letter stands, and what may have arrived is never given to another.
"""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from rollout.domain.clock import Clock
from rollout.domain.notices.envelope import Envelope
from rollout.services.ports import Letter, Mail, Mailer, MailSession, Outcome, Receipt
from rollout.services.ports.mail import PEACE


@dataclass(frozen=True, slots=True, eq=False)
class Relay:
    """A mail server, and what may be shown of it."""

    name: str
    mailer: Mailer


class Relays:
    """A mailer over several. All sessions share what each learns about a server."""

    def __init__(self, relays: Sequence[Relay], clock: Clock) -> None:
        """Take the preferred one first."""
        self._relays = relays
        self._clock = clock
        self._left_until: dict[Relay, float] = {}  # by the clock's monotonic seconds
        self._one_at_a_time = threading.Lock()

    @contextmanager
    def session(self) -> Iterator[MailSession]:
        """Open a session; it connects to a server with the first letter that goes there."""
        with ExitStack() as lines:
            yield _Session(self, {r: lines.enter_context(r.mailer.session()) for r in self._relays})

    def next(self, asked: Collection[Relay] = ()) -> Relay | None:
        """Return whom to ask about a letter after those; None: nobody is left.

        Where all others are left in peace, that is the one that has been so for longest. Who asks
        whether a server is back does so alone: one that answers nothing costs one session its
        patience, and the others go on without it.
        """
        with self._one_at_a_time:
            others = [relay for relay in self._relays if relay not in asked]
            if not others:
                return None
            willing = self._willing(others)
            relay = willing[0] if willing else min(others, key=self._left_until.__getitem__)
            if relay in self._left_until:
                self._leave(relay)
            return relay

    def heard(self, relay: Relay, receipt: Receipt) -> bool:
        """Note how a server is; say whether any would take the next letter."""
        with self._one_at_a_time:
            if receipt.closing:
                self._leave(relay)
            else:
                self._left_until.pop(relay, None)
            return bool(self._willing(self._relays))

    def _willing(self, relays: Sequence[Relay]) -> list[Relay]:
        now = self._clock.monotonic()
        return [relay for relay in relays if self._left_until.get(relay, now) <= now]

    def _leave(self, relay: Relay) -> None:
        self._left_until[relay] = self._clock.monotonic() + PEACE.total_seconds()


class _Session:
    """A line to each server that is needed."""

    def __init__(self, relays: Relays, lines: dict[Relay, MailSession]) -> None:
        self._relays = relays
        self._lines = lines

    def compose(
        self, *, to: str, message_id: str, letter: Letter, envelope: Envelope | None = None
    ) -> Mail | Receipt:
        """Write a letter out: the same for whichever server takes it."""
        line = next(iter(self._lines.values()))
        return line.compose(to=to, message_id=message_id, letter=letter, envelope=envelope)

    def send(self, mail: Mail) -> Receipt:
        """Try once to hand a mail over, to the first server that hears of it."""
        deaf: dict[Relay, str] = {}
        while relay := self._relays.next(deaf):
            receipt = self._lines[relay].send(mail)
            others = self._relays.heard(relay, receipt)
            if receipt.outcome is not Outcome.NO_LINE:
                said = f"{receipt.reply} ({relay.name})"
                return replace(receipt, reply=said, closing=receipt.closing and not others)
            deaf[relay] = receipt.reply
        return Receipt(Outcome.NO_LINE, "; ".join(deaf.values()), closing=True)
