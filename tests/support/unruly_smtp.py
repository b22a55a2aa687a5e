"""A mail server that goes wrong at random, in every phase and in every way.

It refuses, puts off, closes, hangs, hangs up, answers late or too late, takes a letter and dies,
and has spells in which it wants no mail at all.
"""

from __future__ import annotations

import random
import re
import threading
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import replace

from tests.support.smtp_server import (
    ACCEPT_THEN_DIE,
    DROP,
    STALL,
    Act,
    Phase,
    Received,
    SmtpServer,
    say,
)

PATIENCE = 0.4  # seconds that a sender should wait for a reply
LATE, TOO_LATE = PATIENCE / 4, PATIENCE * 2
CLOSED = say("421 4.3.2 Closing")
THROTTLED = say("421 4.7.0 Too much mail from you, slow down")
GREYLISTED = say("450 4.7.1 Greylisted, come again")
HANGING = replace(STALL, after=10 * PATIENCE)
SPELL = 10  # so many are turned away in a row

_EVERYWHERE = {"closed": CLOSED, "hanging up": DROP, "hanging": HANGING}
_WAYS: dict[Phase, dict[str, Act]] = {
    Phase.CONNECT: _EVERYWHERE | {"refused": say("554 5.3.2 Not you")},
    Phase.EHLO: _EVERYWHERE | {"put off": say("451 4.3.0 Later")},
    Phase.MAIL: _EVERYWHERE
    | {"put off": say("452 4.3.1 Full"), "refused": say("550 5.7.1 Not from you")},
    Phase.RCPT: _EVERYWHERE
    | {
        "greylisted": GREYLISTED,
        "throttled": say("451 4.7.1 Rate limited, too many messages to this domain"),
        "refused": say("550 5.1.1 No such user"),
    },
    Phase.DATA: _EVERYWHERE
    | {"put off": say("451 4.3.0 Later"), "refused": say("554 5.5.1 None of it")},
    Phase.TEXT: {"hanging up": DROP, "hanging": HANGING},
    Phase.DOT: _EVERYWHERE
    | {
        "put off": say("451 4.3.0 Later"),
        "refused": say("554 5.6.0 Not such letters"),
        "accepting and dying": ACCEPT_THEN_DIE,
    },
}
_SPELLS = {Phase.CONNECT: ("throttling", THROTTLED), Phase.RCPT: ("greylisting", GREYLISTED)}
_DELAYS = {"late": LATE, "too late": TOO_LATE}
WAYS: dict[Phase, tuple[str, ...]] = {
    phase: (
        *ways,
        *(() if phase is Phase.TEXT else _DELAYS),
        *([_SPELLS[phase][0]] if phase in _SPELLS else []),
    )
    for phase, ways in _WAYS.items()
}


class Mischief:
    """Says when and how the servers go wrong: each way is had before any comes again."""

    def __init__(self, seed: str, often: Mapping[Phase, float]) -> None:
        """Take how often, from 0 to 1, they go wrong in each phase."""
        self.done: Counter[tuple[Phase, str]] = Counter()
        self._chance = random.Random(seed)
        self._often = often
        self._to_come: defaultdict[Phase, list[str]] = defaultdict(list)
        self._one_at_a_time = threading.Lock()

    def next(self, phase: Phase) -> str | None:
        """Return how a server goes wrong now, or None: it does not."""
        with self._one_at_a_time:
            if self._chance.random() >= self._often.get(phase, 0):
                return None
            if not self._to_come[phase]:
                self._to_come[phase] = self._chance.sample(WAYS[phase], len(WAYS[phase]))
            way = self._to_come[phase].pop()
            self.done[phase, way] += 1
            return way


class UnrulyServer(SmtpServer):
    """Goes wrong as mischief has it; counts what has arrived, by Message-ID."""

    def __init__(self, mischief: Mischief) -> None:
        super().__init__()
        self.arrived: Counter[str] = Counter()
        self._mischief = mischief
        self._turned_away: Counter[Phase] = Counter()

    def keep(self, received: Received) -> None:
        with self._arrived:
            self.arrived[message_id(received)] += 1

    def next_act(self, phase: Phase, usual: str | None) -> Act:
        act = super().next_act(phase, usual)
        if act.first:
            return act
        if self._turned_away[phase] > 0:
            self._turned_away[phase] -= 1
            return _SPELLS[phase][1]
        way = self._mischief.next(phase)
        if way is None:
            return act
        if way in _DELAYS:
            return replace(act, after=_DELAYS[way])
        if way in _WAYS[phase]:
            return _WAYS[phase][way]
        self._turned_away[phase] = SPELL
        return _SPELLS[phase][1]


def message_id(received: Received) -> str:
    """Read the Message-ID without taking the letter apart: there are ten thousand."""
    found = re.search(rb"^Message-ID:\s+(\S+)", received.raw, re.MULTILINE)
    assert found
    return found[1].decode()
