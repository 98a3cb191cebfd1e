"""The doctor on two real servers: quiet where all is well, and each planted fault with its mend."""

from __future__ import annotations

import dataclasses
import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import psycopg
import pytest
from click.testing import CliRunner
from landscapes import VERSION, Landscape
from psycopg import sql

from runner import doctor
from runner.cli import cli
from runner.doctor import Finding, examine
from runner.doctor import servers as doctor_servers
from runner.doctor.checks import OF_PRIMARY, dbt_environment, lock_finding
from runner.doctor.findings import Given, Server, is_local
from runner.doctor.replication import base_backups_finding, route_finding
from runner.doctor.servers import (
    RETAINED_BYTES,
    clock_finding,
    encryption_finding,
    pooler,
    room_finding,
    slot_finding,
    version_finding,
    wal_level_finding,
)
from runner.errors import Failure
from runner.servers.contract import ContractError, Table
from runner.servers.database import Connection, Database

PASSWORD = "not-to-be-told-7Qx"  # noqa: S105 - of roles that a test makes


def look(landscape: Landscape) -> list[Finding]:
    return examine(landscape.primary, landscape.replica)


def amiss(findings: list[Finding], *levels: str) -> list[Finding]:
    return [each for each in findings if each.level in (levels or ("wrong", "unknown", "warning"))]


def only(findings: list[Finding], check: str) -> Finding:
    """The one finding of a check that is not well; all others are."""
    found = amiss(findings)
    assert [each.check for each in found] == [check], found
    return found[0]


@pytest.mark.parametrize("kind", ["landscape", "one_server"])
def test_a_healthy_landscape_is_well(kind: str, request: pytest.FixtureRequest) -> None:
    landscape: Landscape = request.getfixturevalue(kind)
    assert amiss(look(landscape)) == []
    landscape.deploy()
    findings = look(landscape)
    assert amiss(findings) == []
    told = {(each.check, each.side): each.text for each in findings}
    assert told["migrations", "primary"].endswith("applied")
    assert told["replication", "both"].startswith("11 tables, ")
    assert told["two databases", "both"] == (
        "on one server" if kind == "one_server" else "on two servers"
    )


def test_nothing_is_written(landscape: Landscape, monkeypatch: pytest.MonkeyPatch) -> None:
    """The servers refuse writes to the doctor, and hand out no transaction id to it."""
    landscape.deploy()
    connect = Database.connect
    refused: list[str] = []

    @contextmanager
    def observed(self: Database, **given: Any) -> Iterator[Connection]:
        with connect(self, **given) as connection:
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
                connection.execute("create table written (id bigint)")
            refused.append(self.side)
            yield connection
            assert connection.execute("show default_transaction_read_only").fetchone() == ("on",)

    def transaction_ids() -> list[object]:
        statement = "select pg_snapshot_xmax(pg_current_snapshot())::text"
        return [landscape.execute(side, statement) for side in ("primary", "replica")]

    for _ in range(5):
        # A server's own housekeeping may take an id in between, but not every time.
        before = transaction_ids()
        with monkeypatch.context() as patched:
            patched.setattr(Database, "connect", observed)
            look(landscape)
        if transaction_ids() == before:
            break
    else:
        pytest.fail("transaction ids were handed out each time")
    assert {"primary", "replica"} == set(refused)


# --- faults of the platform and of what was deployed ------------------------------------------


@pytest.mark.parametrize(
    ("fault", "text", "mend"),
    [
        (
            "alter table trading_stats drop column net_profit",
            "column public.trading_stats.net_profit is missing (wanted: numeric)",
            "_sources.yml",
        ),
        (
            "alter table trading_orders rename to orders",
            "table public.trading_orders is missing",
            "_sources.yml",
        ),
        (
            "alter table trading_stats drop constraint trading_stats_pkey cascade",
            "table public.trading_stats has no primary key, so its updates cannot be replicated",
            "alter table public.trading_stats add primary key (id);",
        ),
    ],
)
def test_what_the_platform_lacks(landscape: Landscape, fault: str, text: str, mend: str) -> None:
    landscape.on_primary(fault)
    found = only(look(landscape), "platform")
    assert (found.level, found.side, found.text) == ("wrong", "primary", text)
    assert mend in found.mend


@pytest.mark.parametrize(
    ("side", "fault", "check", "level", "text", "mend"),
    [
        (
            "primary",
            "update ai_migration_ledger set apply_sha256 = repeat('0', 64)"
            " where migration_id = '0002_ai_models'",
            "migrations",
            "wrong",
            "0002_ai_models.sql was edited after it was applied",
            "put the file back",
        ),
        (
            "primary",
            "insert into yoyo_lock (locked, ctime, pid) values (1, '2024-05-06 07:08:09', 4711)",
            "yoyo lock",
            "warning",
            "yoyo's lock is held by process 4711 of some machine, since 2024-05-06 07:08:09 UTC",
            "delete from public.yoyo_lock where pid = 4711;",
        ),
        (
            "primary",
            "alter table ai_trading_signals drop constraint ai_trading_signals_pattern_id_fkey",
            "foreign keys",
            "warning",
            "ai_trading_signals.pattern_id points at no table",
            'foreign key (pattern_id) references "public"."micro_patterns" (id)',
        ),
        (
            "primary",
            "alter role ai_writer createdb bypassrls",
            "roles",
            "wrong",
            "ai_writer has more than it needs: createdb, bypassrls",
            "alter role ai_writer nocreatedb nobypassrls;",
        ),
        (
            "replica",
            "grant select (id) on trading_orders to bi_reader",
            "roles",
            "wrong",
            'bi_reader can read landing tables: "public"."trading_orders"',
            'revoke all on "public"."trading_orders" from bi_reader, public;',
        ),
        (
            "replica",
            "create role auditor login; grant pg_read_all_data to auditor",
            "roles",
            "warning",
            "auditor can read the passwords of the runner's own logins (signal_marts.logins), and "
            "so write to marts",
            'revoke pg_read_all_data from "auditor";',
        ),
        (
            "replica",
            "create schema performance; create table performance.trades (id bigint);"
            "grant select, delete on performance.trades to bi_reader",
            "roles",
            "wrong",
            "bi_reader can write to marts: performance.trades",
            "revoke insert, update, delete, truncate on performance.trades from bi_reader, public;",
        ),
        (
            "primary",
            "alter publication signal_marts set (publish = 'insert')",
            "replication",
            "wrong",
            "the publication is not as the sources say",
            "run signal-marts deploy",
        ),
        (
            "replica",
            "alter subscription signal_marts disable",
            "replication",
            "wrong",
            "the subscription is disabled",
            "run signal-marts deploy",
        ),
    ],
)
def test_what_happened_since_the_deploy(
    landscape: Landscape, side: str, fault: str, check: str, level: str, text: str, mend: str
) -> None:
    landscape.deploy()
    landscape.execute(side, fault)
    try:
        found = only(look(landscape), check)
        assert (found.level, found.side, found.text) == (level, side, text)
        assert mend in found.mend
        if found.mend.endswith(";"):
            # What can be pasted, mends.
            statement = found.mend.rpartition(": ")[2]
            landscape.execute(side, statement)
            assert amiss(look(landscape)) == []
    finally:
        # Roles outlive the databases of a test.
        landscape.on_primary("alter role ai_writer nocreatedb nobypassrls")
        landscape.on_replica("drop role if exists auditor")


def test_a_column_of_ours_that_is_gone(landscape: Landscape) -> None:
    landscape.deploy()
    landscape.on_primary(
        "alter publication signal_marts drop table ai_models;"
        "alter table ai_models drop column config cascade"
    )
    found = amiss(look(landscape), "wrong")
    assert [each.text for each in found if each.check == "ai tables"] == [
        "column public.ai_models.config is missing (wanted: jsonb)"
    ]


def test_a_replica_that_cannot_log_in(landscape: Landscape) -> None:
    landscape.deploy()
    login = f"signal_marts_{landscape.replica.parameters()['dbname']}"
    landscape.on_primary(f"alter role {login} nologin; revoke replicator from {login}")
    found = only(look(landscape), "replicator")
    assert found.level == "wrong"
    assert found.mend == f'alter role "{login}" login; grant replicator to "{login}";'
    landscape.on_primary(found.mend)
    assert amiss(look(landscape)) == []


def test_a_replicator_that_others_use(landscape: Landscape) -> None:
    """What a deploy would refuse, the doctor says beforehand."""
    landscape.deploy()
    landscape.on_primary("comment on role replicator is 'the standby''s'")
    try:
        found = only(look(landscape), "replicator")
        assert found.level == "wrong"
        assert "that Signal Marts did not make" in found.text
        assert "REPLICATION_URL" in found.mend
    finally:
        landscape.on_primary("comment on role replicator is 'made by signal-marts'")


def test_a_slot_that_nobody_reads_is_named(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    landscape.on_primary("select pg_create_logical_replication_slot('elsewhere', 'pgoutput')")
    try:
        (noted,) = [each for each in look(landscape) if each.check == "slots"]
        assert noted.level == "ok"
        monkeypatch.setattr(doctor_servers, "RETAINED_BYTES", -1)
        found = only(look(landscape), "slots")
        assert found.level == "warning"
        assert "nobody reads slot elsewhere (trading_" in found.text
        assert "select pg_drop_replication_slot('elsewhere');" in found.mend
    finally:
        landscape.on_primary("select pg_drop_replication_slot('elsewhere')")


def test_a_transaction_that_is_long_open(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor_servers, "LONG_IDLE_SECONDS", 0)
    with landscape.primary.connect(application="a trader's notebook") as connection:
        connection.execute("select 1")
        found = only(look(landscape), "transactions")
        assert found.level == "warning"
        assert "(postgres a trader's notebook)" in found.text
        assert f"select pg_terminate_backend({connection.info.backend_pid});" in found.mend


def test_a_replica_with_tables_of_its_own(landscape: Landscape) -> None:
    landscape.on_replica("create table micro_patterns (id bigint primary key)")
    found = only(look(landscape), "landing tables")
    assert found.text.endswith("in the way: public.micro_patterns")
    assert "create database analytics;" in found.mend


def test_one_database_cannot_be_both_sides(landscape: Landscape) -> None:
    twin = dataclasses.replace(landscape.primary, side="replica")
    found = {each.check: each for each in amiss(examine(landscape.primary, twin), "wrong")}
    assert "same database" in found["two databases"].text
    assert "REPLICA_URL" in found["two databases"].mend


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


# --- logins that may not ----------------------------------------------------------------------


@pytest.fixture
def limited(landscape: Landscape) -> Iterator[Landscape]:
    """The landscape through logins that may do nothing but connect."""
    name = "doctor_test_login"
    databases = (landscape.primary, landscape.replica)
    for database in databases:
        with database.connect() as connection:
            connection.execute(
                sql.SQL("create role {} login password {}").format(
                    sql.Identifier(name), sql.Literal(PASSWORD)
                )
            )
    urls = [
        psycopg.conninfo.make_conninfo(database.url, user=name, password=PASSWORD)
        for database in databases
    ]
    yield Landscape(Database("primary", urls[0]), Database("replica", urls[1]))
    for database in reversed(databases):
        with database.connect() as connection:
            connection.execute(f"reassign owned by {name} to current_user")
            connection.execute(f"drop owned by {name}")
            connection.execute(f"drop role {name}")


def test_what_a_limited_login_may_not_do_can_be_mended_by_pasting(
    landscape: Landscape, limited: Landscape
) -> None:
    findings = look(limited)
    found = amiss(findings, "wrong")
    assert {(each.check, each.side) for each in found} == {
        ("privileges", "primary"),
        ("privileges", "replica"),
        ("replicator", "primary"),
    }
    texts = "\n".join(each.text for each in found)
    for expected in (
        "may not make the replication slot",
        "does not own public.micro_patterns",
        "may not let a foreign key point at public.trade_plans",
        "may not create a publication",
        "may not create the AI tables",
        "may not create a subscription",
        "may not create landing tables in schema public",
        "may not make a login with REPLICATION",
    ):
        assert expected in texts
    assert PASSWORD not in json.dumps([dataclasses.asdict(each) for each in findings])
    # The second look finds what only shows once the first faults are mended.
    for _ in range(2):
        for each in amiss(look(limited)):
            statement = each.mend.rpartition("or: ")[2]
            if each.check == "replicator" and VERSION < 16:
                # There, no login but a superuser can.
                statement = "alter role doctor_test_login superuser"
            landscape.execute(each.side, statement)
    assert amiss(look(limited)) == []
    # What the doctor calls well, a deploy can do.
    assert limited.deploy()
    assert amiss(look(limited)) == []


def test_what_a_limited_login_cannot_see_is_unknown(
    landscape: Landscape, limited: Landscape
) -> None:
    landscape.deploy()
    findings = look(limited)
    unknown = {(each.check, each.side) for each in amiss(findings, "unknown")}
    assert ("migrations", "primary") in unknown
    assert ("transactions", "primary") in unknown
    assert "may not keep yoyo's books" in "\n".join(each.text for each in findings)


# --- what the shared pair cannot show ---------------------------------------------------------


@pytest.mark.parametrize(
    ("found", "level", "mend"),
    [
        (version_finding("primary", 14), "wrong", "upgrade the server"),
        (version_finding("primary", 15), "ok", ""),
        (version_finding("replica", 19), "warning", "upgrade signal-marts"),
        (wal_level_finding("replica"), "wrong", "alter system set wal_level = 'logical';"),
        (
            room_finding("primary", "s", used=9, total=10, needed=1, wanted=3, why=""),
            "warning",
            "alter system set s = 12;",
        ),
        (
            room_finding("primary", "s", used=10, total=10, needed=1, wanted=3, why=""),
            "wrong",
            "alter system set s = 13;",
        ),
        (
            encryption_finding("replica", is_local=False, is_encrypted=False, mode="prefer"),
            "warning",
            "sslmode=verify-full&sslrootcert=system to REPLICA_URL",
        ),
        (
            encryption_finding("replica", is_local=False, is_encrypted=True, mode="require"),
            "ok",
            "nobody can pose as the server",
        ),
        (
            encryption_finding("replica", is_local=False, is_encrypted=True, mode="verify-full"),
            "ok",
            "",
        ),
        (encryption_finding("replica", is_local=True, is_encrypted=False, mode=""), "ok", ""),
        (clock_finding("primary", "this machine", -1.5, 0.1), "warning", "NTP"),
        (clock_finding("primary", "this machine", 1.5, 0.6), "ok", ""),
        (slot_finding("it's", "d", "extended", RETAINED_BYTES + 1), "warning", "slot('it''s');"),
        (slot_finding("lost", "d", "lost", None), "ok", "pg_drop_replication_slot('lost');"),
        (
            route_finding(primary_is_local=True, replica_is_local=False, is_given=False),
            "wrong",
            "set REPLICATION_URL",
        ),
        (route_finding(primary_is_local=True, replica_is_local=False, is_given=True), "ok", ""),
        (route_finding(primary_is_local=True, replica_is_local=True, is_given=False), "ok", ""),
        (
            base_backups_finding("me", [(3, "127.0.0.1", "trust"), (4, "10.0.0.0", "md5")]),
            "warning",
            'host replication "me" all reject',
        ),
        (
            base_backups_finding(
                "me", [(3, "local", "peer"), (4, "all", "reject"), (5, "all", "md5")]
            ),
            "ok",
            "",
        ),
        (lock_finding(-7, datetime.now(UTC), is_alive=True), "ok", ""),
        (lock_finding(-7, None, is_alive=False), "warning", "yoyo_lock where pid = -7;"),
    ],
)
def test_levels_and_mends(found: Finding, level: str, mend: str) -> None:
    assert found.level == level
    assert mend in found.mend
    assert bool(found.mend) or level == "ok"


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


# --- the command ------------------------------------------------------------------------------


def test_the_command_tells_it_and_fails_on_what_is_wrong(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PRIMARY_URL", landscape.primary.url)
    monkeypatch.setenv("REPLICA_URL", landscape.replica.url)
    well = CliRunner().invoke(cli, ["doctor"])
    assert well.exit_code == 0
    assert well.stdout.splitlines()[-1].endswith("0 warning, 0 wrong, 0 unknown")
    landscape.on_primary("alter table trading_orders rename to orders")
    ill = CliRunner().invoke(cli, ["doctor", "--json"])
    assert isinstance(ill.exception, Failure)
    assert ill.exception.exit_code == 1
    told = json.loads(ill.stdout)
    assert told["counts"]["wrong"] == 1
    assert [each["text"] for each in told["findings"] if each["level"] == "wrong"] == [
        "table public.trading_orders is missing"
    ]
    shown = CliRunner().invoke(cli, ["doctor"]).stdout
    assert "✗ primary" in shown
    assert "→ where your platform names" in shown
