"""Statements by pg_stat_statements, which of the servers of tests only Debian's bring."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from landscapes import VERSION, Landscape
from mortal_servers import configure, landscape_on
from psycopg.rows import dict_row

from runner.demo.embedded import EmbeddedPair
from runner.observation.sample import Sample, observe
from runner.servers.database import Database

pytestmark = pytest.mark.skipif(VERSION != 15, reason="needs Debian's servers, of version 15")


@pytest.fixture
def watched(own_pair: EmbeddedPair) -> Iterator[Landscape]:
    """A deployed platform on servers that count statements, from now on."""
    for server in (own_pair.primary, own_pair.replica):
        configure(own_pair, server, "shared_preload_libraries", "pg_stat_statements")
    own_pair.down()
    own_pair.up()
    with landscape_on(own_pair) as landscape:
        landscape.deploy()
        landscape.on_primary(
            "create schema watching; create extension pg_stat_statements schema watching;"
            # As on hosts whose users have no superuser.
            "update pg_extension set extowner = 'ai_writer'::regrole"
            " where extname = 'pg_stat_statements';"
            "create view pg_stat_statements as select 'not the extension''s' as queryid"
        )
        # What the deploy ran would fill the sample.
        landscape.on_primary("select watching.pg_stat_statements_reset()")
        yield landscape


def take(landscape: Landscape) -> Sample:
    return observe(
        Database("primary", landscape.primary.url),
        Database("replica", landscape.replica.url),
        keep_days=14,
    )


def test_statements_of_utilities_are_kept_without_their_text(watched: Landscape) -> None:
    watched.on_primary("create role secretive password 'hunter2'")
    watched.on_primary("/* hunter2 */ select /* - */ count(*) from trading_orders where price > 7")
    watched.on_primary("select /* /* hunter2 */ hunter2 */ count(*) -- hunter2\n from trade_plans")
    watched.on_primary("drop role secretive")
    taken = take(watched)
    assert ("primary", "statements") not in {(each.side, each.part) for each in taken.not_seen}
    texts = {
        str(text)
        for (text,) in watched.on_replica("select statement from signal_marts.statement_texts")
    }
    assert " ".join(next(text for text in texts if "from trading_orders" in text).split()) == (
        "select count(*) from trading_orders where price > $1"
    )
    assert not any("hunter2" in text or "trade_plans" in text for text in texts)
    ((without_text,),) = watched.on_replica(
        "select count(*) from signal_marts.observed_statements as s"
        " left join signal_marts.statement_texts as t using (side, query_id)"
        " where t.query_id is null"
    )
    assert without_text


def test_a_real_slowdown_is_found(watched: Landscape, tmp_path: Path) -> None:
    """A trigger sleeps while builds are at work."""
    assert not watched.build(tmp_path, "trading_impact", "query_costs").failures
    watched.on_primary(
        "create table slow (is_slow boolean); insert into slow values (false);"
        "create table balances (amount numeric); insert into balances values (1);"
        "create function sleep() returns trigger language plpgsql as $$ begin"
        " if (select is_slow from slow) then perform pg_sleep(0.02); end if; return new; end $$;"
        "create trigger sleep before update on balances"
        " for each row execute function sleep()"
    )
    for number in range(23):
        watched.on_primary(f"update slow set is_slow = {number % 2 == 0}")
        for _ in range(3):
            watched.on_primary("update balances set amount = amount + 1")
        take(watched)
    with watched.replica.connect() as connection:
        # Each fills the time from a sample to the next.
        connection.execute(
            "truncate changes.builds; insert into changes.builds"
            " select id::text, 'build', before, taken_at, true, 1, 0 from ("
            " select *, lag(taken_at) over w as before, row_number() over w as number"
            " from signal_marts.samples window w as (order by id)"
            ") as s where before is not null and number % 2 = 1"
        )
        found = connection.cursor(row_factory=dict_row).execute(
            "select * from operations.trading_impact where statement like 'update balances%'"
        )
        (row,) = found.fetchall()
    assert (row["build_windows"], row["quiet_windows"]) == (11, 11)
    assert row["is_slower"] is True
