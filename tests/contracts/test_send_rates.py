"""One suite for the rates that all workers share, and for those of one process alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

import pytest
import redis

from rollout.adapters.clock import SystemClock
from rollout.adapters.send_rates import ValkeySendRates
from rollout.adapters.send_rates.shared import rate_key
from rollout.domain.notices.rates import FIRST_PAUSE, LONGEST_PAUSE, Rate
from rollout.services.ports.send_rates import Allowance, SendRates, Wanted
from rollout.testing import FakeSendRates

HERE, THERE = "acme.example", "beta.example"
# Slow enough for no token to come in while a test runs, and a token is a minute.
SLOW = Rate(1, "min")
FAST = Rate(5, "s")
MINUTE = timedelta(minutes=1)
SOON = timedelta(seconds=2)  # more than a call takes


@dataclass
class Subject:
    rates: SendRates
    pass_time: Callable[[timedelta], object]

    def ask(self, letters: int, limit: Rate | None = None, domain: str = HERE) -> Allowance:
        return self.rates.ask({domain: Wanted(letters, limit)})[domain]


@pytest.fixture(params=["fake", "real"])
def subject(request: pytest.FixtureRequest) -> Subject:
    if request.param == "fake":
        fake = FakeSendRates()
        return Subject(fake, lambda passed: fake.sleep(passed.total_seconds()))
    valkey = request.getfixturevalue("valkey")
    return Subject(
        ValkeySendRates(valkey, SystemClock()), lambda passed: make_older(valkey, passed)
    )


def make_older(valkey: redis.Redis, passed: timedelta) -> None:
    """Let what Valkey knows have happened earlier: its clock cannot be set."""
    for key in valkey.scan_iter(rate_key("*")):
        left = valkey.pttl(key) - passed / timedelta(milliseconds=1)
        if left <= 0:
            valkey.delete(key)
            continue
        valkey.pexpire(key, round(left))
        for field in ("at", "tail", "paused"):
            if (at := valkey.hget(key, field)) is not None:
                valkey.hset(key, field, float(at) - passed.total_seconds())


def nearly(wait: timedelta, wanted: timedelta) -> bool:
    return wanted - SOON < wait <= wanted


def test_without_a_limit_everything_may_go(subject: Subject) -> None:
    assert subject.ask(10_000).letters == 10_000


def test_after_a_silence_what_two_seconds_allow_may_go_at_once(subject: Subject) -> None:
    assert subject.ask(3, FAST) == Allowance(3, wait=timedelta(0), between=MINUTE / 300)
    assert subject.ask(50, FAST).letters == 7


def test_of_a_slow_rate_two_may_go_at_once(subject: Subject) -> None:
    assert [subject.ask(1, SLOW).letters for _ in range(3)] == [1, 1, 0]


def test_what_is_too_much_is_told_to_come_one_after_the_other(subject: Subject) -> None:
    first, second = subject.ask(5, SLOW), subject.ask(2, SLOW)

    assert (first.letters, second.letters) == (2, 0)
    assert first.between == second.between == MINUTE
    assert nearly(first.wait, MINUTE)
    assert nearly(second.wait, 4 * MINUTE)  # behind those three


def test_whoever_comes_when_told_gets_through_and_no_more_than_those(subject: Subject) -> None:
    subject.ask(5, SLOW)
    for _ in range(3):
        subject.pass_time(MINUTE)
        assert [subject.ask(1, SLOW).letters for _ in range(2)] == [1, 0]


def test_turns_that_nobody_takes_are_given_away_anew(subject: Subject) -> None:
    subject.ask(1_000, SLOW)
    subject.pass_time(5 * MINUTE)

    assert nearly(subject.ask(3, SLOW).wait, MINUTE)


def test_a_rate_is_a_domains_own(subject: Subject) -> None:
    asked = {HERE: Wanted(3, SLOW), THERE: Wanted(3, FAST), "c.example": Wanted(9)}
    allowed = subject.rates.ask(asked)

    assert {d: a.letters for d, a in allowed.items()} == {HERE: 2, THERE: 3, "c.example": 9}
    assert subject.ask(1, FAST, THERE).letters == 1


@pytest.mark.parametrize("limit", [None, FAST])
def test_a_domain_that_asks_for_less_gets_nothing_for_a_while(
    subject: Subject, limit: Rate | None
) -> None:
    subject.rates.pause(HERE)
    paused = subject.ask(3, limit)

    assert (paused.letters, paused.paused, paused.slowed) == (0, True, True)
    assert nearly(paused.wait, FIRST_PAUSE)
    assert subject.ask(3, limit, THERE).letters == 3

    subject.pass_time(FIRST_PAUSE)
    after = subject.ask(3, limit)
    assert (after.letters, after.paused, after.slowed) == (3, False, True)


def test_those_that_a_pause_puts_off_do_not_come_back_all_at_once(subject: Subject) -> None:
    subject.rates.pause(HERE)
    first, second = subject.ask(100), subject.ask(1)

    assert first.between == timedelta(seconds=0.1)
    assert nearly(second.wait, FIRST_PAUSE + timedelta(seconds=10))


def pauses(subject: Subject, times: int) -> list[timedelta]:
    """Ask for less so many times, each time as soon as the pause is over; return how long each."""
    found = []
    for _ in range(times):
        subject.rates.pause(HERE)
        found.append(timedelta(minutes=round(subject.ask(1).wait / MINUTE)))
        subject.pass_time(found[-1])
    return found


def test_each_pause_in_a_row_is_twice_as_long_up_to_the_longest(subject: Subject) -> None:
    assert pauses(subject, 6) == [n * MINUTE for n in (1, 2, 4, 8, 15, 15)]
    assert timedelta(minutes=15) == LONGEST_PAUSE


def test_letters_under_way_that_are_told_the_same_do_not_make_it_longer(subject: Subject) -> None:
    for _ in range(5):
        subject.rates.pause(HERE)

    assert nearly(subject.ask(1).wait, FIRST_PAUSE)


def test_a_letter_taken_after_the_pause_breaks_the_row(subject: Subject) -> None:
    assert pauses(subject, 3)[-1] == 4 * MINUTE
    subject.rates.resume(HERE)

    assert not subject.ask(1).slowed
    assert pauses(subject, 1) == [MINUTE]


def test_a_letter_that_was_under_way_when_the_pause_began_breaks_nothing(subject: Subject) -> None:
    subject.rates.pause(HERE)
    subject.rates.resume(HERE)
    assert subject.ask(1).paused

    subject.pass_time(FIRST_PAUSE)
    assert pauses(subject, 1) == [2 * MINUTE]


def test_of_a_domain_that_nothing_is_known_of_there_is_nothing_to_break(subject: Subject) -> None:
    subject.rates.resume(HERE)

    assert subject.ask(1) == subject.ask(1, None, THERE)
