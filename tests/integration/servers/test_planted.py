"""Code that roles plant on their tables never runs as superuser, though the runner is one."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner
from landscapes import Landscape
from psycopg import errors, sql

from runner import doctor
from runner.build import builds
from runner.cli import cli
from runner.client.pools import AsyncPools, Pools, shared_pool
from runner.doctor.status import status
from runner.errors import SignalMartsError
from runner.replication import fence, landed, landing
from runner.servers import role_logins
from runner.servers.changes import Changes
from runner.servers.contract import read_contract
from runner.servers.database import Connection, Database
from runner.servers.deploy_lock import LockedError, one_at_a_time
from runner.servers.planted import PlantedError
from runner.servers.relations import PlatformMismatchError
from runner.servers.sides import connected
from runner.views.dashboard import marts

# Reads or writes nothing that a failing transaction would take back: a sequence is drawn from.
CANARY = """
create sequence public.touched;
create sequence public.sprung;
grant usage on sequence public.touched to {role};
set local role {role};
create function {schema}.sing() returns integer language plpgsql as
$$ begin
    perform pg_catalog.nextval('public.touched');
    begin execute 'reset session authorization'; exception when others then null; end;
    begin execute 'reset role'; exception when others then null; end;
    if pg_catalog.current_setting('is_superuser') = 'on' then
        perform pg_catalog.nextval('public.sprung');
    end if;
    return 1;
end $$;
-- It claims to be immutable, so that an index and the planner take it.
create function {schema}.canary() returns integer language plpgsql immutable as
$$ begin return {schema}.sing(); end $$;
create function {schema}.canary_trigger() returns trigger language plpgsql as
$$ begin perform {schema}.canary(); return new; end $$;
"""

ON_FENCE = {
    "trigger": "create trigger trap before insert or update on public.ai_replication_fence"
    " for each row execute function public.canary_trigger()",
    "deferred trigger": "create constraint trigger trap after insert or update"
    " on public.ai_replication_fence deferrable initially deferred"
    " for each row execute function public.canary_trigger()",
    "statement trigger": "create trigger trap after insert on public.ai_replication_fence"
    " execute function public.canary_trigger()",
    "rule": "create rule trap as on insert to public.ai_replication_fence"
    " do also select public.canary()",
    "check": "alter table public.ai_replication_fence"
    " add constraint trap check (public.canary() > 0) not valid",
    "operator": "create function public.same(smallint, integer) returns boolean language sql"
    " immutable as 'select public.canary() > 0';"
    "create operator public.=== (leftarg = smallint, rightarg = integer, function = public.same);"
    "alter table public.ai_replication_fence"
    " add constraint trap check (id operator(public.===) 1) not valid",
    "default": "alter table public.ai_replication_fence add column trap integer;"
    "alter table public.ai_replication_fence alter column trap set default public.canary()",
    "generated column": "alter table public.ai_replication_fence"
    " add column trap integer generated always as (public.canary()) stored",
    "index": "create index trap on public.ai_replication_fence ((public.canary() + id))",
    "partial index": "create index trap on public.ai_replication_fence (id)"
    " where public.canary() > 0",
    "policy": "alter table public.ai_replication_fence enable row level security;"
    "create policy trap on public.ai_replication_fence using (public.canary() > 0)",
    "child": "create table public.trap_child () inherits (public.ai_replication_fence)",
    "domain": "create domain public.trap_type as integer check (public.canary() > 0);"
    "alter table public.ai_replication_fence add column trap public.trap_type",
}
ON_LEDGER = {
    "index of an AI table": "create index trap on public.ai_models ((public.canary() + id))",
    "ledger's trigger": "create trigger trap before insert on public.ai_migration_ledger"
    " for each row execute function public.canary_trigger();"
    # So that a deploy has something to write there.
    "delete from public.ai_migration_ledger where migration_id = '0001_roles'",
    "ledger's index": "create index trap on public.ai_migration_ledger"
    " ((public.canary() || migration_id))",
    "view for the ledger": "drop table public.ai_migration_ledger;"
    "create view public.ai_migration_ledger as select 'x' as migration_id,"
    " public.canary()::text as apply_sha256, 'x' as rollback_sha256",
}

ON_BARS = "create index trap on public.market_bars ((public.canary() + length(symbol)))"
# yoyo compares such names.
FOR_YOYO = """
    create function public.eq(information_schema.sql_identifier, information_schema.sql_identifier)
    returns boolean language sql as 'select public.canary() > 0';
    create operator public.= (
        leftarg = information_schema.sql_identifier, rightarg = information_schema.sql_identifier,
        function = public.eq
    )
"""


def plant(landscape: Landscape, side: str, role: str, statements: str) -> None:
    with getattr(landscape, side).connect() as connection:
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
        connection.execute(statements)


def drawn(landscape: Landscape, side: str, sequence: str) -> bool:
    ((is_called,),) = landscape.execute(side, f"select is_called from public.{sequence}")
    return bool(is_called)


def as_the_runner(landscape: Landscape) -> tuple[Database, Database]:
    return Database("primary", landscape.primary.url), Database("replica", landscape.replica.url)


def test_what_migrator_plants(landscape: Landscape) -> None:
    landscape.deploy()
    primary, replica = as_the_runner(landscape)
    landscape.on_primary(CANARY.format(role="migrator", schema="public"))
    # The canary sings, where a superuser merely took the role.
    plant(landscape, "primary", "migrator", "select public.canary()")
    assert drawn(landscape, "primary", "sprung")
    landscape.on_primary("alter sequence sprung restart; alter sequence touched restart")

    def wait() -> None:
        with connected(primary, replica) as sides:
            fence.wait(sides.on_primary, sides.on_replica, read_contract(), timeout=60)

    def look() -> None:
        status(primary, replica)

    def deploy() -> None:
        landscape.deploy()

    for trap, undo, resync in (
        (ON_BARS, "drop index public.trap", ["public.market_bars"]),
        (FOR_YOYO, "drop function public.eq cascade", None),
    ):
        plant(landscape, "primary", "migrator", trap)
        landscape.on_primary("alter sequence sprung restart")
        # So that yoyo has something to do.
        landscape.on_primary("delete from _yoyo_migration where migration_id = '0001_roles'")
        with pytest.raises(PlantedError, match="not as Signal Marts made it"):
            landscape.deploy(resync=resync)
        assert not drawn(landscape, "primary", "sprung"), trap
        landscape.on_primary(undo)
        landscape.deploy()

    for name, trap in {**ON_FENCE, **ON_LEDGER}.items():
        with landscape.primary.connect() as connection:
            connection.execute("set local role migrator")
            connection.execute(trap)
            connection.execute("reset role")
            # To make some of them runs them once, in the test's own session.
            connection.execute("alter sequence public.sprung restart")
            connection.commit()
            refused = []
            for use in (wait, look, deploy):
                try:
                    use()
                except PlantedError as error:
                    refused.append(str(error))
                except PlatformMismatchError:
                    # These would be wrong on any published table.
                    assert name in ("policy", "child")
            assert refused, name
            assert all("not as Signal Marts made it" in text for text in refused)
            found = [
                each
                for each in doctor.examine(primary, replica)
                if "not as Signal Marts made it" in each.text
            ]
            # It reads the ledger, and writes nothing.
            assert found or name not in ("ledger's index", "view for the ledger"), name
            assert not drawn(landscape, "primary", "sprung"), name
            if name == "view for the ledger":
                break  # The ledger is gone with it.
            connection.execute(UNDO)
            connection.commit()
        wait()


def test_what_anybody_plants_in_public(landscape: Landscape) -> None:
    """All logins may make things there, in a database of before PostgreSQL 15."""
    landscape.deploy()
    landscape.on_primary("create role anybody; grant create on schema public to public")
    try:
        landscape.on_primary(CANARY.format(role="anybody", schema="public"))
        for trap in (
            FOR_YOYO,
            "create function public.format(text, text) returns text language sql"
            " as 'select public.canary()::text'",
            "create type public.kind as enum ('a');"
            "create function public.as_text(public.kind) returns text language sql"
            " as 'select public.canary()::text';"
            "create cast (public.kind as text) with function public.as_text as implicit",
        ):
            with landscape.primary.connect() as connection:
                connection.execute("set local role anybody")
                connection.execute(trap)
                connection.execute("reset role")
                connection.execute("delete from _yoyo_migration where migration_id = '0001_roles'")
                connection.commit()
                with pytest.raises(PlantedError, match="not as Signal Marts made it"):
                    landscape.deploy()
                assert not drawn(landscape, "primary", "sprung"), trap
                connection.execute(
                    "drop function if exists public.eq, public.format(text, text),"
                    " public.as_text cascade; drop type if exists public.kind"
                )
                connection.commit()
        # The platform's own are its business.
        landscape.on_primary(
            "alter table trading_stats owner to anybody; set local role anybody;"
            "create function public.round(double precision, integer) returns numeric language sql"
            " as 'select pg_catalog.round($1::numeric, $2)'"
        )
        landscape.deploy()
    finally:
        landscape.on_primary("reassign owned by anybody to postgres; drop owned by anybody")
        landscape.on_primary("drop role anybody")


UNDO = """
drop trigger if exists trap on public.ai_replication_fence;
drop trigger if exists trap on public.ai_migration_ledger;
drop rule if exists trap on public.ai_replication_fence;
drop policy if exists trap on public.ai_replication_fence;
alter table public.ai_replication_fence disable row level security;
drop table if exists public.trap_child;
alter table public.ai_replication_fence drop constraint if exists trap;
drop index if exists public.trap;
alter table public.ai_replication_fence drop column if exists trap;
drop domain if exists public.trap_type;
drop operator if exists public.=== (smallint, integer);
"""


def test_what_transformer_plants(landscape: Landscape, tmp_path: Path) -> None:
    landscape.deploy()
    landscape.build(tmp_path, "+order_attribution")
    primary, replica = as_the_runner(landscape)
    landscape.on_replica(CANARY.format(role="transformer", schema="changes"))
    plant(
        landscape,
        "replica",
        "transformer",
        """
        create view performance.trap as
        select now() as available_at where changes.canary() > 0;
        create function performance.becomes_superuser() returns boolean language plpgsql as
        $$ begin
            begin execute 'set role none'; exception when others then null; end;
            return current_setting('is_superuser')::boolean;
        end $$;
        create trigger trap before insert or update or delete on changes.builds
        for each row execute function changes.canary_trigger();
        create trigger trap before insert or update or delete on changes.relations
        for each row execute function changes.canary_trigger();
        create index trap on changes.builds ((changes.canary() + nodes));
        create index trap_4 on changes.rejected_rows ((changes.canary() + length(row_key)));
        create table changes.fake (id integer primary key, _xid xid8);
        comment on table changes.fake is 'landing table made by signal-marts';
        create trigger trap before delete on changes.fake
        execute function changes.canary_trigger();
        create index trap_2 on performance.order_attribution ((changes.canary() + order_id));
        create index trap_3 on changes.relations ((changes.canary() + version));
        create policy trap on changes.builds using (changes.canary() > 0);
        alter table changes.builds enable row level security;
        create rule trap as on update to changes.reads do also select changes.canary();
        alter table changes.reads add constraint trap check (changes.canary() > 0) not valid;
        alter table changes.relations add column trap integer default changes.canary();
        create function changes.array_agg(anyelement) returns integer language sql
        as 'select changes.canary()';
        """,
    )
    with landscape.replica.connect() as connection:
        connection.execute("set role transformer")
        connection.execute("select * from performance.trap")
    assert drawn(landscape, "replica", "sprung")
    landscape.on_replica("alter sequence sprung restart; alter sequence touched restart")
    found = status(primary, replica)
    assert "trap" in {mart.name for mart in found.marts}
    assert drawn(landscape, "replica", "touched")
    landscape.on_primary("update trading_orders set filled_price = filled_price + 1")
    with suppress(SignalMartsError):
        landscape.build(tmp_path, "+order_attribution", tests=True)
    urls = {"PRIMARY_URL": primary.url, "REPLICA_URL": replica.url}
    CliRunner(env=urls).invoke(cli, ["build", "--select", "order_attribution"])
    doctor.examine(primary, replica)
    landscape.deploy(resync=[])
    with role_logins.as_role(replica, "bi_reader").connect() as connection:
        assert connection.execute("show is_superuser").fetchone() == ("off",)

    # Readers' sessions, though they were given the superuser's URL.
    trap = "select performance.becomes_superuser()"

    async def read() -> object:
        async with AsyncPools(primary, replica) as pools:
            assert pools.analytics is not None
            async with pools.analytics.connection() as connection:
                return await (await connection.execute(trap)).fetchone()

    found_out = [asyncio.run(read())]
    with Pools(primary, replica) as pools:
        assert pools.analytics is not None
        with pools.analytics.connection() as connection:
            found_out.append(connection.execute(trap).fetchone())
    with marts.connect(replica, marts.LIMITS) as connection, marts.reading(connection):
        found_out.append(connection.execute(trap).fetchone())
    with (
        shared_pool(replica, marts.LIMITS) as pool,
        pool.connection() as connection,
        marts.reading(connection),
    ):
        found_out.append(connection.execute(trap).fetchone())
    assert found_out == [(False,)] * 4


@contextmanager
def logged_in(landscape: Landscape, role: str) -> Iterator[Connection]:
    """A session of a login on the replica that is a member of the role."""
    name = f"member_of_{landscape.replica.parameters()['dbname']}"
    landscape.on_replica(f"create role {name} login in role {role}")
    try:
        with landscape.replica.connect(autocommit=True) as connection:
            connection.execute(f"set session authorization {name}")
            yield connection
    finally:
        landscape.on_replica(f"drop owned by {name} cascade; drop role {name}")


def test_no_other_login_makes_landing_tables(landscape: Landscape) -> None:
    """One that looks like a landing table is neither emptied nor in the way, and none takes one's
    place."""
    landscape.deploy()
    planted = """
        create {} fake (id integer primary key, _xid xid8);
        comment on table fake is 'landing table made by signal-marts';
        create function {}.trap() returns trigger language plpgsql as
        $$ begin raise 'sprung as %', current_user; end $$;
        create trigger trap before delete on fake execute function {}.trap()
    """
    with logged_in(landscape, "bi_reader") as reader:
        reader.execute(planted.format("temporary table", "pg_temp", "pg_temp"))
        landscape.deploy(resync=[])
    with logged_in(landscape, "transformer") as builder:
        builder.execute("create schema mine; set search_path = mine")
        builder.execute(planted.format("table", "mine", "mine"))
        landscape.deploy(resync=[])
        # A schema that the sources will name.
        named = [replace(table, schema="mine") for table in read_contract()[:1]]
        changes = Changes(report=landscape.reports.append)
        with connected(*as_the_runner(landscape)) as sides:
            with pytest.raises(landed.LandingError, match="schema mine belongs to member_of"):
                landing.extend(sides.on_replica, named, {}, changes)
            builder.execute(f"create table {named[0].name} (id integer primary key, _xid xid8)")
            landscape.on_replica("alter schema mine owner to postgres")
            with pytest.raises(landed.LandingError, match=r"table mine\..* belongs to member_of"):
                landing.extend(sides.on_replica, named, {}, changes)
    assert landscape.deploy() == []


def test_no_login_holds_up_a_build(landscape: Landscape) -> None:
    """Locks that any login may take are none of builds; that of deploys tells whose it is."""
    landscape.deploy()
    _, replica = as_the_runner(landscape)
    with landscape.replica.connect(application="a report") as reader:
        reader.execute("set role bi_reader")
        for key in ("7460113", "hashtextextended('changes', 0)", str(0x7369_676E_616C_4D73)):
            reader.execute(f"select pg_advisory_lock({key})")
        reader.commit()
        for table in ("build_lock", "staging_lock"):
            with pytest.raises(errors.InsufficientPrivilege), reader.transaction():
                reader.execute(f"lock table signal_marts.{table} in access share mode")
        with (
            builds.one_build(replica, "build"),
            builds.frozen(replica, timeout=5),
            pytest.raises(LockedError, match="signal-marts build"),
            builds.one_build(replica, "build"),
        ):
            pass
        with (
            pytest.raises(LockedError, match=r"a report \(server process .*, login postgres\)"),
            one_at_a_time(replica),
        ):
            pass
