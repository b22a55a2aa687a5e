"""Fakes of the ports, for tests of whatever is built on them.

Each keeps the promises of the port it stands for: ``tests/contracts`` runs one suite against the
fake and the real thing.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.headerregistry import Address as MailAddress
from hashlib import sha256

from rollout.adapters.mail.addresses import recipient
from rollout.adapters.mail.message import compose
from rollout.adapters.send_rates import LocalSendRates
from rollout.domain.account_calendar import AccountCalendar, AccountDate
from rollout.domain.alarms import Alert
from rollout.domain.errors import NotFound, Unavailable
from rollout.domain.gateway import Record
from rollout.domain.notices import NoticeContext
from rollout.domain.notices.brief import Brief
from rollout.domain.notices.envelope import Envelope
from rollout.domain.webhooks.addresses import Address
from rollout.domain.webhooks.attempts import Answer
from rollout.services.ports import (
    Letter,
    Mail,
    MailSession,
    Outcome,
    Receipt,
    Source,
    StreamEntry,
    Sync,
    TemplateVersion,
    UseBatch,
)
from rollout.services.ports.alarms import Told

US = MailAddress(addr_spec="rollout@platform.example")
ACCEPTED = Receipt(Outcome.ACCEPTED, "250 2.0.0 Queued")
THROTTLED = Receipt(
    Outcome.TEMPORARY, "RCPT: 451 4.7.650 You have been temporarily rate limited", throttled=True
)
TEMPORARY = Receipt(Outcome.TEMPORARY, "RCPT: 450 4.7.1 Greylisted")
REFUSED = Receipt(Outcome.REFUSED, "RCPT: 550 5.1.1 No such user", recipient_refused=True)
UNCERTAIN = Receipt(Outcome.UNCERTAIN, "final dot: Connection unexpectedly closed", closing=True)
NO_LINE = Receipt(Outcome.NO_LINE, "no line to mail.example: Connection refused", closing=True)


@dataclass(frozen=True, slots=True)
class Sent:
    """A letter that the fake mailer took."""

    to: str
    message_id: str
    letter: Letter
    envelope: Envelope | None = None

    @property
    def return_path(self) -> str | None:
        """Where bounces come back to, if not to the sender."""
        return self.envelope.return_path if self.envelope else None


class FakeMailer:
    """Keeps letters instead of sending them; ends an attempt as planned, else accepts."""

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.attempts: list[str] = []  # addresses, in order
        self.mails: list[bytes] = []  # of each that was sent, or may have been
        self._composed: dict[bytes, tuple[str, Letter]] = {}
        self._planned: defaultdict[str, deque[Receipt]] = defaultdict(deque)

    def plan(self, to: str, *receipts: Receipt) -> None:
        """End the next attempts to this address so, one each, then accept again."""
        self._planned[to].extend(receipts)

    def recover(self) -> None:
        """Forget what is planned: accept whatever comes."""
        self._planned.clear()

    @contextmanager
    def session(self) -> Iterator[MailSession]:
        """Open a session."""
        yield self

    def compose(
        self, *, to: str, message_id: str, letter: Letter, envelope: Envelope | None = None
    ) -> Mail | Receipt:
        """Write a letter out, never twice the same."""
        try:
            address = recipient(to)
        except ValueError as error:
            self.attempts.append(to)
            return Receipt(Outcome.REFUSED, str(error), recipient_refused=True)
        date = datetime.fromtimestamp(len(self._composed), UTC)
        data = compose(
            letter, sender=US, reply_to=None, to=address, message_id=message_id, date=date
        )
        self._composed[data] = message_id, letter
        return Mail(to, data, envelope)

    def send(self, mail: Mail) -> Receipt:
        """Keep the letter if the attempt ends accepted."""
        to = mail.to
        self.attempts.append(to)
        receipt = self._planned[to].popleft() if self._planned[to] else ACCEPTED
        if receipt.outcome in (Outcome.ACCEPTED, Outcome.UNCERTAIN):
            self.mails.append(mail.data)
        if receipt.outcome is Outcome.ACCEPTED:
            self.sent.append(Sent(to, *self._composed[mail.data], mail.envelope))
        return receipt


class FakeSendRates(LocalSendRates):
    """Keeps to rates in memory; time passes only where a test says so."""

    def __init__(self) -> None:
        self.passed = 0.0  # seconds
        super().__init__(self)

    def now(self) -> datetime:
        """Return the instant at which all began, later by what has passed."""
        return datetime(2027, 1, 1, tzinfo=UTC) + timedelta(seconds=self.passed)

    def monotonic(self) -> float:
        """Return how many seconds have passed."""
        return self.passed

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.passed += seconds


class FakeRenderer:
    """Renders every template as one line that says which it was, for whom and until when."""

    def __init__(self, *templates: str) -> None:
        self._templates = frozenset(templates)

    def refresh(self) -> None:
        """Do nothing: nothing changes."""

    def templates(self) -> frozenset[str]:
        """Return the names given at the start."""
        return self._templates

    def languages(self) -> tuple[str, ...]:
        """Return the one that it speaks."""
        return ("en",)

    def render(self, template: str, context: NoticeContext) -> Letter:
        """Return the line as subject, text and HTML."""
        line = f"{template} for {context.account_id} until {context.deadline.isoformat()}"
        return Letter(line, line, f"<p>{line}</p>", version=self.version(template, context.locale))

    def specimen(self, template: str, locale: str) -> Letter:
        """Return a line that is for nobody."""
        line = f"{template} for nobody"
        return Letter(line, line, f"<p>{line}</p>", version=self.version(template, locale))

    def source(self, name: str) -> Source:
        """Say that there is none."""
        raise NotFound(f"there is no text {name!r}")

    def version(self, template: str, locale: str) -> TemplateVersion:  # noqa: ARG002
        """Return one for each template."""
        return TemplateVersion(template, "en", {}, sha256(template.encode()).digest())

    def together(self, letters: Sequence[Letter], locale: str) -> Letter:  # noqa: ARG002
        """Return their lines, one after the other."""
        lines = [letter.subject for letter in letters]
        html = "".join(letter.html for letter in letters)
        return Letter(f"{lines[0]}, and {len(lines) - 1} more", "\n".join(lines), html)

    def short(self, template: str, context: NoticeContext) -> str:
        """Return the line."""
        return self.render(template, context).subject

    def short_test(self, locale: str) -> str:
        """Return a line that says so."""
        return f"test in {locale}"

    def brief(self, brief: Brief) -> str:
        """Return a line that says for whom it is, and in which state."""
        return f"<p>{brief.standing.account_id}: {brief.standing.state}</p>"

    def describe(self, date: AccountDate) -> tuple[str, str]:
        """Return the deprecation as title, and its state as text."""
        return date.deprecation, date.state

    def name(self, calendar: AccountCalendar) -> str:
        """Return the name of the account."""
        return calendar.account_name


@dataclass(frozen=True, slots=True)
class Posted:
    """A request that the fake client made."""

    url: str
    headers: Mapping[str, str]
    body: bytes


class FakeWebhookClient:
    """Keeps requests instead of posting them; answers as planned, else 200."""

    def __init__(self) -> None:
        self.posted: list[Posted] = []
        self._planned: deque[Answer] = deque()

    def plan(self, *answers: Answer) -> None:
        """Answer the next requests so, one each, then 200 again."""
        self._planned.extend(answers)

    def post(self, address: Address, headers: Mapping[str, str], body: bytes) -> Answer:
        """Keep the request."""
        self.posted.append(Posted(address.url, dict(headers), body))
        return self._planned.popleft() if self._planned else Answer(200, "200 OK")


class FakeVerdictStore:
    """Keeps records in memory."""

    def __init__(self) -> None:
        self.empty()
        self._begun = 0

    def empty(self) -> None:
        """Lose everything, as a store that is flushed."""
        self._records: dict[str, Record] = {}
        self._sync: Sync | None = None
        self._complete = False

    def restart(self) -> None:
        """Come back with the same records, which may be old."""
        self._sync = None
        self._complete = False

    def write(self, records: Sequence[Record]) -> None:
        """Keep records whose version is above that of the record there."""
        for record in records:
            there = self._records.get(record.key_id)
            if there is None or there.version < record.version:
                self._records[record.key_id] = record

    def read(self, key_id: str) -> Record | None:
        """Return the record of a key, or None."""
        return self._records.get(key_id)

    def unfinished_sync(self) -> Sync | None:
        """Return the sync that is under way, or None; begin one where a full copy is missing."""
        if self._sync is None and not self._complete:
            self._begun += 1
            self._sync = Sync(f"sync-{self._begun}", "")
        return self._sync

    def advance(self, sync: Sync, cursor: str) -> None:
        """Note how far a sync has come."""
        if self._sync == sync:
            self._sync = Sync(sync.name, cursor)

    def finish(self, sync: Sync) -> None:
        """Declare the store complete."""
        if self._sync == sync:
            self._sync, self._complete = None, True


class FakeTaskQueue:
    """Remembers what was rung; while ``broken``, nobody hears it."""

    def __init__(self) -> None:
        self.rings: list[str] = []  # task names, in order
        self.broken = False

    def ring(self, task: str) -> bool:
        """Remember the ring, and say whether the broker took it."""
        if not self.broken:
            self.rings.append(task)
        return not self.broken


class FakeAlerts:
    """Keeps what operators were told; while ``broken`` names an address, that one does not take it.

    An address is its own id.
    """

    def __init__(self, *addresses: str) -> None:
        self.told: list[tuple[str, Alert]] = []  # to whom and what, in order
        self.broken: set[str] = set()
        self._addresses = addresses

    def addresses(self) -> Sequence[str]:
        """Return the names given at the start."""
        return self._addresses

    def tell(self, alert: Alert, without: Collection[str] = ()) -> Told:
        """Keep what each address was told that takes it."""
        asked = [address for address in self._addresses if address not in without]
        reached = [address for address in asked if address not in self.broken]
        self.told += [(address, alert) for address in reached]
        return Told(frozenset(reached), tuple(a for a in asked if a in self.broken))


class FakeUsageStream:
    """Both ends of the stream, in memory; while ``broken``, neither answers."""

    def __init__(self) -> None:
        self.broken = False
        self.deaf = False  # batches arrive, but whoever sent them is not told
        self._entries: dict[str, StreamEntry] = {}
        self._given = 0

    def empty(self) -> None:
        """Lose everything, as a server that is flushed; names begin anew."""
        self._entries.clear()
        self._given = 0

    def read(self, limit: int) -> Sequence[StreamEntry]:
        """Read the first entries."""
        self._answer()
        return list(self._entries.values())[:limit]

    def forget(self, names: Sequence[str]) -> None:
        """Take entries out."""
        self._answer()
        for name in names:
            self._entries.pop(name, None)

    def put(self, batch: UseBatch | None, why: str = "") -> None:
        """Append a batch, or what is none."""
        self._given += 1
        name = f"{self._given}-0"
        self._entries[name] = StreamEntry(name, batch, why)

    async def append(self, batch: UseBatch) -> None:
        """Append a batch."""
        self._answer()
        self.put(batch)
        if self.deaf:
            raise Unavailable("the fake usage stream says nothing")

    async def close(self) -> None:
        """Do nothing: there are no connections."""

    def _answer(self) -> None:
        if self.broken:
            raise Unavailable("the fake usage stream does not answer")
