"""Feeds: one reader per log format, behind ``services.ports.UsageFeed``."""

from __future__ import annotations

from enum import StrEnum

from rollout.adapters.feeds.cloudtrail import CloudTrail
from rollout.adapters.feeds.combined import Combined
from rollout.services.ports import UsageFeed


class LogFormat(StrEnum):
    """How logs are written."""

    CLOUDTRAIL = "cloudtrail"
    COMBINED = "combined"


FEEDS: dict[LogFormat, UsageFeed] = {
    LogFormat.CLOUDTRAIL: CloudTrail(),
    LogFormat.COMBINED: Combined(),
}
