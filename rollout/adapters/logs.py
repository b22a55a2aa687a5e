"""Logging: one line per event, as text on a terminal and as JSON elsewhere."""

from __future__ import annotations

import logging
import sys

import structlog


def configure_logging() -> None:
    """Set up logging for a process; libraries speak from WARNING on."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr, format="%(name)s: %(message)s")
    for handler in logging.getLogger().handlers:
        handler.addFilter(without_traceback_of_lost_rings)
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer()
        if sys.stderr.isatty()
        else structlog.processors.JSONRenderer()
    )
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            renderer,
        ],
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
    )


def without_traceback_of_lost_rings(record: logging.LogRecord) -> bool:
    """Say in one line that a message could not be acknowledged; for ``logging.Filter``.

    kombu adds a traceback when the broker dies in just that moment. Messages are only rings: one
    that comes again costs nothing.
    """
    if str(record.msg).startswith("Couldn't ack"):
        record.exc_info = record.exc_text = None
    return True
