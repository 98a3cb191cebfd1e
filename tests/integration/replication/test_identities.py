"""Replica identities that would stop writes or the copy are found, before and after a deploy."""

from __future__ import annotations

import itertools

import psycopg
import pytest
from landscapes import Landscape
from refused_deploys import by_hand, untouched, wrong

from runner.doctor.status import status
from runner.replication import fence
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


def test_identities_before_and_after_a_deploy(landscape: Landscape) -> None:
    landscape.on_primary(
        "alter table trading_orders replica identity full;"
        "alter table micro_patterns replica identity nothing;"
        "create unique index date_key on trading_stats (date);"
        "alter table trading_stats replica identity using index date_key"
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
