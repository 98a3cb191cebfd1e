"""Faults that would harm the platform are found before any write, and watched afterwards."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest
from catalogs import database_in
from drills import eventually
from landscapes import VERSION, Landscape
from psycopg import sql
from refused_deploys import by_hand, untouched, wrong

from runner.doctor.status import status
from runner.errors import SignalMartsError
from runner.replication import copies, fence
from runner.replication.copies import Loss
from runner.replication.sync import SyncError
from runner.servers.contract import Table, read_contract
from runner.servers.relations import PlatformMismatchError, problems
from runner.servers.sides import connected

# --- row level security -----------------------------------------------------------------------

POLICIES = {
    "none": ("", False),
    "all for everybody": ("create policy p on {t} using (true)", True),
    "all for the reader": ("create policy p on {t} for select to {r} using (true)", True),
    "all for another role": ("create policy p on {t} to bystander using (true)", False),
    "some": ("create policy p on {t} using (id = 1)", False),
    "only for writing": ("create policy p on {t} for update using (true)", False),
    "restricted": (
        "create policy p on {t} using (true);"
        "create policy q on {t} as restrictive to {r} using (id = 1)",
        False,
    ),
    "restricted for another role": (
        "create policy p on {t} using (true);"
        "create policy q on {t} as restrictive to bystander using (id = 1)",
        True,
    ),
    "without a condition": ("create policy p on {t} as permissive for all to {r}", False),
    "of a member": ("create policy p on {t} to readers using (true)", True),
    "bypassed": ("alter role {r} bypassrls", True),
    "bypassed by a role above": ("alter role readers bypassrls", False),
    "owned": ("alter table {t} owner to {r}", True),
    "owned and forced": (
        "alter table {t} owner to {r}; alter table {t} force row level security",
        False,
    ),
}


def test_row_security_is_judged_as_the_reader_sees_the_rows(landscape: Landscape) -> None:
    table = Table("public", "secured", "platform", (("id", "bigint"),))
    with landscape.primary.connect() as connection:
        for case, (policy, expected) in POLICIES.items():
            with connection.transaction(force_rollback=True):
                connection.execute(
                    "create role reader login; create role bystander;"
                    "create role readers role reader;"
                    "create table secured (id bigint primary key);"
                    "insert into secured values (1), (2); grant select on secured to reader;"
                    "alter table secured enable row level security;"
                    + policy.format(t="secured", r="reader")
                )
                found = problems(connection, [table], "reader")
                connection.execute("set local role reader")
                row = connection.execute("select count(*) = 2 from secured").fetchone()
            assert row == (expected,), case
            assert [each.text.partition(" from ")[0] for each in found] == (
                [] if expected else ["row level security hides rows of public.secured"]
            ), case


def test_row_security_is_refused_until_the_replica_sees_every_row(landscape: Landscape) -> None:
    landscape.on_primary("alter table trading_orders enable row level security")
    with pytest.raises(PlatformMismatchError, match="row level security hides rows"):
        landscape.deploy()
    untouched(landscape)
    ((_, mend),) = wrong(landscape).items()
    landscape.on_primary(mend)
    assert wrong(landscape) == {}
    landscape.deploy()
    assert landscape.differences() == []
    landscape.deploy(resync=["public.trading_orders"])
    assert landscape.differences() == []
    assert wrong(landscape) == {}
    # The next copy would lack rows: it is not begun.
    landscape.on_primary("drop policy signal_marts on trading_orders")
    (said,) = [p for p in status(landscape.primary, landscape.replica).problems if "row level" in p]
    with pytest.raises(PlatformMismatchError, match="row level security hides rows"):
        landscape.deploy(resync=["public.trading_orders"])
    landscape.on_primary(said.rpartition("mend it: ")[2])
    assert not landscape.deploy()


# --- what cannot be published, or held by the replica -----------------------------------------

FOREIGN = "create foreign data wrapper w; create server s foreign data wrapper w;"
REFUSED = {
    "public.market_bars is unlogged": (
        "create unlogged table market_bars (symbol text, timeframe text, opened_at timestamptz,"
        " primary key (symbol, timeframe, opened_at))",
        "drop table market_bars",
    ),
    "public.trade_plans is a view": (
        "alter table trade_plans rename to plans; create view trade_plans as table plans",
        "drop view trade_plans; alter table plans rename to trade_plans",
    ),
    "public.trade_plans is a materialized view": (
        "alter table trade_plans rename to plans;"
        "create materialized view trade_plans as table plans",
        "drop materialized view trade_plans; alter table plans rename to trade_plans",
    ),
    "public.trading_stats is a foreign table": (
        f"alter table trading_stats rename to stats; {FOREIGN}"
        "create foreign table trading_stats (id bigint) server s",
        "drop foreign data wrapper w cascade; alter table stats rename to trading_stats",
    ),
    "table public.trading_stats is missing": (
        "alter table trading_stats rename to stats;"
        "create temporary table trading_stats (like stats)",
        "alter table stats rename to trading_stats",
    ),
    "public.trading_orders is unlogged": (
        "alter table trading_orders set unlogged",
        "alter table trading_orders set logged",
    ),
    "public.old_stats inherits from public.trading_stats": (
        "create table old_stats () inherits (trading_stats)",
        "drop table old_stats",
    ),
    "column public.trading_stats.net_profit is generated": (
        "alter table trading_stats rename net_profit to profit;"
        "alter table trading_stats add net_profit numeric generated always as (profit) "
        + ("virtual" if VERSION >= 18 else "stored"),
        "alter table trading_stats drop net_profit;"
        "alter table trading_stats rename profit to net_profit",
    ),
}


def test_what_cannot_be_published_is_refused_before_anything_is_written(
    landscape: Landscape,
) -> None:
    for text, (fault, undo) in REFUSED.items():
        landscape.on_primary(fault)
        with pytest.raises(PlatformMismatchError) as caught:
            landscape.deploy()
        assert [p for p in caught.value.problems if p.startswith(text)], (text, caught.value)
        untouched(landscape)
        found = {told: mend for told, mend in wrong(landscape).items() if told.startswith(text)}
        assert len(found) == 1, text
        assert all(found.values()), text
        landscape.on_primary(undo)
    assert wrong(landscape) == {}


def test_a_partition_that_is_not_replicated_is_named(landscape: Landscape) -> None:
    table = Table("public", "whole", "platform", (("id", "bigint"),))
    landscape.on_primary(
        "create table whole (id bigint, primary key (id)) partition by range (id);"
        "create unlogged table unlogged partition of whole for values from (1) to (2)"
    )
    with landscape.primary.connect(autocommit=True) as connection:
        (found,) = problems(connection, [table], None)
        assert found.text.startswith("public.unlogged, a partition of public.whole, is unlogged")
        by_hand(connection, found.mend)
        assert problems(connection, [table], None) == []


def test_a_platform_with_domains_children_and_stored_columns_is_replicated(
    landscape: Landscape,
) -> None:
    # Nor does a default of its databases keep anything from being read.
    for database in (landscape.primary, landscape.replica):
        with database.connect() as connection:
            connection.execute(
                sql.SQL("alter database {} set client_encoding = 'SQL_ASCII'").format(
                    sql.Identifier(connection.info.dbname)
                )
            )
    landscape.on_primary(
        """
        create domain amount as numeric check (value < 1e9);
        create domain net_amount as amount;
        create type way as enum ('BUY', 'SELL', 'HOLD');
        create domain wise as way not null;
        alter table trading_stats alter net_profit drop default;
        alter table trading_stats alter net_profit type net_amount;
        alter table micro_patterns drop constraint micro_patterns_signal_check;
        alter table micro_patterns alter signal type wise using signal::way::wise;
        create table all_plans (note_of_all text);
        alter table trade_plans add note_of_all text;
        alter table trade_plans inherit all_plans;
        alter table trading_orders drop constraint trading_orders_pkey;
        alter table trading_orders add primary key (id) include (exit_reason);
        """
    )
    if VERSION >= 18:
        landscape.on_primary(
            "alter table trading_orders rename fee to paid;"
            "alter table trading_orders add fee numeric generated always as (paid * 2) stored"
        )
    landscape.deploy()
    assert landscape.differences() == []
    landscape.on_primary(
        "update trading_stats set net_profit = net_profit + 1;"
        "update all_plans set note_of_all = '';"
        "update micro_patterns set signal = 'HOLD'; update trading_orders set filled_price = 1"
    )
    assert not landscape.deploy()
    assert landscape.differences() == []


def test_a_database_that_cannot_hold_the_others_texts_is_refused(landscape: Landscape) -> None:
    for side, encoding in (
        ("primary", "SQL_ASCII"),
        ("replica", "SQL_ASCII"),
        ("replica", "LATIN1"),
    ):
        with database_in(getattr(landscape, side), encoding) as odd:
            other = (
                replace(landscape, primary=odd)
                if side == "primary"
                else replace(landscape, replica=odd)
            )
            with pytest.raises(SyncError, match=f"{side}'s database has the encoding {encoding}"):
                other.deploy()
            assert [
                mend for text, mend in wrong(other).items() if f"the encoding {encoding}" in text
            ] != []
    untouched(landscape)
    with database_in(landscape.primary, "LATIN1") as latin:
        assert not [text for text in wrong(replace(landscape, primary=latin)) if "encod" in text]


# --- copies are counted -----------------------------------------------------------------------


@contextmanager
def writing(landscape: Landscape) -> Iterator[None]:
    """Somebody who writes all the while: rows come, change and go."""
    is_over = threading.Event()

    def write() -> None:
        with landscape.primary.connect(autocommit=True) as connection:
            for number in itertools.count(1_000_000):
                if is_over.is_set():
                    return
                connection.execute(
                    "insert into micro_patterns"
                    " (id, symbol, timeframe, pattern_type, confidence, signal)"
                    " values (%s, 'BTC', '1h', 'flag', 0.5, 'BUY')",
                    (number,),
                )
                connection.execute(
                    "update micro_patterns set notes = 'seen' where id = %s", (number - 5,)
                )
                connection.execute("delete from micro_patterns where id = %s", (number - 20,))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield
    finally:
        is_over.set()
        writer.join()


def test_a_copy_that_lost_rows_is_never_done(landscape: Landscape) -> None:
    """Under load as at rest, and without a false alarm."""
    name = "public.micro_patterns"
    landscape.deploy()
    with writing(landscape):
        for _ in range(3):
            landscape.deploy(resync=[name])
    landscape.on_replica(
        "create function lose() returns trigger language plpgsql as $$ begin"
        " return case when new.id % 50 > 0 or new.id > 1000000 then new end; end $$;"
        "create trigger lose before insert on micro_patterns for each row execute function lose();"
        "alter table micro_patterns enable always trigger lose"
    )
    with writing(landscape), pytest.raises(fence.LostRowsError, match="lacks rows"):
        landscape.deploy(resync=[name])
    # Not even by a deploy that came for nothing, nor by a build, is it taken for done.
    with (
        connected(landscape.primary, landscape.replica) as sides,
        pytest.raises(fence.LostRowsError) as caught,
    ):
        fence.wait(sides.on_primary, sides.on_replica, read_contract(), timeout=60)
    ((rows,),) = landscape.on_primary("select count(*) from micro_patterns")
    assert f"the primary has {rows:,} and the replica" in str(caught.value)
    found = status(landscape.primary, landscape.replica).problems
    assert f"to be copied again: {name}; run signal-marts deploy" in found
    with pytest.raises(SignalMartsError, match="lacks rows"):
        landscape.deploy()
    landscape.on_replica("drop function lose cascade")
    assert landscape.deploy()
    assert landscape.differences() == []
    assert not landscape.deploy()


def test_what_is_written_meanwhile_is_no_loss_and_one_row_is_one(landscape: Landscape) -> None:
    landscape.deploy()
    contract = read_contract()
    more = (
        "insert into micro_patterns (symbol, timeframe, pattern_type, confidence, signal)"
        " select 'BTC', '1h', 'flag', 0.5, 'BUY' from generate_series(1, 10)"
    )
    churn = (
        f"{more}; update micro_patterns set notes = 'seen' where id < 10;"
        "delete from micro_patterns where id in (select min(id) from micro_patterns)"
    )

    def rows(side: str) -> int:
        ((count,),) = landscape.execute(side, "select count(*)::int from micro_patterns")
        assert isinstance(count, int)
        return count

    for written, lost in ((more, 0), (churn, 0), (more, 1)):
        landscape.on_replica(
            f"delete from micro_patterns where id = 20 and {lost} = 1;"
            "insert into signal_marts.uncounted_copies values ('public.micro_patterns')"
            " on conflict do nothing"
        )
        before = rows("primary")
        with (
            landscape.replica.connect() as blocker,
            connected(landscape.primary, landscape.replica) as sides,
        ):

            def catch_up(written: str = written, lost: int = lost) -> None:
                blocker.rollback()
                eventually(lambda: rows("replica") == rows("primary") - lost)
                # Rows written now do not arrive before the count.
                blocker.execute("lock table micro_patterns in share row exclusive mode")
                landscape.on_primary(written)

            loss = copies.find_loss(sides.on_primary, sides.on_replica, contract, catch_up)
        # At the third look, the rows written at the first two are there for good.
        expected = Loss("public.micro_patterns", before + 20, before + 20 - lost)
        assert loss == (expected if lost else None)
        eventually(lambda: rows("replica") == rows("primary") - lost)  # noqa: B023


# --- foreign keys -----------------------------------------------------------------------------


def test_a_foreign_key_that_follows_a_renamed_table_is_seen(landscape: Landscape) -> None:
    landscape.deploy()
    landscape.on_primary(
        "alter publication signal_marts drop table micro_patterns;"
        "alter table micro_patterns rename to old_patterns;"
        "create table micro_patterns (like old_patterns including indexes)"
    )
    text = (
        "ai_trading_signals.pattern_id points at public.old_patterns, "
        "which is not the table of micro_patterns"
    )
    landscape.on_primary(wrong(landscape)[text])
    landscape.deploy()
    assert wrong(landscape) == {}
    landscape.on_primary("drop table old_patterns")
