"""Where embedded servers live: directories, the system user, and what can be wrong with them."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import logging
import os
import pwd
import re
import shutil
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from rollout.domain.errors import BadInput, RolloutError, Unavailable

SYSTEM_USER = "pgserver"  # as the wheel's own launcher names it
# What a URL need not quote, and a system takes: 103 bytes on macOS, 107 on Linux, less our names.
_GOOD_FOR_SOCKETS = re.compile(r"[A-Za-z0-9/._-]{1,85}")

_log = logging.getLogger(__name__)


@contextmanager
def explained(data_dir: Path) -> Iterator[None]:
    """Turn an error of the file system into one that says what, where and the way out."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise disk_full(data_dir) from error
        raise BadInput(
            f"embedded servers cannot use {error.filename or data_dir}: {error.strerror}",
            fix="let the user who runs Rollout (for root: also the system user"
            f" {SYSTEM_USER}) read and write there, or set ROLLOUT_DATA_DIR to another directory",
        ) from error


def disk_full(data_dir: Path) -> RolloutError:
    """Say how full the disk of ``data_dir`` is."""
    free = shutil.disk_usage(data_dir).free / 1024**2
    return Unavailable(
        f"the disk of {data_dir} is full: {free:.1f} MB free",
        fix="free some 200 MB there, or set ROLLOUT_DATA_DIR to a directory on another disk",
    )


def make_data_dir(data_dir: Path) -> None:
    """Create the data directory; as root, passable for the system user."""
    if data_dir.exists() and not data_dir.is_dir():
        raise BadInput(
            f"the data directory {data_dir} is not a directory",
            fix="move that file away, or set ROLLOUT_DATA_DIR to another directory",
        )
    data_dir.mkdir(mode=0o711 if os.geteuid() == 0 else 0o700, parents=True, exist_ok=True)


def run_dir(data_dir: Path) -> Path:
    """Return the directory of the sockets: short, and nothing in it that a URL must quote."""
    run = data_dir / "run"
    if _GOOD_FOR_SOCKETS.fullmatch(str(run)):
        return run
    digest = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:16]
    # Not $TMPDIR: all commands must meet. make_private_dir refuses a directory of somebody else.
    return Path(f"/tmp/rollout-{digest}")  # noqa: S108  # see above


def make_private_dir(path: Path, owner: tuple[int, int]) -> None:
    """Create a directory that only ``owner`` (uid, gid) enters; refuse one of somebody else."""
    path.mkdir(mode=0o700, exist_ok=True)
    found = path.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), owner[0]}:
        raise BadInput(
            f"{path} belongs to somebody else (user id {found.st_uid})",
            fix=f"remove {path}, or set ROLLOUT_DATA_DIR to another directory",
        )
    path.chmod(0o700)
    os.chown(path, *owner)


def server_owner() -> tuple[int, int]:
    """Return (uid, gid) for PostgreSQL, which refuses to run as root: then a system user's."""
    if os.geteuid() != 0:
        return os.geteuid(), os.getegid()
    return system_user(SYSTEM_USER)


def system_user(name: str) -> tuple[int, int]:
    """Return (uid, gid) of a system user that is made if need be; only root can do that."""
    if owner := _ids_of(name):
        return owner
    command = ["useradd", "--system", "--user-group", "--shell", "/usr/sbin/nologin", name]
    with _users_for_ourselves():
        if _ids_of(name) is None:
            with suppress(OSError):
                subprocess.run(command, check=False, capture_output=True)  # noqa: S603  # our own
    if owner := _ids_of(name):
        return owner
    raise Unavailable(
        f"PostgreSQL cannot run as root, and the system user {name} cannot be made",
        fix=f"run Rollout as another user, or first run: {' '.join(command)}",
    )


def let_pass(directory: Path) -> None:
    """As root: let the system user pass through (not list) a directory and those above it."""
    if os.geteuid() != 0:
        return
    for each in (directory, *directory.parents):
        mode = each.stat().st_mode
        if not mode & stat.S_IXOTH:
            _log.warning("chmod o+x %s: PostgreSQL's user %s must pass through", each, SYSTEM_USER)
            each.chmod(mode | stat.S_IXOTH)


@contextmanager
def _users_for_ourselves() -> Iterator[None]:
    """Let no other start make a user meanwhile.

    In a container, of two that run useradd at once both may succeed, with different ids.
    """
    descriptor = os.open("/etc", os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _ids_of(name: str) -> tuple[int, int] | None:
    try:
        user = pwd.getpwnam(name)
    except KeyError:
        return None
    return user.pw_uid, user.pw_gid
