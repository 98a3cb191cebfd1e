"""The platform changes its columns' types while it trades, and the replica follows."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from landscapes import Landscape
from syncing import copies, sync_to
from trading_meanwhile import PARTITIONED, PATTERN, STATS, trading

from runner.deploy.altering import change_types
from runner.deploy.migrations import MigrationError
from runner.errors import UsageError
from runner.servers.contract import read_contract
from runner.servers.database import Connection

OWNED = ("micro_patterns", "trade_plans", "trading_orders", STATS)


@contextmanager
def platform_login(landscape: Landscape) -> Iterator[Connection]:
    """A connection of the platform's own login, which owns its tables and is nothing else."""
    name = f"owner_of_{landscape.primary.parameters()['dbname']}"
    landscape.on_primary(
        f"create role {name} login;"
        + ";".join(f"alter table {table} owner to {name}" for table in OWNED)
        + f";grant create on schema public to {name}; grant usage on schema public to {name}"
    )
    with landscape.primary.connect(autocommit=True) as connection:
        # As one that logged in: session_user is the platform's.
        connection.execute(f"set session authorization {name}")
        connection.execute("set lock_timeout = '10s'")
        yield connection
    landscape.on_primary(f"reassign owned by {name} to postgres; drop owned by {name}")
    landscape.on_primary(f"drop role {name}")


def published(landscape: Landscape) -> list[tuple[object, ...]]:
    return landscape.on_primary(
        "select tablename, attnames::text[], rowfilter from pg_publication_tables"
        " where pubname = 'signal_marts' order by 1"
    )


def type_of(landscape: Landscape, table: str, column: str) -> str:
    ((found,),) = landscape.on_primary(
        "select format_type(atttypid, atttypmod) from pg_attribute"
        f" where attrelid = '{table}'::regclass and attname = '{column}'"
    )
    return str(found)


def test_the_platform_changes_its_types(landscape: Landscape) -> None:
    landscape.on_primary(
        "alter table micro_patterns alter column created_at type timestamptz(3),"
        " alter column symbol type varchar(6)"
    )
    landscape.deploy()
    sync_to(landscape, read_contract())
    before = published(landscape), copies(landscape)
    wider = {
        "micro_patterns": {
            # The key, to which our own table's foreign key points.
            "id": "bigint",
            "symbol": "varchar(40)",
            "confidence": "numeric(14, 8)",
            "created_at": "timestamp with time zone",
        },
        "trade_plans": {"id": "bigint", "strategy": "text", "entry_price_target": "numeric"},
        "trading_orders": {"trade_plan_id": "bigint", "price": "numeric(40, 8)"},
        STATS: {"id": "bigint", "net_profit": "numeric"},
    }
    with (
        trading(
            landscape,
            "insert into micro_patterns (symbol, timeframe, pattern_type, confidence, signal)"
            " values ('BTC', '1h', 'flag', 0.5, 'BUY')",
            "insert into trade_plans (strategy, symbol, entry_price_target, stop_loss_price,"
            " take_profit_1_price) values ('s', 'BTC', 2, 1, 3)",
            f"update {STATS} set net_profit = net_profit + 1 where id % 2 = 0",
            "delete from micro_patterns where id % 5 = 3",
        ),
        platform_login(landscape) as platform,
    ):
        for table, types in wider.items():
            platform.execute(
                "select public.change_column_types(%s, %s)",
                (f"public.{table}", psycopg.types.json.Jsonb(types)),
            )
        platform.execute(
            "insert into micro_patterns (id, symbol, timeframe, pattern_type, confidence, signal,"
            " created_at) values (5000000000, 'A SYMBOL OF MANY LETTERS', '1h', 'x', 0.12345678,"
            " 'BUY', '2030-01-01 00:00:00.123456Z')"
        )
    assert sync_to(landscape, read_contract()) == []
    assert landscape.deploy() == []
    assert before == (published(landscape), copies(landscape))
    assert type_of(landscape, "micro_patterns", "symbol") == "character varying(40)"
    assert type_of(landscape, STATS, "id") == "bigint"
    assert landscape.differences() == []


def test_a_change_that_does_not_come_to_be(landscape: Landscape) -> None:
    """Rolled back, refused, or half done: the publication is as it was."""
    landscape.deploy()
    before = published(landscape)
    change = "select public.change_column_types('public.trade_plans', %s)"
    with platform_login(landscape) as platform:
        # A tool of the platform's runs all of its migrations in one transaction, and fails.
        with platform.transaction(force_rollback=True):
            platform.execute(change, ('{"symbol": "varchar(40)"}',))
            platform.execute("alter table trade_plans add column mood text")
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState, match="not put back"):
            platform.execute("select public.withdraw_from_publication('public.trade_plans')")
        for wrong in (
            '{"symbol": "text using strategy"}',
            '{"symbol": "text; drop table public.trade_plans"}',
            '{"symbol": "text -- , "}',
            '{"symbol": "no_such_type"}',
        ):
            with pytest.raises((psycopg.errors.InvalidParameterValue, psycopg.errors.SyntaxError)):
                platform.execute(change, (wrong,))
        with pytest.raises(psycopg.errors.UndefinedColumn):
            platform.execute(change, ('{"no such column": "text"}',))
        for call in (
            "change_column_types('public.ai_models', '{\"version\": \"varchar\"}')",
            "withdraw_from_publication('public.ai_models')",
        ):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                platform.execute(f"select public.{call}")
        # What nobody withdrew is not put back.
        platform.execute("create table apart (id integer primary key)")
        platform.execute("select public.return_to_publication('public.apart')")
        platform.execute("select public.change_column_types('apart', '{\"id\": \"bigint\"}')")
        assert published(landscape) == before
        assert type_of(landscape, "apart", "id") == "bigint"
        platform.execute("drop table apart")
    assert type_of(landscape, "trade_plans", "symbol") == "character varying(20)"
    assert landscape.deploy() == []
    assert landscape.on_primary("select count(*) from public.ai_withdrawn_tables") == [(0,)]


@pytest.mark.parametrize(
    "change",
    [
        "alter table trade_plans alter column entry_price_target type double precision",
        "update trade_plans set strategy = 'other' where id % 2 = 0",
        "alter table trade_plans alter column take_profit_1_price type numeric(30, 1)",
        "alter table trade_plans drop column stop_loss_price cascade,"
        " add column stop_loss_price numeric(20, 8) not null default 7",
    ],
)
def test_other_changes_are_copied_by_the_next_deploy(landscape: Landscape, change: str) -> None:
    landscape.deploy()
    sync_to(landscape, read_contract())
    told: list[str] = []
    with platform_login(landscape) as platform:
        platform.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
        with platform.transaction():
            platform.execute("select public.withdraw_from_publication('public.trade_plans')")
            platform.execute(change)
            platform.execute("select public.return_to_publication('public.trade_plans')")
        platform.execute("update trade_plans set strategy = 'unseen' where id % 3 = 0")
    assert told == ["public.trade_plans is no longer replicated: its rows may have changed"]
    assert any("publication set" in line for line in landscape.deploy())
    sync_to(landscape, read_contract())
    assert landscape.differences() == []


@pytest.mark.parametrize("emptied", [STATS, "older"])
def test_a_table_that_is_emptied_meanwhile_is_copied_again(
    landscape: Landscape, emptied: str
) -> None:
    """TRUNCATE writes no row, and is not replicated where the table is not published."""
    table = STATS
    if emptied != STATS:
        table = "micro_patterns"
        landscape.on_primary(PARTITIONED)
        landscape.on_primary(PATTERN.format(table=table, day="2024-11-01", first=800000))
    landscape.deploy()
    sync_to(landscape, read_contract())
    with platform_login(landscape) as platform:
        ((owner,),) = platform.execute("select session_user::text")
        landscape.on_primary(f"alter table {emptied} owner to {owner}")
        with platform.transaction():
            platform.execute("select public.withdraw_from_publication(%s)", (f"public.{table}",))
            platform.execute(f"truncate public.{emptied}")
            platform.execute("select public.return_to_publication(%s)", (f"public.{table}",))
    assert any("publication set" in line for line in landscape.deploy())
    sync_to(landscape, read_contract())
    assert landscape.differences() == []


def test_the_command(landscape: Landscape) -> None:
    landscape.deploy()
    told: list[str] = []

    def alter(table: str, **types: str) -> bool:
        return change_types(
            landscape.primary, landscape.replica, table, types, lock_timeout=2, report=told.append
        )

    for table, types, said in (
        ("public.elsewhere", {"id": "bigint"}, "no table public.elsewhere in the sources"),
        (f"public.{STATS}", {"total_trades": "bigint"}, "which bigint does not fit"),
    ):
        with pytest.raises(UsageError, match=said):
            alter(table, **types)
    for types, said in (
        ({"id": "bigint; drop table x"}, "."),
        ({"no_such": "bigint"}, 'column "no_such"'),
    ):
        with pytest.raises(MigrationError, match=said):
            alter(f"public.{STATS}", **types)
    assert told == []
    assert alter(f"public.{STATS}", id="bigint", net_profit="numeric(30, 8)")
    assert landscape.deploy() == []
    assert not alter(f"public.{STATS}", net_profit="numeric(20, 1)")
    landscape.deploy()
    sync_to(landscape, read_contract())
    assert landscape.differences() == []
