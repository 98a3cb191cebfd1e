"""The doctor where a side cannot be reached, or what it was given is no such thing."""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Iterator
from types import SimpleNamespace
from typing import cast

import psycopg
import pytest
from doctor_visits import PASSWORD, amiss, look, only
from landscapes import Landscape

from runner import doctor
from runner.doctor import Finding, examine
from runner.doctor.checks import OF_PRIMARY, dbt_environment
from runner.doctor.findings import Given, Server, is_local
from runner.doctor.servers import (
    pooler,
)
from runner.servers.contract import ContractError, Table
from runner.servers.database import Connection, Database

# --- sides that cannot be reached -------------------------------------------------------------


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port on which nobody listens."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.mark.parametrize("side", ["primary", "replica"])
def test_an_unreachable_side_is_a_finding(
    landscape: Landscape, closed_port: int, side: str
) -> None:
    gone = Database(side, f"postgresql://trader:{PASSWORD}@127.0.0.1:{closed_port}/nowhere")
    reached = {"primary": landscape.primary, "replica": landscape.replica}
    reached[side] = gone
    findings = examine(reached["primary"], reached["replica"])
    found = only(findings, "connection")
    assert (found.level, found.side) == ("wrong", side)
    assert "signal-marts up" in found.mend
    other = "replica" if side == "primary" else "primary"
    assert {each.side for each in findings} == {"here", side, other}
    assert PASSWORD not in json.dumps([dataclasses.asdict(each) for each in findings])


@pytest.mark.parametrize(
    ("change", "mend"),
    [
        ({"password": PASSWORD}, "set user and password in PRIMARY_URL"),
        ({"dbname": "nowhere"}, "name another one in PRIMARY_URL"),
    ],
)
def test_why_a_side_is_not_reached(landscape: Landscape, change: dict[str, str], mend: str) -> None:
    url = psycopg.conninfo.make_conninfo(landscape.primary.url, **change)
    findings = examine(Database("primary", url), landscape.replica)
    found = only(findings, "connection")
    assert mend in found.mend
    assert PASSWORD not in json.dumps([dataclasses.asdict(each) for each in findings])


def test_a_url_that_is_none_is_a_finding(landscape: Landscape) -> None:
    findings = examine(
        Database("primary", f"postgres//u:{PASSWORD}@h/d"),
        landscape.replica,
        f"postgres//u:{PASSWORD}@h/d",
    )
    assert [(each.check, each.mend) for each in amiss(findings)] == [
        ("connection", "set PRIMARY_URL anew"),
        ("environment", "set REPLICATION_URL anew"),
    ]
    assert PASSWORD not in json.dumps([dataclasses.asdict(each) for each in findings])


def test_a_side_that_is_lost_on_the_way(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    def end(server: Server, _: Given) -> Iterator[Finding]:
        pid = server.connection.info.backend_pid
        landscape.on_primary(f"select pg_terminate_backend({pid}, 10000)")
        server.connection.execute("select 1")
        yield from ()

    monkeypatch.setitem(cast("dict[str, object]", OF_PRIMARY), "pooler", end)
    findings = look(landscape)
    found = only(findings, "pooler")
    assert (found.level, found.side) == ("wrong", "primary")
    assert found.text.startswith("the connection was lost: ")
    # Its later checks, and those of both sides, are left out.
    assert {each.side for each in findings if each.check == "encryption"} == {"replica"}
    assert "two databases" not in {each.check for each in findings}


def test_sources_that_cannot_be_read(landscape: Landscape, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreadable() -> tuple[Table, ...]:
        raise ContractError("models/staging/ai/_sources.yml is not YAML")

    monkeypatch.setattr(doctor, "read_contract", unreadable)
    found = only(look(landscape), "contract")
    assert (found.level, found.side) == ("wrong", "here")


def test_a_pooler_answers_with_another_process(landscape: Landscape) -> None:
    answer = SimpleNamespace(fetchone=lambda: (2,))
    pooled = SimpleNamespace(
        info=SimpleNamespace(backend_pid=1), execute=lambda query, parameters: answer
    )
    server = Server(landscape.primary, cast(Connection, pooled))
    (found,) = pooler(server, Given((), None))
    assert found.level == "wrong"
    assert "the server's direct URL" in found.mend


@pytest.mark.parametrize(
    ("host", "address", "expected"),
    [
        ("/tmp", "", True),  # noqa: S108 - a socket's folder
        ("", "", True),
        ("localhost", "", True),
        ("::1", "", True),
        ("db.example", "127.0.0.1", True),
        ("db.example", "10.0.0.1", False),
        ("db.example", "", False),
    ],
)
def test_which_hosts_are_this_machine(host: str, address: str, expected: bool) -> None:
    assert is_local(host, address) is expected


@pytest.mark.parametrize(
    ("environment", "level"),
    [
        ({}, "ok"),
        ({"PGHOST": "h", "PGPORT": "1", "PGUSER": "u", "PGDATABASE": "d"}, "ok"),
        ({"PGHOST": "h", "PGPORT": "1", "PGUSER": "u", "PGDATABASE": "trading"}, "warning"),
        # What is not set has the default of profiles.yml.
        ({"PGHOST": "h"}, "warning"),
    ],
)
def test_where_a_plain_dbt_would_go(environment: dict[str, str], level: str) -> None:
    replica = {"host": "h", "port": "1", "user": "u", "dbname": "d", "password": PASSWORD}
    (found,) = dbt_environment(replica, environment | {"PGPASSWORD": PASSWORD})
    assert found.level == level
    if found.mend:
        assert "export PGHOST=h PGPORT=1 PGUSER=u PGDATABASE=d" in found.mend
    assert PASSWORD not in found.text + found.mend
