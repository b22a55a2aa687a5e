"""The stream of what gateways saw, in Valkey: how batches are written down, go in and come out."""

from __future__ import annotations

from rollout.adapters.usage_stream.reader import ValkeyUsageStream
from rollout.adapters.usage_stream.writer import STREAM, ValkeyUsageSink

__all__ = ["STREAM", "ValkeyUsageSink", "ValkeyUsageStream"]
