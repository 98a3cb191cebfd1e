"""Rows that only one side has are found, also while rows are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace

import pytest
from catalogs import database_in
from click.testing import CliRunner
from drills import eventually, heal, trade, wait
from landscapes import Landscape
from psycopg.conninfo import make_conninfo

from runner.cli import cli
from runner.demo.platform import create_platform
from runner.doctor import Finding, examine
from runner.errors import Failure
from runner.replication import comparison, copies, sync
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection
from runner.servers.sides import connected

PASSWORD = "of-changes"  # noqa: S105 - of a role that a test makes
PATTERNS = "public.micro_patterns"
STATS = "public.trading_stats"
ORDERS = "public.trading_orders"


def is_same(landscape: Landscape, name: str) -> bool:
    contract = read_contract()
    (table,) = (each for each in contract if each.qualified == name)
    with connected(landscape.primary, landscape.replica) as sides:
        return comparison.is_same(
            sides.on_primary, sides.on_replica, table, contract, fence_timeout=60
        )


def compared(landscape: Landscape) -> list[str]:
    """What ``status --compare`` says of rows; that a build is missing is another matter."""
    urls = {"PRIMARY_URL": landscape.primary.url, "REPLICA_URL": landscape.replica.url}
    result = CliRunner().invoke(cli, ["status", "--compare"], env=urls)
    assert isinstance(result.exception, Failure), result.exception
    assert "comparing: 13 of 13" in result.stderr
    found = [line.removeprefix("  - ") for line in str(result.exception).splitlines()]
    return [line for line in found if "rows of" in line or "copied again" in line]


def about_logins(landscape: Landscape) -> list[Finding]:
    found = examine(landscape.primary, landscape.replica)
    return [each for each in found if each.check == "replication logins"]


@contextmanager
def of_latin_1(landscape: Landscape) -> Iterator[Landscape]:
    """A platform whose texts have other bytes than the replica's, and blanks at their ends."""
    with database_in(landscape.primary, "LATIN1") as primary:
        with primary.connect() as connection:
            create_platform(connection)
            connection.execute("alter table micro_patterns alter symbol type char(9)")
        made = replace(landscape, primary=primary)
        try:
            yield made
        finally:
            with connected(made.primary, made.replica) as sides:
                sync.remove(sides)


def test_what_a_thief_takes_is_told_and_copied_again(landscape: Landscape) -> None:
    with of_latin_1(landscape) as platform:
        platform.deploy()
        trade(platform)
        platform.on_primary("update micro_patterns set symbol = 'Ä' where id % 2 = 0")
        assert compared(platform) == []
        slot = "(select slot_name from pg_replication_slots where database = current_database())"
        platform.on_primary(
            f"create role thief login replication password '{PASSWORD}';"
            "create role accomplice login in role thief"
        )
        try:
            accomplice, thief = about_logins(platform)
            assert accomplice.level == thief.level == "warning"
            assert accomplice.text.startswith("accomplice has REPLICATION, or may become")
            assert accomplice.mend == thief.mend
            platform.on_replica("alter subscription signal_marts disable")
            eventually(
                lambda: platform.on_primary(
                    f"select 1 from pg_replication_slots where slot_name = {slot} and not active"
                )
            )
            platform.on_primary(
                "delete from trading_stats where id = (select min(id) from trading_stats);"
                "update micro_patterns set confidence = 1 where id = 20"
            )
            login = replace(
                platform.primary,
                url=make_conninfo(platform.primary.url, user="thief", password=PASSWORD),
            )
            with login.connect(autocommit=True) as connection:
                taken = connection.execute(
                    f"select from pg_logical_slot_get_binary_changes({slot}, null, null,"
                    " 'proto_version', '1', 'publication_names', 'signal_marts')"
                ).fetchall()
                assert len(taken) > 2
            platform.on_primary(thief.mend)
            assert [each.level for each in about_logins(platform)] == ["ok"]
        finally:
            platform.on_primary("drop role accomplice, thief")
        platform.on_replica("alter subscription signal_marts enable")
        trade(platform)
        wait(platform)
        (patterns, stats, copied) = compared(platform)
        assert patterns.startswith(f"rows of {PATTERNS} are not the same on both sides")
        assert stats.startswith(f"rows of {STATS} are not the same on both sides")
        assert copied == f"to be copied again: {PATTERNS}, {STATS}; run signal-marts deploy"
        changed = heal(platform)
        assert f"replica: {PATTERNS}, {STATS} emptied, to be copied" in changed
        assert compared(platform) == []


FAULTS = {
    STATS: "delete from trading_stats where id = 20",
    PATTERNS: "insert into micro_patterns (id) values (-1)",
    ORDERS: "update trading_orders set fee = - 1 where id = 20",
}


def test_what_is_written_meanwhile_is_no_difference_and_one_row_is_one(
    landscape: Landscape, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not even where the same rows are written at each look, and take the same values again."""
    landscape.deploy()

    @contextmanager
    def apart(primary: Connection, replica: Connection, table: Table) -> Iterator[None]:
        landscape.on_primary("update trading_stats set net_profit = 7 where id = 2")
        wait(landscape)
        with copies.moments(primary, replica, table):
            landscape.on_primary(
                """
                update trading_stats set net_profit = net_profit + 1 where id = 1;
                update trading_stats set net_profit = 8 where id = 2;
                delete from trading_stats where id = 1000000;
                insert into trading_stats (id, date) values (1000000, '2101-01-01');
                insert into micro_patterns
                    (symbol, timeframe, pattern_type, confidence, signal)
                values ('BTC', '1h', 'flag', 0.5, 'BUY');
                delete from micro_patterns where id in (select min(id) from micro_patterns);
                update trading_orders set fee = 1 - fee where id in (1, 2)
                """
            )
            yield

    monkeypatch.setattr(comparison, "copies", SimpleNamespace(moments=apart))
    for name, fault in FAULTS.items():
        assert is_same(landscape, name)
        landscape.on_replica(fault)
        assert not is_same(landscape, name), fault
