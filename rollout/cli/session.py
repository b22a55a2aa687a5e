"""How a command gets at the services: settings from the environment, wired by bootstrap."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from rollout.bootstrap import Rollout, bootstrap
from rollout.settings import Settings


def read_settings() -> Settings:
    """Read the settings from the environment."""
    return Settings.from_environment(os.environ)


@contextmanager
def open_rollout(*, database_may_be_down: bool = False) -> Iterator[Rollout]:
    """Open everything a command needs, and close it afterwards."""
    with bootstrap(read_settings(), database_may_be_down=database_may_be_down) as rollout:
        yield rollout
