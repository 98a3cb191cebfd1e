"""Marts of a small demo that pages are drawn of, and what becomes of them for a while."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import command_line
import streamlit as st
from landscapes import Landscape
from mortal_servers import at_server, create_database
from psycopg import sql
from psycopg.types.json import Jsonb
from streamlit.testing.v1 import AppTest

from runner.build import builds
from runner.demo.embedded import EmbeddedPair
from runner.demo.market import synthetic_market
from runner.demo.platform import create_platform, first_prices
from runner.demo.replay import replay
from runner.replication import sync
from runner.servers.sides import connected

HOSTILE = (
    "X'; drop table ensemble.signal_confluence; -- <img src=x onerror=alert(1)> **$a_b$** [c](d)"
)


@contextmanager
def shown_marts(pair: EmbeddedPair, target: Path) -> Iterator[Landscape]:
    """The demo's market and marts, without dbt's tests, which other files run."""
    bars = synthetic_market(3, 22)
    made = Landscape(
        create_database(pair, pair.primary, "primary", "shown_trading"),
        create_database(pair, pair.replica, "replica", "shown_marts"),
    )
    with made.primary.connect() as connection:
        create_platform(connection, until=bars[0].opened_at, prices=first_prices(bars))
    made.deploy()
    with made.primary.connect() as connection:
        replay(connection, bars, seed=3, on_day=lambda day, done, total: None)
    result = builds.build(
        made.primary,
        made.replica,
        fence_timeout=60,
        advance=lambda done, total, at: None,
        exclude=("resource_type:test",),
        target=target,
    )
    assert not result.failures
    yield made
    with connected(made.primary, made.replica) as sides:
        sync.remove(sides)
    for server, database in ((pair.primary, made.primary), (pair.replica, made.replica)):
        name = sql.Identifier(database.parameters()["dbname"])
        with at_server(pair, server) as connection:
            connection.execute(sql.SQL("drop database {} with (force)").format(name))


@contextmanager
def named(marts: Landscape, symbol: str) -> Iterator[None]:
    """A symbol of another name in all marts of signals and decisions, for a while."""
    tables = ("ensemble.ensemble_decisions", "ensemble.signal_confluence", "performance.trades")

    def rename(before: str, after: str) -> None:
        with marts.replica.connect() as connection:
            for table in tables:
                connection.execute(
                    sql.SQL("update {} set symbol = %s where symbol = %s").format(
                        sql.Identifier(*table.split("."))
                    ),
                    (after, before),
                )

    rename("ETHUSD", symbol)
    yield
    rename(symbol, "ETHUSD")


@contextmanager
def other_account(marts: Landscape) -> Iterator[None]:
    """The AI's trades once more, in another currency that has two accounts, for a while."""
    copied = {
        "source_performance": {"bot": False, "all": True},
        "source_performance_daily": {"bot": False, "all": True},
        "daily_performance": {"bot": False, "spot": False},
        "symbol_performance": {"bot": False, "all": True},
        "symbol_performance_daily": {"bot": False},
        "account_performance_daily": {"bot": False, "all": True},
        "drawdowns": {"bot": False, "all": True},
        "trade_breakdowns": {"bot": False, "all": True},
        "trades": {"bot": False},
        "open_positions": {"bot": False},
    }
    # These have a key without their account.
    keys = {"trades": "opening_order_id", "open_positions": "order_id"}
    with marts.replica.connect() as connection:
        for mart, accounts in copied.items():
            is_of_source = mart not in ("daily_performance", "account_performance_daily")
            where = "source_type = 'ai'" if is_of_source else "true"
            key = f"'{keys[mart]}', -{keys[mart]}" if mart in keys else ""
            for account, is_all_accounts in accounts.items():
                values = {"account": account, "currency": "USDT"}
                connection.execute(
                    sql.SQL(
                        "insert into {mart} select (jsonb_populate_record(found,"
                        " {values} || jsonb_build_object({key}))).*"
                        " from {mart} as found where currency = 'main' and {where}"
                    ).format(
                        mart=sql.Identifier("performance", mart),
                        values=Jsonb(values | {"is_all_accounts": is_all_accounts}),
                        key=sql.SQL(key),
                        where=sql.SQL(where),
                    )
                )
    yield
    with marts.replica.connect() as connection:
        for mart in copied:
            connection.execute(
                sql.SQL("delete from {} where currency = 'USDT'").format(
                    sql.Identifier("performance", mart)
                )
            )


def draw(module: str, link: Mapping[str, str | list[str]] | None = None) -> AppTest:
    """A page drawn anew by a link, with nothing kept from before."""
    st.cache_data.clear()
    script = (
        f"from runner.views.dashboard import bar, {module}, parts\n"
        "from runner.views.dashboard.marts import UnreachableError\n"
        "try:\n"
        f"    {module}.page(bar.asked())\n"
        "except UnreachableError as error:\n"
        "    parts.unreachable(error)\n"
    )
    drawn = AppTest.from_string(script, default_timeout=60)
    for name, value in (link or {}).items():
        drawn.query_params[name] = value
    drawn.run()
    assert not drawn.exception, drawn.exception[0].value
    return drawn


def told(drawn: AppTest) -> str:
    """All notes of a page."""
    notes = [*drawn.info, *drawn.warning, *drawn.error]
    return "\n".join(str(note.value) for note in notes).replace("\\", "")


def all_marts(marts: Landscape) -> list[tuple[str, str]]:
    return [
        (str(schema), str(name))
        for schema, name in marts.on_replica(
            "select n.nspname, c.relname from pg_class as c"
            " inner join pg_namespace as n on c.relnamespace = n.oid"
            " where n.nspname in ('ensemble', 'performance', 'training', 'operations')"
            " and c.relkind in ('r', 'v')"
        )
    ]


@contextmanager
def renamed(marts: Landscape, *names: tuple[str, str], empty: bool = False) -> Iterator[None]:
    """Marts that are gone for a while, or that hold nothing."""
    with marts.replica.connect() as connection:
        for schema, name in names:
            mart, away = sql.Identifier(schema, name), sql.Identifier(f"away_{name}")
            there = sql.Identifier(schema, f"away_{name}")
            connection.execute(sql.SQL("alter table {} rename to {}").format(mart, away))
            if empty:
                connection.execute(sql.SQL("create table {} (like {})").format(mart, there))
                connection.execute(sql.SQL("grant select on {} to bi_reader").format(mart))
    try:
        yield
    finally:
        with marts.replica.connect() as connection:
            for schema, name in names:
                mart, there = sql.Identifier(schema, name), sql.Identifier(schema, f"away_{name}")
                if empty:
                    connection.execute(sql.SQL("drop table {}").format(mart))
                connection.execute(
                    sql.SQL("alter table {} rename to {}").format(there, sql.Identifier(name))
                )


def run(*arguments: str, marts: Landscape) -> subprocess.CompletedProcess[str]:
    """A command on those marts."""
    return command_line.marts(*arguments, env=os.environ | {"DASHBOARD_URL": marts.replica.url})
