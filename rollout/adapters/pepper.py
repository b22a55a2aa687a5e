"""The pepper: the key under which secrets are digested. It never enters the database (K0)."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from rollout.domain.errors import BadInput, Unavailable

MIN_LENGTH = 16


def load_pepper(configured: str | None, data_dir: Path) -> bytes:
    """Return the configured pepper, or the one that this data directory keeps for trying out."""
    if configured is not None:
        if len(configured) < MIN_LENGTH:
            raise BadInput(
                f"ROLLOUT_PEPPER has {len(configured)} characters, it needs {MIN_LENGTH}",
                fix="make one with `openssl rand -hex 32`, and keep it: digests depend on it",
            )
        return configured.encode()
    path = data_dir / "pepper"
    try:
        return _kept(path)
    except OSError as error:
        raise Unavailable(
            f"cannot keep a pepper in {path}: {error.strerror}",
            fix="set ROLLOUT_PEPPER, or make the directory writable",
        ) from error


def _kept(path: Path) -> bytes:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        # exclusive creation: of two commands that start at once, one makes it, both use it
        file = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
    except FileExistsError:
        return path.read_bytes()
    with os.fdopen(file, "wb") as handle:
        handle.write(secrets.token_hex(32).encode())
    return path.read_bytes()
