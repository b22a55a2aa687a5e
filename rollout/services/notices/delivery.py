"""Hand notices to the mail server and record, for each, exactly how it ended."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta

from rollout.domain.audit import ROLLOUT, Fact
from rollout.domain.errors import BadInput
from rollout.domain.notices import NoticeContext, NoticeState
from rollout.domain.notices.envelope import Envelopes
from rollout.domain.notices.sending import count_letters
from rollout.services.notices.bundles import Bundle, Sealed, Written, bundles, proof
from rollout.services.notices.pacing import Pacing
from rollout.services.notices.reading_hours import next_reading
from rollout.services.notices.recording import action_of, conclude, fact_of, give_up, record, unsent
from rollout.services.notices.together import Together
from rollout.services.notices.versions import VersionBook
from rollout.services.ports import (
    Letter,
    Mail,
    Mailer,
    MailSession,
    Outcome,
    Receipt,
    Renderer,
    StartUnitOfWork,
    UnitOfWork,
)
from rollout.services.ports.mail import PEACE
from rollout.services.ports.notice_ledger import Ended, Leased, Reaped

BATCH = 50
CONFIRM_BATCH = 1_000
LEASE = timedelta(minutes=2)  # from the claim to the first byte, for a batch
# RFC 5321, section 4.5.3.2.6: the reply after the final dot may take ten minutes. A notice that
# is being sent is nobody else's until well after that.
SENDING_LEASE = timedelta(minutes=12)
A_DAY = timedelta(days=1)

# What was sent last over a connection, and what is to be sent next.
Turn = tuple[tuple[Sealed, Receipt] | None, Sealed | None]


class NoticeDelivery:
    """The sweep that sends."""

    def __init__(
        self,
        start: StartUnitOfWork,
        renderer: Renderer,
        mailer: Mailer | None,
        grace: timedelta,
        envelopes: Envelopes,
        per_day: int | None = None,
        pacing: Pacing | None = None,
    ) -> None:
        self._start = start
        self._renderer = renderer
        self._mailer = mailer
        self._grace = grace
        self._envelopes = envelopes
        self._per_day = per_day
        self._pacing = pacing
        self._ledger = Together(self._write)
        self._versions = VersionBook(start, renderer)
        self._idle = True  # as far as is known

    def sweep(self) -> int:
        """Send one batch; return how many notices it took.

        None where the server wants no more for now. Without a mailer, notices wait.
        """
        if self._mailer is None:
            return 0
        if self._idle:
            with self._start() as uow:
                if not uow.ledger.any_due():
                    return 0
        self._renderer.refresh()
        with self._start() as uow:
            batch = uow.ledger.lease(BATCH, LEASE)
            self._idle = not batch
            if not batch:
                return 0
            contexts = uow.notices.contexts([n.notice_id for n in batch], uow.now())
            held = self._held(uow, batch, contexts)
            uow.commit()
        ready = bundles(n for n in batch if n.notice_id not in held)
        if self._pacing:
            ready = self._pacing.admit(ready)
        with self._mailer.session() as session:  # which connects with its first letter
            letters = list(self._letters(session, ready, contexts))
            return len(batch) if self._send(session, letters) else 0

    def confirm(self) -> int:
        """Call delivered what has not bounced within the grace time; return how many.

        From here on a deadline is a promise (T0).
        """
        with self._start() as uow:
            delivered = uow.ledger.confirm(self._grace, CONFIRM_BATCH)
            if delivered:
                uow.cutoff.look_again([enrollment_id for enrollment_id, _ in delivered])
            uow.commit()
            return len(delivered)

    def reap(self) -> int:
        """Take back what a dead worker had; return how many notices."""
        with self._start() as uow:
            reaped = uow.ledger.reap()
            if reaped:
                counts = Counter(notice.state for notice in reaped)
                facts = [Fact(ROLLOUT, "notices.reaped", "notices:all", None, counts)]
                half_sent = [notice for notice in reaped if notice.state != NoticeState.PENDING]
                facts += [_fact_of_reaped(notice) for notice in half_sent]
                uow.audit.append(facts)
                uow.sending.count(count_letters(_lost(reaped)))
                uow.commit()
            return len(reaped)

    def _held(
        self, uow: UnitOfWork, batch: Sequence[Leased], contexts: Mapping[int, NoticeContext]
    ) -> frozenset[int]:
        """Put off what came to its turn in its reader's night, or is too much for a day."""
        now = uow.now()
        documents = {n: uow.plan.deprecation(n) for n in {leased.deprecation for leased in batch}}
        later = []
        for leased in batch:
            reader = contexts[leased.notice_id]
            document = documents[leased.deprecation]
            at = next_reading(document, leased.step, reader.zone, reader.deadline, now)
            if at > now:
                why = "in the reader's own hours"
                later.append(Ended(leased, NoticeState.RETRY, why, at - now))
        return uow.ledger.finish(later) | uow.ledger.finish(self._too_many(uow, batch, now))

    def _too_many(self, uow: UnitOfWork, batch: Sequence[Leased], now: datetime) -> list[Ended]:
        """Put off what is not required, and would be one letter more than its reader may get."""
        if self._per_day is None:
            return []
        goes_anyhow = {leased.email.lower() for leased in batch if leased.required}
        asked = {leased.email.lower() for leased in batch} - goes_anyhow
        got = uow.ledger.letters_since(asked, now - A_DAY)
        why = f"more than {self._per_day} a day would be too many"
        return [
            Ended(leased, NoticeState.RETRY, why, letters[-self._per_day] + A_DAY - now)
            for leased in batch
            if len(letters := got.get(leased.email.lower(), ())) >= self._per_day
        ]

    def _letters(
        self,
        session: MailSession,
        ready: Sequence[Bundle],
        contexts: Mapping[int, NoticeContext],
    ) -> Iterator[Written]:
        """Write the letters, one for each reader; what cannot be written is dead."""
        for bundle in ready:
            written = [(n, self._render(n, contexts[n.notice_id])) for n in bundle.notices]
            told = [(leased, letter) for leased, letter in written if letter is not None]
            told.sort(key=lambda each: contexts[each[0].notice_id].deadline)
            if not told:
                continue
            versions = {
                n.notice_id: self._versions.of(letter, contexts[n.notice_id].locale, session)
                for n, letter in told
            }
            for notices, letter in self._in_one(told, contexts[bundle.lead.notice_id].locale):
                yield Written(Bundle.of(notices), letter, versions)

    def _in_one(
        self, told: Sequence[tuple[Leased, Letter]], locale: str
    ) -> Iterator[tuple[Sequence[Leased], Letter]]:
        """Put letters to one person into one; where that cannot be written, leave them apart."""
        whole = told[0][1]
        if len(told) > 1:
            try:
                whole = self._renderer.together([letter for _, letter in told], locale)
            except BadInput:  # a template of the operator's own: better several than none
                yield from (([leased], letter) for leased, letter in told)
                return
        yield [leased for leased, _ in told], whole

    def _send(self, session: MailSession, letters: Sequence[Written]) -> bool:
        """Send one after the other; between two, record the one and begin the other at once.

        Say whether the server would take more: where it would not, the rest is given back.
        """
        sent: tuple[Sealed, Receipt] | None = None
        rest = deque(letters)
        while rest:
            written = rest.popleft()
            lead = written.bundle.lead
            mail = session.compose(
                to=lead.email,
                message_id=lead.message_id,
                letter=written.letter,
                envelope=self._envelopes.of(lead.notice_id, confirm=written.bundle.required),
            )
            sealed = Sealed.of(written, mail)
            if not self._record(sent, then=sealed):
                sent = None
                continue
            receipt = session.send(mail) if isinstance(mail, Mail) else mail
            sent = sealed, receipt
            if self._pacing:
                rest = self._pacing.heed(sealed, receipt, rest)
            if receipt.closing:
                self._stop(sealed, receipt, rest)
                return False
        if sent:
            self._record(sent)
        return True

    def _render(self, leased: Leased, context: NoticeContext) -> Letter | None:
        try:
            return self._renderer.render(leased.template, context)
        except BadInput as error:
            with self._start() as uow:
                give_up(uow, leased, error.message)
                uow.commit()
            return None

    def _record(self, sent: tuple[Sealed, Receipt] | None, *, then: Sealed | None = None) -> bool:
        """Write what the server said of one letter, and mark the next as being sent.

        Say whether that one may be sent: a lease may be lost, or a schedule have moved.
        """
        return self._ledger.ask((sent, then))

    def _write(self, turns: Sequence[Turn]) -> list[bool]:
        """Record in one transaction for all connections of this process that wait for it.

        None begins a letter before its last one is recorded, so a process that is killed leaves
        one being sent for each of its connections, and no more. What is begun is kept, so that
        whatever may have arrived can be shown.
        """
        with self._start() as uow:
            recorded = record(uow, [sent for sent, _ in turns if sent])
            wanted = [then for _, then in turns if then]
            begun = _begin(uow, wanted)
            whole = [w for w in wanted if all(n.notice_id in begun for n in w.bundle.notices)]
            _leave_out(uow, [w.bundle for w in wanted if w not in whole], begun)
            for bundle in (sealed.bundle for sealed in whole):
                if len(bundle.notices) > 1:
                    uow.ledger.bundle(bundle.notices, bundle.lead)
            uow.letters.keep([letter for sealed in whole for letter in sealed.kept()])
            conclude(uow, recorded)
            uow.commit()
        return [then in whole for _, then in turns]

    def _stop(self, sealed: Sealed, receipt: Receipt, rest: Sequence[Written]) -> None:
        """Give back what the server has not been asked to take; it is left in peace for a while.

        If it has not even heard of this letter, that is no attempt to send it either.
        """
        recorded: Sequence[Ended] = ()
        with self._start() as uow:
            untold = [leased for later in rest for leased in later.bundle.notices]
            if receipt.outcome is Outcome.NO_LINE:
                untold += sealed.bundle.notices
            else:
                recorded = record(uow, [(sealed, receipt)])
            waiting = uow.ledger.give_back(untold, receipt.reply, PEACE)
            if sealed.bundle.lead.notice_id in waiting:  # else somebody says that it is uncertain
                uow.letters.drop([sealed.bundle.lead.letter_id])
            conclude(uow, recorded)
            uow.commit()


def _lost(reaped: Sequence[Reaped]) -> Iterator[tuple[str, int, NoticeState]]:
    """Yield deprecation, letter and state of what may have arrived and is not sent again."""
    for notice in reaped:
        if notice.state == NoticeState.UNCERTAIN:
            yield notice.deprecation, notice.letter, NoticeState.UNCERTAIN


def _begin(uow: UnitOfWork, letters: Sequence[Sealed]) -> frozenset[int]:
    """Mark the notices of some letters as being sent; return those that may be."""
    versions = {
        notice_id: version.version_id
        for sealed in letters
        for notice_id, version in sealed.versions.items()
        if version.version_id is not None
    }
    told = [notice for sealed in letters for notice in sealed.bundle.notices]
    return uow.ledger.begin(told, SENDING_LEASE, versions)


def _fact_of_reaped(notice: Reaped) -> Fact:
    action = action_of(NoticeState(notice.state))
    return fact_of(action, notice, notice.reason, proof(notice.digest, notice.template_version))


def _leave_out(uow: UnitOfWork, stale: Sequence[Bundle], begun: frozenset[int]) -> None:
    """Skip what must not be sent any more; what was to go with it is written anew without it."""
    reason = "out of date when it was to be sent"
    out = [n for bundle in stale for n in bundle.notices if n.notice_id not in begun]
    uow.ledger.finish([Ended(n, unsent(n, NoticeState.SKIPPED), reason) for n in out])
    others = [n for bundle in stale for n in bundle.without({n.notice_id for n in out}).notices]
    if others:
        uow.ledger.give_back(others, "written anew without what was out of date", timedelta(0))
