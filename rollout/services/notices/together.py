"""Lets threads share what is dear: a transaction for all who ask at about the same time."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import Generic, TypeVar

Question = TypeVar("Question")
Answer = TypeVar("Answer")


# Seconds for which the first waits for others, where others there were: so are twice as many
# answered at once. PostgreSQL's commit_delay works the same way.
COMPANY = 0.002


class Together(Generic[Question, Answer]):
    """Answers one thread after the other, but those that wait meanwhile all at once.

    Who comes alone after one who was alone is answered without delay. What fails, fails for all who
    asked together.
    """

    def __init__(self, answer: Callable[[Sequence[Question]], Sequence[Answer]]) -> None:
        self._answer = answer
        self._waiting: deque[tuple[Question, Future[Answer]]] = deque()
        self._turn = threading.Lock()
        self._in_company = False

    def ask(self, question: Question) -> Answer:
        """Return the answer, or raise what went wrong."""
        mine = Future[Answer]()
        self._waiting.append((question, mine))
        with self._turn:
            if not mine.done():  # or else whose turn it was before has answered for us
                if self._in_company:
                    time.sleep(COMPANY)
                self._answer_all()
        return mine.result()

    def _answer_all(self) -> None:
        asked = [self._waiting.popleft() for _ in range(len(self._waiting))]
        self._in_company = len(asked) > 1
        try:
            answers = self._answer([question for question, _ in asked])
        except BaseException as error:  # noqa: BLE001 - each who asked raises it
            for _, future in asked:
                future.set_exception(error)
        else:
            for (_, future), answer in zip(asked, answers, strict=True):
                future.set_result(answer)
