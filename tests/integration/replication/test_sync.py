"""Replication on two real servers: converges, repeats to nothing, captures changes."""

from __future__ import annotations

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor

import psycopg
import pytest
from landscapes import VERSION, Landscape
from syncing import changed, columns_of, sync_to

from runner.deploy.deploy import deploy
from runner.errors import UsageError
from runner.replication import fence, landed, landing, sync
from runner.replication import login as replication_login
from runner.servers.changes import Changes
from runner.servers.contract import read_contract
from runner.servers.relations import MADE_BY, PlatformMismatchError
from runner.servers.sides import connected


@pytest.mark.parametrize("kind", ["landscape", "one_server"])
def test_a_second_deploy_changes_nothing(kind: str, request: pytest.FixtureRequest) -> None:
    landscape: Landscape = request.getfixturevalue(kind)
    assert landscape.deploy()
    assert sync_to(landscape, read_contract()) == []
    assert not landscape.deploy()
    assert landscape.reports == []
    assert landscape.on_replica("select count(*) > 0 from micro_patterns") == [(True,)]
    assert landscape.differences() == []


def test_every_kind_of_change_arrives_and_is_captured(landscape: Landscape) -> None:
    landscape.deploy()
    contract = read_contract()
    sync_to(landscape, contract)
    landscape.on_primary(
        "insert into trading_stats (id, date, net_profit, total_trades, winning_trades,"
        " losing_trades) select 900000 + n, '2100-01-01'::date + n, n, 0, 0, 0"
        " from generate_series(1, 3) as n"
    )
    sync_to(landscape, contract)
    before = landscape.on_replica("select _xid from trading_stats where id = 900001")
    landscape.on_primary("update trading_stats set net_profit = 9 where id = 900001")
    landscape.on_primary("delete from trading_stats where id = 900002")
    landscape.on_primary("update trading_stats set id = 900004 where id = 900003")
    sync_to(landscape, contract)
    after = landscape.on_replica("select _xid from trading_stats where id = 900001")
    assert int(str(after[0][0])) > int(str(before[0][0]))
    keys = landscape.on_replica(
        "select key from signal_marts.change_log where table_name = 'public.trading_stats'"
        " order by id"
    )
    assert keys == [({"id": 900002},), ({"id": 900003},)]
    assert landscape.differences() == []


def test_a_column_that_is_added_brings_the_values_rows_already_hold(landscape: Landscape) -> None:
    whole = read_contract()
    kept = [column for column in columns_of(whole, "trade_plans") if column[0] != "strategy"]
    landscape.deploy()
    narrow = changed(whole, "trade_plans", kept)
    reports = sync_to(landscape, narrow)
    assert any("trade_plans.strategy dropped" in report for report in reports)
    assert "strategy" not in str(
        landscape.on_replica(
            "select array_agg(attname::text) from pg_attribute"
            " where attrelid = 'trade_plans'::regclass"
        )
    )
    rows_before = landscape.on_primary(
        "select md5(string_agg(t::text || xmin, '' order by id)) from trade_plans as t"
    )
    reports = sync_to(landscape, whole)
    assert any("trade_plans.strategy added" in report for report in reports)
    assert landscape.differences() == []
    # The platform's rows were read again, not written again.
    assert rows_before == landscape.on_primary(
        "select md5(string_agg(t::text || xmin, '' order by id)) from trade_plans as t"
    )
    assert sync_to(landscape, whole) == []


def test_a_table_comes_and_goes(landscape: Landscape) -> None:
    whole = read_contract()
    fewer = tuple(table for table in whole if table.name != "trading_stats")
    landscape.deploy()
    assert any("trading_stats dropped" in report for report in sync_to(landscape, fewer))
    assert landscape.on_replica("select to_regclass('trading_stats')::text") == [(None,)]
    sync_to(landscape, whole)
    assert landscape.differences() == []


def test_a_json_that_jsonb_refuses_lands_as_text(landscape: Landscape) -> None:
    details = [r'"bad\u0000char"', r'"\ud83d"', "1e140000", '{"a": 1,  "a": 2}']
    landscape.on_primary(
        "alter table trade_plans alter column signal_details type json;"
        "insert into trade_plans (id, symbol, strategy, entry_price_target,"
        " stop_loss_price, take_profit_1_price, signal_details) values "
        + ", ".join(f"({n}, 'X', 'odd', 1, 1, 1, '{d}')" for n, d in enumerate(details, 9001))
    )
    landscape.deploy()
    assert landscape.differences() == []
    columns = columns_of(read_contract(), "trade_plans")
    parsed = changed(read_contract(), "trade_plans", [*columns, ("signal_details", "jsonb")])
    with pytest.raises(PlatformMismatchError, match=r"does not fit jsonb\n.*the data_type text"):
        sync_to(landscape, parsed)
    sync_to(
        landscape, changed(read_contract(), "trade_plans", [*columns, ("signal_details", "text")])
    )
    landed = landscape.on_replica("select signal_details from trade_plans where id > 9000")
    assert sorted(str(text) for (text,) in landed) == sorted(details)


def test_what_the_platform_lacks_is_named_before_anything_is_touched(landscape: Landscape) -> None:
    landscape.on_primary(
        "alter table trading_stats drop column net_profit;"
        "alter table trade_plans alter column created_at type timestamp;"
        "alter table trading_orders rename to orders"
    )
    with pytest.raises(PlatformMismatchError) as caught:
        landscape.deploy()
    assert sorted(caught.value.problems) == [
        "column public.trade_plans.created_at is timestamp without time zone, "
        "which does not fit timestamp with time zone",
        "column public.trading_stats.net_profit is missing (wanted: numeric)",
        "table public.trading_orders is missing",
    ]
    assert landscape.on_primary("select to_regclass('ai_models')::text") == [(None,)]
    assert landscape.on_replica("select to_regclass('micro_patterns')::text") == [(None,)]


def test_a_platform_may_use_enums_and_other_widths(landscape: Landscape) -> None:
    landscape.on_primary(
        "create type direction as enum ('BUY', 'SELL');"
        "alter table micro_patterns alter column signal type direction using signal::direction;"
        "alter table trading_stats alter column net_profit type double precision"
    )
    landscape.deploy()
    sync_to(landscape, read_contract())
    assert landscape.on_replica("select count(distinct signal) from micro_patterns") == [(2,)]


def test_a_table_without_a_key_is_refused(landscape: Landscape) -> None:
    landscape.on_primary("alter table trading_stats drop constraint trading_stats_pkey cascade")
    with pytest.raises(PlatformMismatchError, match="trading_stats has no primary key"):
        landscape.deploy()


def test_one_database_cannot_be_both_sides(landscape: Landscape) -> None:
    with pytest.raises(UsageError, match="same database"):
        deploy(
            landscape.primary,
            dataclasses.replace(landscape.primary, side="replica"),
            lock_timeout=2,
            fence_timeout=10,
            report=print,
        )


def test_a_replica_with_tables_of_its_own_is_refused(landscape: Landscape) -> None:
    landscape.on_replica("create table micro_patterns (id bigint primary key)")
    with pytest.raises(landed.LandingError, match="not a landing table"):
        landscape.deploy()


def test_the_fence_names_what_holds_replication_up(landscape: Landscape) -> None:
    contract = read_contract()
    with connected(landscape.primary, landscape.replica) as sides:
        with pytest.raises(fence.FenceError, match="ai_replication_fence; run signal-marts deploy"):
            fence.wait(sides.on_primary, sides.on_replica, contract, timeout=5)
        landscape.deploy()
        fence.wait(sides.on_primary, sides.on_replica, contract, timeout=60)
        landscape.on_replica("alter subscription signal_marts disable")
        with pytest.raises(fence.FenceError, match="disabled"):
            fence.wait(sides.on_primary, sides.on_replica, contract, timeout=60)
    landscape.deploy()
    sync_to(landscape, contract)


def test_the_fence_waits_for_a_row_behind_a_lock(landscape: Landscape) -> None:
    landscape.deploy()
    contract = read_contract()
    sync_to(landscape, contract)
    with (
        landscape.replica.connect() as blocker,
        connected(landscape.primary, landscape.replica) as sides,
    ):
        blocker.execute("lock table trading_stats in exclusive mode")
        landscape.on_primary("update trading_stats set net_profit = net_profit + 1")
        with pytest.raises(fence.FenceError, match="still on their way"):
            fence.wait(sides.on_primary, sides.on_replica, contract, timeout=0.5)
        blocker.rollback()
        fence.wait(sides.on_primary, sides.on_replica, contract, timeout=60)
    assert landscape.differences() == []


def test_the_replicator_reads_the_contract_and_nothing_else(landscape: Landscape) -> None:
    landscape.deploy()
    with landscape.primary.connect() as connection:
        connection.execute("set role replicator")
        connection.execute("select id, symbol, signal from micro_patterns")
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            connection.execute("select * from micro_patterns")


def test_a_replicator_of_somebody_else_keeps_its_password(landscape: Landscape) -> None:
    landscape.deploy()
    with connected(landscape.primary, landscape.replica) as sides:
        sync.remove(sides)
    verifier = "select rolpassword from pg_authid where rolname = 'replicator'"
    before = landscape.on_primary(verifier)
    landscape.on_primary("comment on role replicator is 'our standby'")
    try:
        with pytest.raises(replication_login.LoginError, match="REPLICATION_URL"):
            landscape.deploy()
        assert landscape.reports == []
        assert landscape.on_primary(verifier) == before
    finally:
        landscape.on_primary(f"comment on role replicator is '{MADE_BY}'")


@pytest.mark.skipif(VERSION < 16, reason="before 16 every member may become the role")
def test_a_login_that_was_not_made_a_member_of_transformer(landscape: Landscape) -> None:
    # A deploy that was killed, or another login's, made the role.
    landscape.deploy()
    name = f"login_of_{landscape.replica.parameters()['dbname']}"
    landscape.on_replica(
        f"create role {name} createrole; grant transformer to {name} with admin option;"
        f"revoke transformer from {name}; grant transformer to {name} with admin true, set false"
    )
    with landscape.replica.connect(autocommit=True) as connection:
        connection.execute(f"set role {name}")
        landing.prepare(connection, Changes(landscape.reports.append))
        connection.execute("set role transformer")
        connection.execute("reset role")
        connection.execute(f"drop owned by {name}; drop role {name}")


def test_a_partitioned_table(landscape: Landscape) -> None:
    landscape.on_primary(
        "create table rows (like micro_patterns); insert into rows select * from micro_patterns;"
        "drop table micro_patterns cascade;"
        "create table micro_patterns (like rows, primary key (id, created_at))"
        " partition by range (created_at);"
        "create table older partition of micro_patterns"
        " for values from (minvalue) to ('2025-01-01');"
        "create table newer partition of micro_patterns"
        " for values from ('2025-01-01') to (maxvalue);"
        "insert into micro_patterns select * from rows; drop table rows"
    )
    landscape.deploy()
    landscape.on_primary("update micro_patterns set created_at = '2025-02-01' where id = 1")
    with connected(landscape.primary, landscape.replica) as sides:
        fence.wait(sides.on_primary, sides.on_replica, read_contract(), timeout=60)
    assert landscape.differences() == []


def test_builds_at_once_where_the_default_is_serializable(landscape: Landscape) -> None:
    landscape.deploy()
    name = landscape.primary.parameters()["dbname"]
    landscape.on_primary(
        f"alter database {name} set default_transaction_isolation = 'serializable'"
    )

    def wait_often(_: int) -> None:
        with connected(landscape.primary, landscape.replica) as sides:
            for _ in range(20):
                fence.wait(sides.on_primary, sides.on_replica, read_contract(), timeout=60)

    with ThreadPoolExecutor() as pool:
        list(pool.map(wait_often, range(3)))


def test_no_password_is_told(landscape: Landscape) -> None:
    landscape.deploy()
    ((connection_string,),) = landscape.on_replica(
        "select subconninfo from pg_subscription"
        " where subdbid = (select oid from pg_database where datname = current_database())"
    )
    password = psycopg.conninfo.conninfo_to_dict(str(connection_string))["password"]
    assert password
    assert str(password) not in json.dumps(landscape.reports)
    assert "secret" not in repr(
        dataclasses.replace(landscape.primary, url="postgresql://u:secret@h/d")
    )


def test_a_platform_in_another_schema(landscape: Landscape) -> None:
    landscape.deploy()
    landscape.on_primary(
        "create schema trading; alter table trading_stats set schema trading;"
        "alter table trading.trading_stats rename to daily"
    )
    contract = tuple(
        dataclasses.replace(table, schema="trading", name="daily")
        if table.name == "trading_stats"
        else table
        for table in read_contract()
    )
    sync_to(landscape, contract)
    rows = "select count(*), sum(net_profit) from trading.daily"
    assert landscape.on_replica(rows) == landscape.on_primary(rows)
    assert landscape.on_replica("select to_regclass('trading_stats')::text") == [(None,)]
    with connected(landscape.primary, landscape.replica) as sides:
        sync.remove(sides)
    assert landscape.on_primary(
        "select has_schema_privilege('replicator', 'trading', 'usage')"
    ) == [(False,)]
