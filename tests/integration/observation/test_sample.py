"""Samples of two real servers: what is seen, what is not, and what is kept."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest
from command_line import run
from landscapes import VERSION, Landscape, drop_landscape, make_landscape
from psycopg.conninfo import make_conninfo

from runner.demo.embedded import EmbeddedPair
from runner.observation import sample
from runner.observation.queries import Query
from runner.servers.database import Database

PARTS = {
    *("servers", "tables", "indexes", "foreign_keys", "sizes", "definitions", "sequences"),
    *("locks", "lock_waits", "sessions", "wal", "checkpoints", "slots", "standbys"),
    *("subscriptions", "xmin_holders", "roles", "statements", "io"),
}
SIDES = ("primary", "replica")
# The first is not in the packaged servers, the second not before 16.
MISSING = {
    (side, part, "") for side in SIDES for part in ("statements", "io")[: 1 + (VERSION < 16)]
}
ORDERS = "public.trading_orders"


@pytest.fixture(scope="module")
def seen(pair: EmbeddedPair) -> Iterator[Landscape]:
    """A deployed platform and its replica, without a mart."""
    made = make_landscape(pair, pair.urls().replica)
    made.deploy()
    yield made
    drop_landscape(made)


def observe(seen: Landscape, *, keep_days: float = 14, is_sparing: bool = False) -> sample.Sample:
    return sample.observe(
        Database("primary", seen.primary.url),
        Database("replica", seen.replica.url),
        keep_days=keep_days,
        is_sparing=is_sparing,
    )


def not_seen(taken: sample.Sample) -> set[tuple[str, str, str]]:
    return {(each.side, each.part, each.relation) for each in taken.not_seen}


def names(
    seen: Landscape, taken: sample.Sample, part: str, columns: str
) -> set[tuple[object, ...]]:
    return set(
        seen.on_replica(
            f"select side, {columns} from signal_marts.observed_{part} where sample_id = {taken.id}"
        )
    )


def test_a_sample_has_every_part_of_both_sides(seen: Landscape) -> None:
    taken = observe(seen)
    assert not_seen(taken) == MISSING
    parts = seen.on_replica(
        f"select side, part, row_count from signal_marts.sample_parts where sample_id = {taken.id}"
    )
    assert {(side, part) for side, part, _ in parts} == {(s, p) for s in SIDES for p in PARTS}
    # What a deployed platform and its replica have, and what no server is without.
    empty = {(side, part) for side, part, rows in parts if not rows}
    assert empty <= {(side, part) for side, part, _ in MISSING} | {
        *((side, part) for side in SIDES for part in ("locks", "lock_waits", "sessions")),
        *((side, "xmin_holders") for side in SIDES),
        *(("replica", "slots"), ("replica", "standbys"), ("primary", "subscriptions")),
    }
    for side in SIDES:
        assert (side, "public", "trading_orders") in names(
            seen, taken, "tables", "schema_name, table_name"
        )
    assert ("primary", "trading_orders_id_seq") in names(seen, taken, "sequences", "sequence_name")
    assert ("primary", "logical") in names(seen, taken, "standbys", "kind")
    assert ("replica", "signal_marts") in names(seen, taken, "subscriptions", "subscription_name")
    key = {
        row
        for row in names(
            seen, taken, "indexes", "index_name, is_unique, constraint_name, key_columns::text"
        )
        if row[1] == "trading_orders_pkey"
    }
    assert key == {
        (side, "trading_orders_pkey", True, "trading_orders_pkey", "{id}") for side in SIDES
    }


def test_the_command_takes_a_sample(seen: Landscape) -> None:
    environment = {"PRIMARY_URL": seen.primary.url, "REPLICA_URL": seen.replica.url}
    told = run("signal-marts", "observe", env=os.environ | environment)
    assert told.returncode == 0, told.stderr
    assert told.stdout.startswith("sample ")
    assert "not seen on the primary: statements: the extension pg_stat_statements" in told.stderr


# --- locks --------------------------------------------------------------------------------------


@contextmanager
def locked(seen: Landscape, *, awaited: bool) -> Iterator[None]:
    """ACCESS EXCLUSIVE on the orders, held or awaited behind a reader."""
    with seen.primary.connect() as reader, seen.primary.connect() as owner:
        if awaited:
            reader.execute("lock table trading_orders in access share mode")
            owner.execute("set lock_timeout = 0")
            owner.pgconn.send_query(b"lock table trading_orders in access exclusive mode")
            waits = "select 1 from pg_locks where pid = %s and not granted"
            while not reader.execute(waits, (owner.info.backend_pid,)).fetchone():
                pass
        else:
            owner.execute("lock table trading_orders in access exclusive mode")
        yield
        reader.rollback()
        reader.close()
        owner.close()


@pytest.mark.parametrize("awaited", [False, True], ids=["held", "awaited"])
def test_a_locked_table_is_passed_over(seen: Landscape, awaited: bool) -> None:
    with locked(seen, awaited=awaited):
        taken = observe(seen)
    indexes = {
        str(name)
        for side, schema, table, name in names(
            seen, taken, "indexes", "schema_name, table_name, index_name"
        )
        if (side, f"{schema}.{table}") == ("primary", ORDERS)
    }
    # All parts came at the first try: nothing waited until its lock_timeout.
    assert not_seen(taken) == MISSING | {
        ("primary", "sizes", ORDERS),
        *(("primary", "definitions", f"public.{name}") for name in indexes),
    }
    assert ("primary", "trading_orders") in names(seen, taken, "tables", "table_name")
    modes = names(seen, taken, "locks", "relation_name, mode, is_granted")
    assert ("primary", ORDERS, "AccessExclusiveLock", not awaited) in modes
    if awaited:
        waits = names(seen, taken, "lock_waits", "relation_name, mode, blocking_state")
        assert waits == {("primary", ORDERS, "AccessExclusiveLock", "idle in transaction")}


@pytest.mark.parametrize(
    "question",
    [
        "pg_table_size('public.trading_orders')",
        "pg_get_indexdef('public.trading_orders_pkey'::regclass)",
    ],
)
def test_a_lock_that_comes_in_between_ends_the_part(
    seen: Landscape, question: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard is needed: sizes and definitions wait for locks, as long as they may."""
    asked = Query("sizes", f"select {question}", 0, None)
    with (
        locked(seen, awaited=False),
        seen.primary.connect(autocommit=True, options=sample.OPTIONS) as connection,
    ):
        part = sample._ask(connection, asked, VERSION, sees_all=True)
    assert part.why_not == "canceling statement due to lock timeout"


def test_what_takes_too_long_is_ended(seen: Landscape) -> None:
    """After five seconds; here, after a fifth of one."""
    (limit,) = re.findall(r"-c statement_timeout=(\w+)", sample.OPTIONS)
    assert limit == "5s"
    options = sample.OPTIONS.replace(limit, "200ms")
    with seen.primary.connect(autocommit=True, options=options) as connection:
        asked = Query("sizes", "select pg_sleep(600)", 0, None)
        part = sample._ask(connection, asked, VERSION, sees_all=True)
    assert part.why_not == "canceling statement due to statement timeout"


def test_nothing_is_written_on_the_primary(seen: Landscape) -> None:
    with (
        seen.primary.connect(autocommit=True, options=sample.OPTIONS) as connection,
        pytest.raises(psycopg.errors.ReadOnlySqlTransaction),
    ):
        connection.execute("create table written (id bigint)")


# --- privileges ---------------------------------------------------------------------------------


def test_what_a_login_may_not_see_is_told(seen: Landscape) -> None:
    """On the primary a login that may only connect, on the replica one that may only build."""
    for side, group in (("primary", ""), ("replica", "in role transformer")):
        seen.execute(side, f"create role watcher login password 'known' {group}")
    primary, replica = (
        Database(database.side, make_conninfo(database.url, user="watcher", password="known"))  # noqa: S106
        for database in (seen.primary, seen.replica)
    )
    try:
        with seen.primary.connect():
            taken = observe(Landscape(primary, replica))
    finally:
        seen.on_primary("drop role watcher")
        seen.on_replica("drop role watcher")
    partly = ("sessions", "standbys", "xmin_holders", "lock_waits")
    expected = MISSING | {(side, part, "") for side in SIDES for part in partly}
    assert expected <= not_seen(taken)
    others = not_seen(taken) - expected
    assert ("primary", "sequences", "public.trading_orders_id_seq") in others
    assert {part for _, part, _ in others} == {"sequences"}
    # A sequence that is not seen is not one without a number.
    assert not names(seen, taken, "sequences", "sequence_name") & {
        ("primary", "trading_orders_id_seq")
    }
    # Sessions of others are counted, their state is unknown.
    states = names(seen, taken, "sessions", "role_name, state, sessions_waiting_for_locks")
    assert ("primary", "postgres", None, None) in states


def test_who_made_a_role_is_no_member_of_it(seen: Landscape) -> None:
    def member_of() -> object:
        roles = names(seen, observe(seen), "roles", "role_name, member_of::text")
        return {role: groups for _, role, groups in roles}["maker"]

    seen.on_primary("create role maker createrole; create role group_of")
    seen.on_primary("set role maker; create role made")
    try:
        assert member_of() == "{}"
        seen.on_primary("grant made to group_of; grant group_of to maker")
        assert member_of() == "{group_of,made}"
    finally:
        seen.on_primary("drop role made, group_of, maker")


# --- what is kept -------------------------------------------------------------------------------


def test_samples_are_thinned_and_forgotten(seen: Landscape) -> None:
    ((quarter,),) = seen.on_replica("select date_bin('6 hours', now(), '2000-01-01 00:00+00')")
    seen.on_replica(
        "truncate signal_marts.samples cascade;"
        "insert into signal_marts.samples (taken_at, seconds)"
        f" select '{quarter}'::timestamptz - age * interval '1 minute', age"
        # Of today, of quarters of two days before, too old.
        " from unnest(array[1, 2, 2880, 2881, 2882, 3239, 3241, 20881]) as age;"
        "insert into signal_marts.observed_wal (sample_id, side)"
        " select id, 'primary' from signal_marts.samples"
    )
    taken = observe(seen, keep_days=14)
    rows = seen.on_replica(
        "select s.seconds::int from signal_marts.samples as s"
        " inner join signal_marts.observed_wal as w on s.id = w.sample_id and w.side = 'primary'"
        f" where s.id <> {taken.id} order by 1 desc"
    )
    assert [age for (age,) in rows] == [3241, 3239, 2880, 2, 1]


def test_a_sparing_sample_leaves_out_what_was_stored_lately(seen: Landscape) -> None:
    def parts(taken: sample.Sample) -> set[tuple[object, ...]]:
        return set(
            seen.on_replica(
                "select side, part from signal_marts.sample_parts"
                f" where sample_id = {taken.id} and relation = ''"
            )
        )

    def age(seconds: int) -> None:
        seen.on_replica(
            f"update signal_marts.samples set taken_at = taken_at - {seconds} * interval '1 second'"
        )

    every = {(side, part) for side in SIDES for part in PARTS}
    definitions = "select count(*) from signal_marts.index_definitions"
    seen.on_replica("truncate signal_marts.samples cascade")
    assert parts(observe(seen, is_sparing=True)) == every
    remembered = seen.on_replica(definitions)
    sparing = observe(seen, is_sparing=True)
    assert (parts(sparing), sparing.is_whole) == (sample.OFTEN, False)
    assert seen.on_replica(definitions) == remembered
    age(300)
    assert parts(observe(seen, is_sparing=True)) == sample.OFTEN
    age(300)
    assert parts(observe(seen, is_sparing=True)) == every
    assert parts(observe(seen)) == every
    # Of later hours a whole sample is kept, though a sparing one came first.
    ((quarter,),) = seen.on_replica("select date_bin('6 hours', now(), '2000-01-01 00:00+00')")
    seen.on_replica(
        f"update signal_marts.samples as s set taken_at = '{quarter}'::timestamptz"
        f" - interval '2 days' + s.id * interval '1 second'"
    )
    seen.on_replica(f"delete from signal_marts.samples where id < {sparing.id}")
    observe(seen)
    ((kept,),) = seen.on_replica(
        "select count(*) filter (where p.part = 'tables') from signal_marts.samples as s"
        " inner join signal_marts.sample_parts as p on s.id = p.sample_id and p.side = 'primary'"
        " where s.taken_at < now() - interval '1 day'"
    )
    assert kept == 1


def test_an_index_is_remembered_since_it_was_first_seen(seen: Landscape) -> None:
    def remembered() -> list[tuple[object, ...]]:
        return seen.on_replica(
            "select definition, predicate, first_seen_at from signal_marts.index_definitions"
            " where definition like '%short_lived%'"
        )

    seen.on_primary("create index short_lived on trading_orders (price) where quantity > 1")
    observe(seen)
    first = remembered()
    assert [row[:2] for row in first] == [
        (
            "CREATE INDEX short_lived ON public.trading_orders USING btree (price)"
            " WHERE (quantity > (1)::numeric)",
            "(quantity > (1)::numeric)",
        )
    ]
    observe(seen)
    assert remembered() == first
    seen.on_primary("drop index short_lived")
    observe(seen)
    assert remembered() == []
