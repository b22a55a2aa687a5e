"""What libraries log is one line where a traceback would say no more."""

from __future__ import annotations

import logging

import pytest

from rollout.adapters.logs import without_traceback_of_lost_rings

REFUSED = ConnectionError("refused")


def logged(message: str) -> str:
    why = (ConnectionError, REFUSED, None)
    record = logging.LogRecord("kombu", logging.CRITICAL, "", 0, message, (7, REFUSED), why)
    assert without_traceback_of_lost_rings(record)
    return logging.Formatter("%(message)s").format(record)


@pytest.mark.parametrize(
    ("message", "with_traceback"),
    [("Couldn't ack %r, reason:%r", False), ("Task %r failed: %r", True)],
)
def test_a_ring_that_could_not_be_acknowledged_is_one_line_and_a_failure_is_not(
    message: str, *, with_traceback: bool
) -> None:
    assert ("\n" in logged(message)) == with_traceback
