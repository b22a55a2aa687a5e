"""Threads that wait for a transaction share the next one."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from rollout.services.notices import together
from rollout.services.notices.together import Together
from tests.support.processes import wait_until


class Slow:
    """Answers twice a number, once it may; one that is asked for nothing fails."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.may_answer = threading.Event()
        self.together = Together(self.answer)

    def answer(self, numbers: Sequence[int]) -> list[int]:
        self.asked.append(sorted(numbers))
        assert self.may_answer.wait(10)
        if 0 in numbers:
            raise ZeroDivisionError
        return [2 * number for number in numbers]

    def ask_meanwhile(
        self, pool: ThreadPoolExecutor, numbers: Sequence[int]
    ) -> tuple[Future[int], list[Future[int]]]:
        """Ask for 1, and while that is being answered for the others; then let it answer."""
        first = pool.submit(self.together.ask, 1)
        wait_until(lambda: self.asked == [[1]])
        others = [pool.submit(self.together.ask, number) for number in numbers]
        wait_until(lambda: len(self.together._waiting) == len(numbers))
        self.may_answer.set()
        return first, others


@pytest.fixture
def slow() -> Slow:
    return Slow()


def test_who_comes_alone_is_answered_alone(slow: Slow) -> None:
    slow.may_answer.set()
    assert [slow.together.ask(number) for number in (1, 2)] == [2, 4]
    assert slow.asked == [[1], [2]]


def test_those_who_come_while_another_is_answered_are_answered_at_once(slow: Slow) -> None:
    with ThreadPoolExecutor(8) as pool:
        first, others = slow.ask_meanwhile(pool, range(2, 9))
        assert [future.result() for future in (first, *others)] == [2, 4, 6, 8, 10, 12, 14, 16]
    assert slow.asked == [[1], [2, 3, 4, 5, 6, 7, 8]]


def test_in_company_the_first_waits_a_moment_for_the_others(
    slow: Slow, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(together, "COMPANY", 0.5)
    with ThreadPoolExecutor(3) as pool:
        first, others = slow.ask_meanwhile(pool, (2, 3))
        assert [each.result() for each in (first, *others)] == [2, 4, 6]
        list(pool.map(slow.together.ask, (4, 5)))
    assert slow.asked == [[1], [2, 3], [4, 5]]


def test_what_fails_fails_for_those_who_asked_together_and_for_nobody_else(slow: Slow) -> None:
    with ThreadPoolExecutor(3) as pool:
        first, others = slow.ask_meanwhile(pool, (0, 2))
        assert first.result() == 2
        for future in others:
            with pytest.raises(ZeroDivisionError):
                future.result()
    assert slow.together.ask(3) == 6


def test_each_gets_its_own_answer_however_many_ask(slow: Slow) -> None:
    slow.may_answer.set()
    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(slow.together.ask, range(1, 2_001)))
    assert answers == [2 * number for number in range(1, 2_001)]
