"""The rates of all workers, in Valkey: a hash for each domain that there is anything to know of."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import TypeVar

import redis
import structlog

from rollout.adapters.send_rates.local import ROUNDING, LocalSendRates
from rollout.domain.clock import Clock
from rollout.domain.notices.rates import AFTER_A_PAUSE, FIRST_PAUSE, LONGEST_PAUSE
from rollout.services.ports.send_rates import Allowance, Wanted

log = structlog.get_logger()

SLOWED = "rollout:mail-slowed"  # there while any domain may be in a pause, or fresh out of one
SILENCE = 10.0  # seconds for which a Valkey that has not answered is not asked again

Answer = TypeVar("Answer")

_PRELUDE = """
local time = redis.call('TIME')
local now = time[1] + time[2] / 1000000
local function written(number) return string.format('%.6f', number) end
local function keep(key, seconds)
  redis.call('PEXPIRE', key, math.max(math.ceil(seconds * 1000), redis.call('PTTL', key)))
end
"""
# Of each domain: how many letters, how many go in a second, and at once (0: there is no limit).
ASK = f"""
{_PRELUDE}
local answers = {{}}
for i, key in ipairs(KEYS) do
  local letters, per_second = tonumber(ARGV[3 * i - 2]), tonumber(ARGV[3 * i - 1])
  local at_once = tonumber(ARGV[3 * i])
  local known = redis.call('HMGET', key, 'tokens', 'at', 'tail', 'paused', 'pause')
  local tokens, at = tonumber(known[1] or at_once), tonumber(known[2] or now)
  local tail, paused = tonumber(known[3] or now), tonumber(known[4] or 0)
  local given, first = letters, now
  if now < paused then
    given, first = 0, math.max(paused, tail)
  elseif at_once > 0 then
    tokens = math.min(at_once, tokens + math.max(0, now - at) * per_second)
    if tokens >= at_once then tail = now end
    given = math.min(letters, math.floor(tokens + {ROUNDING}))
    tokens = tokens - given
    first = math.max(tail, now + (1 - tokens) / per_second)
    redis.call('HSET', key, 'tokens', written(tokens), 'at', written(now), 'tail', written(tail))
    keep(key, at_once / per_second)
  end
  if given < letters then
    tail = first + (letters - given) / per_second
    redis.call('HSET', key, 'tail', written(tail))
    keep(key, tail - now)
  end
  answers[i] = {{given, written(first - now), now < paused and 1 or 0, known[5] and 1 or 0}}
end
return answers
"""
# How long the first pause is, and the longest: so long it is remembered after its end.
PAUSE = f"""
{_PRELUDE}
local known = redis.call('HMGET', KEYS[1], 'paused', 'pause')
if now >= tonumber(known[1] or 0) then
  local longest = tonumber(ARGV[2])
  local pause = math.min(math.max(2 * (known[2] or 0), tonumber(ARGV[1])), longest)
  redis.call('HSET', KEYS[1], 'paused', written(now + pause), 'pause', written(pause))
  redis.call('HDEL', KEYS[1], 'tail')
  keep(KEYS[1], pause + longest)
  redis.call('SET', KEYS[2], '', 'KEEPTTL')
  keep(KEYS[2], pause + longest)
end
"""
RESUME = f"""
{_PRELUDE}
if now >= tonumber(redis.call('HGET', KEYS[1], 'paused') or 0) then
  redis.call('HDEL', KEYS[1], 'paused', 'pause')
end
"""


def rate_key(domain: str) -> str:
    """Return the name under which lies what is known of a domain."""
    return f"rollout:mail-rate:{domain}"


class ValkeySendRates:
    """Implements ``services.ports.send_rates`` for all workers.

    While Valkey does not answer, this process keeps to the same rates by itself. The client should
    be one that does not wait for long.
    """

    def __init__(self, client: redis.Redis, clock: Clock) -> None:
        self._client = client
        self._clock = clock
        self._ask = client.register_script(ASK)
        self._pause = client.register_script(PAUSE)
        self._resume = client.register_script(RESUME)
        self._alone = LocalSendRates(clock)
        self._silent_until: float | None = None  # by the monotonic clock; None: it answers
        self._one_at_a_time = threading.Lock()

    def ask(self, wanted: Mapping[str, Wanted]) -> Mapping[str, Allowance]:
        """Allow letters to each of these domains, by one round trip for all.

        Where nothing is limited, that costs next to nothing.
        """
        return self._either(lambda: self._ask_valkey(wanted), lambda: self._alone.ask(wanted))

    def pause(self, domain: str) -> None:
        """Note that a domain has asked for less."""
        lengths = [FIRST_PAUSE.total_seconds(), LONGEST_PAUSE.total_seconds()]
        self._either(
            lambda: self._pause(keys=[rate_key(domain), SLOWED], args=lengths),
            lambda: self._alone.pause(domain),
        )

    def resume(self, domain: str) -> None:
        """Note that a domain has taken a letter after its pause."""
        self._either(
            lambda: self._resume(keys=[rate_key(domain)]), lambda: self._alone.resume(domain)
        )

    def _ask_valkey(self, wanted: Mapping[str, Wanted]) -> Mapping[str, Allowance]:
        if not (any(each.limit for each in wanted.values()) or self._client.exists(SLOWED)):
            return {domain: Allowance(each.letters) for domain, each in wanted.items()}
        rates = [each.limit or AFTER_A_PAUSE for each in wanted.values()]
        answers = self._ask(
            keys=[rate_key(domain) for domain in wanted],
            args=[
                number
                for each, rate in zip(wanted.values(), rates, strict=True)
                for number in (
                    each.letters,
                    rate.per_second,
                    rate.at_once if each.limit else 0,
                )
            ],
        )
        return {
            domain: Allowance(
                given,
                wait=timedelta(seconds=float(wait)),
                between=timedelta(seconds=1 / rate.per_second),
                paused=bool(paused),
                slowed=bool(slowed),
            )
            for domain, rate, (given, wait, paused, slowed) in zip(
                wanted, rates, answers, strict=True
            )
        }

    def _either(self, shared: Callable[[], Answer], alone: Callable[[], Answer]) -> Answer:
        silent = self._silent_until
        if silent is not None and self._clock.monotonic() < silent:
            return alone()
        try:
            answer = shared()
        except redis.RedisError as error:
            self._note_silence(error)
            return alone()
        if silent is not None:
            self._note_answer()
        return answer

    def _note_silence(self, error: redis.RedisError) -> None:
        with self._one_at_a_time:
            if self._silent_until is None:
                log.warning("mail-rates.not-shared", why=str(error), until="Valkey answers")
            self._silent_until = self._clock.monotonic() + SILENCE

    def _note_answer(self) -> None:
        with self._one_at_a_time:
            if self._silent_until is not None:
                log.warning("mail-rates.shared-again")
            self._silent_until = None
