"""What the services need of the world, as Protocols.

``adapters/`` implements them; ``rollout/testing.py`` ships a fake of each one that is not the
database. The database is never faked: tests run on a real one (docs/decisions/0003).
"""

from rollout.services.ports.counts import BulkFeed, Counting, Counts
from rollout.services.ports.feeds import Keyless, LastUse, Log, Reading, Unreadable, UsageFeed
from rollout.services.ports.mail import (
    Letter,
    Mail,
    Mailer,
    MailSession,
    Outcome,
    Receipt,
    Renderer,
    Source,
    TemplateVersion,
)
from rollout.services.ports.task_queue import TaskQueue
from rollout.services.ports.unit_of_work import StartUnitOfWork, UnitOfWork
from rollout.services.ports.usage_stream import (
    StreamEntry,
    UsageSink,
    UsageStream,
    UseBatch,
    UseSum,
)
from rollout.services.ports.verdicts import Sync, VerdictStore

__all__ = [
    "BulkFeed",
    "Counting",
    "Counts",
    "Keyless",
    "LastUse",
    "Letter",
    "Log",
    "Mail",
    "MailSession",
    "Mailer",
    "Outcome",
    "Reading",
    "Receipt",
    "Renderer",
    "Source",
    "StartUnitOfWork",
    "StreamEntry",
    "Sync",
    "TaskQueue",
    "TemplateVersion",
    "UnitOfWork",
    "Unreadable",
    "UsageFeed",
    "UsageSink",
    "UsageStream",
    "UseBatch",
    "UseSum",
    "VerdictStore",
]
