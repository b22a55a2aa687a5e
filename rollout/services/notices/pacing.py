"""Keep to what the mail servers of a domain take: our own limits, and what they ask for."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Sequence

from rollout.domain.notices import NoticeState
from rollout.domain.notices.rates import MailRates, domain_of
from rollout.services.notices.bundles import Bundle, Sealed, Written
from rollout.services.ports import Outcome, Receipt, StartUnitOfWork
from rollout.services.ports.notice_ledger import Ended
from rollout.services.ports.send_rates import Allowance, SendRates, Wanted


class Pacing:
    """Puts off what would be too much for a domain; that counts as no attempt."""

    def __init__(self, start: StartUnitOfWork, rates: SendRates, limits: MailRates) -> None:
        self._start = start
        self._rates = rates
        self._limits = limits
        self._slowed: set[str] = set()  # domains that are tried again after a pause

    def admit(self, ready: Sequence[Bundle]) -> Sequence[Bundle]:
        """Return the letters that may go now, in their order; the others are given back."""
        if not ready:
            return ready
        by_domain: defaultdict[str, list[Bundle]] = defaultdict(list)
        for bundle in ready:
            by_domain[domain_of(bundle.lead.email)].append(bundle)
        allowed = self._rates.ask(
            {domain: Wanted(len(b), self._limits.of(domain)) for domain, b in by_domain.items()}
        )
        self._slowed |= {d for d, allowance in allowed.items() if allowance.slowed}
        late = [
            ended
            for domain, letters in by_domain.items()
            for ended in self._put_off(domain, letters, allowed[domain])
        ]
        if not late:
            return ready
        with self._start() as uow:
            uow.ledger.finish(late)
            uow.commit()
        waiting = {ended.leased.notice_id for ended in late}
        return [bundle for bundle in ready if bundle.lead.notice_id not in waiting]

    def heed(self, sealed: Sealed, receipt: Receipt, rest: deque[Written]) -> deque[Written]:
        """Return which of the rest of a batch may still go after what was said of a letter."""
        if receipt.throttled:
            return self._slow_down(domain_of(sealed.bundle.lead.email), rest)
        if self._slowed and receipt.outcome is Outcome.ACCEPTED:
            domain = domain_of(sealed.bundle.lead.email)
            if domain in self._slowed:
                self._slowed.discard(domain)
                self._rates.resume(domain)
        return rest

    def _slow_down(self, domain: str, rest: deque[Written]) -> deque[Written]:
        self._rates.pause(domain)
        there = [each.bundle for each in rest if domain_of(each.bundle.lead.email) == domain]
        out = {bundle.lead for bundle in there} - {bundle.lead for bundle in self.admit(there)}
        return deque(each for each in rest if each.bundle.lead not in out)

    def _put_off(self, domain: str, letters: Sequence[Bundle], allowance: Allowance) -> list[Ended]:
        why = (
            f"{domain} has asked for less mail for now"
            if allowance.paused
            else f"{domain} gets at most {self._limits.of(domain)}"
        )
        return [
            Ended(leased, NoticeState.RETRY, why, allowance.wait + place * allowance.between)
            for place, bundle in enumerate(letters[allowance.letters :])
            for leased in bundle.notices
        ]
