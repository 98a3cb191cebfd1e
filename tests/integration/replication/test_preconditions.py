"""Faults that would harm the platform are found before any write, and watched afterwards."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import psycopg
import pytest
from catalogs import database_in
from drills import eventually
from landscapes import VERSION, Landscape
from psycopg import sql

from runner.doctor import examine
from runner.doctor.status import status
from runner.errors import SignalMartsError
from runner.replication import copies, fence
from runner.replication.copies import Loss
from runner.replication.sync import SyncError
from runner.servers.contract import Table, read_contract
from runner.servers.database import Connection
from runner.servers.relations import PlatformMismatchError, problems, read_relations, stops_writes
from runner.servers.sides import connected

LISTED = (("id", "bigint"), ("day", "date"), ("code", "text"))
FAILS = "UPDATE and DELETE on {} fail"
STALLS = "the replica cannot apply UPDATE and DELETE on {}"

# A replica identity, and its fault on a table: None if it does no harm.
IDENTITIES = {
    "default": ("", None),
    "full": ("alter table {part} replica identity full", FAILS),
    "nothing": ("alter table {part} replica identity nothing", FAILS),
    "an index on a column that is not listed": (
        "create unique index on {part} (id, day, extra);"
        "alter table {part} replica identity using index {name}_id_day_extra_idx",
        FAILS,
    ),
    "an index without id": (
        "create unique index on {part} (day, code);"
        "alter table {part} replica identity using index {name}_day_code_idx",
        STALLS,
    ),
    "an index with more": (
        "create unique index on {part} (code, day, id);"
        "alter table {part} replica identity using index {name}_code_day_id_idx",
        None,
    ),
    "an index that is gone": (
        "create unique index on {part} (id, day, code);"
        "alter table {part} replica identity using index {name}_id_day_code_idx;"
        "drop index {name}_id_day_code_idx",
        FAILS,
    ),
    "a deferrable key": ("", FAILS),
    "a key that includes more": ("", None),
}


def by_hand(connection: Connection, statements: str) -> None:
    """Run statements as pasted, each in a transaction of its own."""
    for line in statements.split(";"):
        if (statement := line.partition("--")[0].strip()) and not line.strip().startswith("--"):
            connection.execute(statement)
        if "--" in line:
            return


def make_table(connection: Connection, name: str, place: str, identity: str) -> None:
    """A table whose identity is at a place: itself, a partition, or one of a partition's."""
    key = "primary key (id, day)"
    odd_key = {
        "a deferrable key": f"{key} deferrable",
        "a key that includes more": f"{key} include (extra)",
    }.get(identity, key)
    columns = "id bigint, day date, code text not null, extra text not null default ''"
    if place == "table":
        connection.execute(f"create table {name} ({columns}, {odd_key})")
        part = name
    else:
        connection.execute(
            f"create table {name} ({columns}, {odd_key}) partition by range (day);"
            f"create table {name}_a partition of {name}"
            " for values from ('2020-01-01') to ('2021-01-01');"
            f"create table {name}_b partition of {name}"
            " for values from ('2021-01-01') to ('2022-01-01') partition by range (day);"
            f"create table {name}_b1 partition of {name}_b"
            " for values from ('2021-01-01') to ('2021-07-01')"
        )
        part = {"partition": f"{name}_a", "part of a partition": f"{name}_b1"}.get(place, name)
    connection.execute(
        f"insert into {name} values (1, '2020-01-01', 'x')"
        + ("" if place == "table" else ", (2, '2021-01-01', 'y')")
    )
    statement, _ = IDENTITIES[identity]
    connection.execute(statement.format(part=part, name=part))


def refusal(connection: Connection, name: str) -> str:
    """The server's errors on the platform's UPDATE and DELETE; empty if they succeed."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(f"update {name} set code = code || '!'")
            connection.execute(f"delete from {name}")
    except psycopg.Error as error:
        return str(error)
    return ""


def test_every_identity_in_every_place_is_judged_as_the_server_does(landscape: Landscape) -> None:
    """Before and after it is published; and the printed statements fix it."""
    places = ("table", "partition", "part of a partition", "the whole")
    with landscape.primary.connect(autocommit=True) as connection:
        for number, (identity, place, is_published) in enumerate(
            itertools.product(IDENTITIES, places, (False, True))
        ):
            if "key" in identity and place.startswith("part"):
                continue  # a partition's primary key is like that of the whole
            case = f"{identity} of {place}, published {'before' if is_published else 'after'}"
            name = f"case_{number}"
            table = Table("public", name, "platform", LISTED)
            publish = (
                f"create publication {name} for table {name} (id, day, code)"
                " with (publish_via_partition_root)"
            )
            make_table(connection, name, place, identity)
            if not is_published:
                found = problems(connection, [table], "replicator")
            connection.execute(publish)
            if is_published:
                found = problems(connection, [table], "replicator")
            relation = read_relations(connection, [table])[table.qualified]
            said = refusal(connection, name)
            is_refused = "replica identity" in said
            assert is_refused == bool(said), said
            assert stops_writes(relation, set(table.column_names)) == is_refused, case
            expected = {IDENTITIES[identity][1]} - {None}
            if place == "the whole" and identity == "a deferrable key":
                expected = {FAILS, STALLS}  # its partitions' keys are like it
            elif place == "the whole" and expected:
                # An identity with the key's columns still names rows to the replica.
                has_key = identity in ("full", "an index on a column that is not listed")
                expected = set() if has_key else {STALLS}
            assert {each.text.partition(" once ")[0].partition(":")[0] for each in found} == {
                each.format(table.qualified) for each in expected if each
            }, (case, found)
            assert is_refused == (FAILS in expected), case
            for problem in found:
                by_hand(connection, problem.mend)
            assert problems(connection, [table], "replicator") == [], case
            assert not refusal(connection, name), case


# --- replica identity, before and after a deploy ----------------------------------------------


def untouched(landscape: Landscape) -> None:
    """Nothing of a deploy is on either side."""
    assert landscape.on_primary(
        "select to_regclass('public.ai_models'), to_regclass('public.yoyo_lock'),"
        " (select count(*) from pg_publication),"
        " (select count(*) from pg_replication_slots where database = current_database())"
    ) == [(None, None, 0, 0)]
    assert landscape.on_replica("select to_regclass('public.micro_patterns')") == [(None,)]


def wrong(landscape: Landscape) -> dict[str, str]:
    """The fixes of the doctor's findings, by message."""
    found = examine(landscape.primary, landscape.replica)
    return {each.text: each.mend for each in found if each.level == "wrong"}


def test_identities_before_and_after_a_deploy(landscape: Landscape) -> None:
    landscape.on_primary(
        "alter table trading_orders replica identity full;"
        "alter table micro_patterns replica identity nothing;"
        "alter table trading_stats replica identity using index trading_stats_date_key"
    )
    with pytest.raises(PlatformMismatchError) as caught:
        landscape.deploy()
    texts = [
        f"{FAILS.format('public.micro_patterns')} once it is published: "
        "it has replica identity nothing",
        f"{FAILS.format('public.trading_orders')} once it is published: "
        "it has replica identity full",
        f"{STALLS.format('public.trading_stats')}: "
        "it has a replica identity without id of the primary key",
    ]
    assert list(caught.value.problems) == texts
    assert 'alter table "public"."trading_orders" replica identity default;' in str(caught.value)
    untouched(landscape)
    found = wrong(landscape)
    assert list(found) == texts
    for mend in found.values():
        landscape.on_primary(mend)
    landscape.deploy()
    assert landscape.differences() == []

    # Afterwards: the platform's writes fail at once, and status says why.
    landscape.on_primary("alter table trading_orders replica identity full")
    write = "update trading_orders set fee = 1; delete from trading_orders where id % 7 = 0"
    with pytest.raises(psycopg.errors.InvalidColumnReference):
        landscape.on_primary(write)
    said = [p for p in status(landscape.primary, landscape.replica).problems if texts[1] in p]
    assert [each.rpartition("mend it: ")[2] for each in said] == [found[texts[1]]]
    # A deploy refuses, but lets the platform write first; and no build takes old rows for new.
    with pytest.raises(PlatformMismatchError, match="trading_orders fail once"):
        landscape.deploy()
    landscape.on_primary(write)
    with (
        connected(landscape.primary, landscape.replica) as sides,
        pytest.raises(fence.FenceError, match=r"not replicated .*: public\.trading_orders"),
    ):
        fence.wait(sides.on_primary, sides.on_replica, read_contract(), timeout=10)
    landscape.on_primary("alter table trading_orders replica identity default")
    landscape.deploy()
    assert landscape.differences() == []
    assert wrong(landscape) == {}


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
        alter table trading_orders add primary key (id) include (reason);
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
        "ai_trading_signals.pattern_id points at public.old_patterns, which the sources do not list"
    )
    landscape.on_primary(wrong(landscape)[text])
    landscape.deploy()
    assert wrong(landscape) == {}
    landscape.on_primary("drop table old_patterns")
