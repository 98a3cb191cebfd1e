"""The doctor on two real servers: quiet where all is well, and faults that test_faults_of_setup.py
cannot plant on its pair."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from click.testing import CliRunner
from doctor_visits import amiss, look, only
from landscapes import Landscape

from runner.cli import cli
from runner.doctor import examine
from runner.doctor import servers as doctor_servers
from runner.errors import Failure
from runner.servers.database import Connection, Database


@pytest.mark.parametrize("kind", ["landscape", "one_server"])
def test_a_healthy_landscape_is_well(kind: str, request: pytest.FixtureRequest) -> None:
    landscape: Landscape = request.getfixturevalue(kind)
    assert amiss(look(landscape)) == []
    landscape.deploy()
    findings = look(landscape)
    assert amiss(findings) == []
    told = {(each.check, each.side): each.text for each in findings}
    assert told["migrations", "primary"].endswith("applied")
    assert told["replication", "both"].startswith("13 tables, ")
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
            "platform.yml",
        ),
        (
            "alter table trading_orders rename to orders",
            "table public.trading_orders is missing",
            "platform.yml",
        ),
    ],
)
def test_what_the_platform_lacks(landscape: Landscape, fault: str, text: str, mend: str) -> None:
    landscape.on_primary(fault)
    found = only(look(landscape), "platform")
    assert (found.level, found.side, found.text) == ("wrong", "primary", text)
    assert mend in found.mend


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
