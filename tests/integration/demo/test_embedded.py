"""The embedded pair on real servers: its promises, and its behaviour after accidents."""

from __future__ import annotations

import fcntl
import json
import os
import socket
import stat
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import children
import psutil
import psycopg
import pytest
from embedded_servers import ask, kill, secret_of

from runner.demo import embedded, embedded_system
from runner.demo.embedded import EmbeddedPair, EmbeddedServer


@pytest.fixture
def pair(made_pair: EmbeddedPair) -> EmbeddedPair:
    """A pair that runs; tests of one version share it."""
    made_pair.up()
    return made_pair


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


def test_a_later_process_with_the_same_id_is_not_taken_for_the_server(
    pair: EmbeddedPair,
) -> None:
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
