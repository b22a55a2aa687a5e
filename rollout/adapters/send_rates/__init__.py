"""How fast each domain gets letters: agreed upon in Valkey, or else within this process.

Both fill a bucket of tokens for each domain at its rate, and each letter takes one. Those that find
none are sent away with times that follow on each other (``tail``), so that thousands come back one
by one and not all in a moment. They do not own these times: a bucket that is full again shows that
nobody comes at his time any more, and the next times begin now.
"""

from __future__ import annotations

from rollout.adapters.send_rates.local import LocalSendRates
from rollout.adapters.send_rates.shared import ValkeySendRates

__all__ = ["LocalSendRates", "ValkeySendRates"]
