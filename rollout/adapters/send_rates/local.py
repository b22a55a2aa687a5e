"""The rates of one process, in memory."""

from __future__ import annotations

import math
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from rollout.domain.clock import Clock
from rollout.domain.notices.rates import AFTER_A_PAUSE, FIRST_PAUSE, LONGEST_PAUSE
from rollout.services.ports.send_rates import Allowance, Wanted

# Of more domains, those are forgotten that nothing has been heard of for an hour.
MANY = 10_000
AN_HOUR = 3600.0
ROUNDING = 1e-6  # of a token


@dataclass(slots=True)
class _Domain:
    """What is known of a domain; instants are seconds of the monotonic clock."""

    tokens: float
    at: float  # when that was so
    tail: float  # until when turns have been given away
    paused: float = 0.0  # until when
    pause: float = 0.0  # how long the last one was; none since it took a letter: 0


class LocalSendRates:
    """Implements ``services.ports.send_rates`` for the threads of a process."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._domains: dict[str, _Domain] = {}
        self._one_at_a_time = threading.Lock()

    def ask(self, wanted: Mapping[str, Wanted]) -> Mapping[str, Allowance]:
        """Allow letters to each of these domains."""
        with self._one_at_a_time:
            now = self._clock.monotonic()
            self._forget(now)
            return {domain: self._ask(domain, each, now) for domain, each in wanted.items()}

    def pause(self, domain: str) -> None:
        """Note that a domain has asked for less."""
        with self._one_at_a_time:
            now = self._clock.monotonic()
            known = self._domains.setdefault(domain, _Domain(math.inf, now, now))
            if now >= known.paused:
                pause = max(2 * known.pause, FIRST_PAUSE.total_seconds())
                known.pause = min(pause, LONGEST_PAUSE.total_seconds())
                known.paused = known.tail = now + known.pause

    def resume(self, domain: str) -> None:
        """Note that a domain has taken a letter after its pause."""
        with self._one_at_a_time:
            known = self._domains.get(domain)
            if known and self._clock.monotonic() >= known.paused:
                known.pause = 0.0

    def _ask(self, domain: str, wanted: Wanted, now: float) -> Allowance:
        known = self._domains.get(domain)
        if known is None:
            if wanted.limit is None:
                return Allowance(wanted.letters)
            known = self._domains[domain] = _Domain(wanted.limit.at_once, now, now)
        rate = wanted.limit or AFTER_A_PAUSE
        paused = now < known.paused
        given, first = wanted.letters, now
        if paused:
            given, first = 0, max(known.paused, known.tail)
        elif wanted.limit:
            tokens = min(rate.at_once, known.tokens + (now - known.at) * rate.per_second)
            if tokens >= rate.at_once:
                known.tail = now
            given = min(wanted.letters, int(tokens + ROUNDING))
            known.tokens, known.at = tokens - given, now
            first = max(known.tail, now + (1 - known.tokens) / rate.per_second)
        if given < wanted.letters:
            known.tail = first + (wanted.letters - given) / rate.per_second
        return Allowance(
            given,
            wait=timedelta(seconds=first - now),
            between=timedelta(seconds=1 / rate.per_second),
            paused=paused,
            slowed=known.pause > 0,
        )

    def _forget(self, now: float) -> None:
        if len(self._domains) > MANY:
            self._domains = {
                domain: known
                for domain, known in self._domains.items()
                if max(known.at, known.tail, known.paused) > now - AN_HOUR
            }
