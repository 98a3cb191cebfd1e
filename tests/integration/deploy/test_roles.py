"""Every role against every table, function and verb: all but the grants is refused."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

import psycopg
import pytest
from ai_desk import AT, MODEL, SIGNAL
from catalogs import tables
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg import sql

from runner.client import AITradingIntegration, InvalidRecordError
from runner.client.pools import TRADING, Pools
from runner.demo.embedded import EmbeddedPair
from runner.servers.contract import read_contract
from runner.servers.database import Connection, Database
from runner.settings import PROJECT

VERBS = ("select", "insert", "update", "delete", "truncate")

OURS = {
    "ai_models",
    "ai_trading_signals",
    "rl_training_episodes",
    "genetic_generations",
    "spectrum_analysis",
    "market_bars",
    "ai_replication_fence",
    "ai_migration_ledger",
    "ai_imported_records",
}
WRITTEN = OURS - {"ai_replication_fence", "ai_migration_ledger", "ai_imported_records"}
FUNCTIONS = {
    "create_trade_plan_from_ai_signal",
    "expire_ai_signals",
    "find_ai_signals",
    "find_related_pattern",
    "import_ai_model",
    "import_ai_rows",
    "last_ai_training_number",
    "missing_ai_references",
    "record_ai_signal_execution",
    "register_ai_model",
    "reserve_ai_ids",
    "same_ai_rows",
    "store_ai_signal",
    "stored_ai_ids",
}
# Of the login that deploys, for owners of tables: whoever else calls them changes nothing.
FOR_OWNERS = {
    "change_column_types": False,
    "files_in_use": False,
    "return_to_publication": True,
    "rows_written_so_far": False,
    "take_out_of_publication": True,
    "type_only_widens": False,
    "withdraw_from_publication": False,
}
# They look at a value and nothing else, for whoever writes it.
LIMITS = {
    "ai_checked_time",
    "ai_is_amount",
    "ai_is_double",
    "ai_is_json",
    "ai_is_key",
    "ai_is_name",
    "ai_is_spectrum",
    "ai_is_symbol",
    "ai_is_time",
}
# Where one may write a column or two, and where one may read more than is its business.
COLUMNS_OF_FUNCTIONS = {
    ("ai_models", "select"),
    ("ai_models", "insert"),
    ("ai_models", "update"),
    ("ai_trading_signals", "select"),
    ("ai_trading_signals", "insert"),
    ("ai_trading_signals", "update"),
    ("rl_training_episodes", "select"),
    ("rl_training_episodes", "insert"),
    ("genetic_generations", "select"),
    ("genetic_generations", "insert"),
    ("spectrum_analysis", "select"),
    ("spectrum_analysis", "insert"),
    ("ai_imported_records", "select"),
    ("ai_imported_records", "insert"),
    ("ai_imported_records", "delete"),
    ("micro_patterns", "select"),
    ("trade_plans", "select"),
    ("trade_plans", "insert"),
}


@pytest.fixture(scope="module")
def shared(pair: EmbeddedPair, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Landscape]:
    """A deployed platform whose replica has a mart and the models above it."""
    made = make_landscape(pair, pair.urls().replica)
    made.deploy()
    made.build(tmp_path_factory.mktemp("target"), "+order_attribution")
    yield made
    drop_landscape(made)


def test_the_guide_lists_all_that_is_written_to_the_primary(shared: Landscape) -> None:
    guide = (PROJECT / "docs" / "adoption.md").read_text("utf-8")
    section = guide.split("\n## What is written to the primary\n")[1].split("\n## ")[0]
    written = shared.on_primary(
        """
        select relname::text from pg_class
        where relkind in ('r', 'p', 'v', 'm') and relnamespace = 'public'::regnamespace
        union select proname from pg_proc where pronamespace = 'public'::regnamespace
        union select rolname from pg_roles
        where shobj_description(oid, 'pg_authid') = 'made by signal-marts'
            and oid in (
                select refobjid from pg_shdepend where dbid = (
                    select oid from pg_database where datname = current_database()
                )
            )
        union select pubname from pg_publication
        """
    )
    named = set(re.findall(r"`([a-z_]+)", section))
    platform = {table.name for table in read_contract() if table.source != "ai"}
    assert {name for (name,) in written} - named - platform == set()
    assert {*OURS, *FUNCTIONS, "ai_functions", "signal_marts"} <= named


def allowed_verbs(connection: Connection, role: str, schema: str, table: str) -> set[str]:
    """The verbs that a role gets through with, on any column; each is tried, and taken back."""
    row = connection.execute(
        "select array_agg(attname::text order by attnum) from pg_attribute"
        " where attrelid = %s::regclass and attnum > 0 and not attisdropped",
        (sql.Identifier(schema, table).as_string(),),
    ).fetchone()
    assert row is not None
    relation = sql.Identifier(schema, table)
    allowed = set()
    for verb in VERBS:
        for column in map(sql.Identifier, row[0]):
            statement = {
                "select": "select {column} from {relation} limit 0",
                "insert": "insert into {relation} ({column}) values (default)",
                "update": "update {relation} set {column} = default where false",
                "delete": "delete from {relation} where false",
                "truncate": "truncate {relation}",
            }[verb]
            if gets_through(
                connection, role, sql.SQL(statement).format(relation=relation, column=column)
            ):
                allowed.add(verb)
                break
            if verb in ("delete", "truncate"):
                break
    return allowed


def gets_through(connection: Connection, role: str, statement: sql.Composed | sql.SQL) -> bool:
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))
            connection.execute("set local lock_timeout = '2s'")
            connection.execute(statement)
    except psycopg.errors.InsufficientPrivilege:
        return False
    except psycopg.Error:
        # It was let through to be refused for what it says.
        return True
    return True


def expected_on_primary(role: str, table: str) -> set[str]:
    everything = set(VERBS)
    if role == "migrator" and table in OURS:
        return everything
    if role == "ai_writer":
        return {"insert"} if table in WRITTEN else set()
    if role == "replicator":
        published = {found.name for found in read_contract()}
        return {"select"} if table in published else set()
    # migrator may act as the functions' owner.
    return {verb for name, verb in COLUMNS_OF_FUNCTIONS if name == table}


@pytest.mark.parametrize("role", ["migrator", "ai_writer", "replicator", "ai_functions"])
def test_tables_of_the_primary(shared: Landscape, role: str) -> None:
    with shared.primary.connect(autocommit=True) as connection:
        found = tables(connection)
        assert {table for _, table in found} >= OURS
        for schema, table in found:
            given = allowed_verbs(connection, role, schema, table)
            assert given == expected_on_primary(role, table), table


def test_columns_that_no_module_writes(shared: Landscape) -> None:
    assert shared.on_primary(
        "select c.relname::text, a.attname::text from pg_class as c"
        " inner join pg_attribute as a on c.oid = a.attrelid and a.attnum > 0"
        " where c.relnamespace = 'public'::regnamespace"
        " and has_any_column_privilege('ai_writer', c.oid, 'insert')"
        " and not has_column_privilege('ai_writer', c.oid, a.attnum, 'insert') order by 1"
    ) == [
        ("ai_trading_signals", "imported_at"),
        ("genetic_generations", "imported_at"),
        ("rl_training_episodes", "imported_at"),
        ("spectrum_analysis", "imported_at"),
    ]


@pytest.mark.parametrize("role", ["transformer", "bi_reader"])
def test_tables_of_the_replica(shared: Landscape, role: str) -> None:
    built = {"staging", "intermediate", "performance", "changes"}
    with shared.replica.connect(autocommit=True) as connection:
        found = tables(connection)
        assert {"public", "signal_marts", *built} <= {schema for schema, _ in found}
        for schema, table in found:
            given = allowed_verbs(connection, role, schema, table)
            if role == "transformer":
                # Truncating a view is refused as nonsense, after it was allowed.
                expected = set(VERBS) if schema in built else {"select"}
                # A build prunes entries that all models have read.
                if table in ("change_log", "copies"):
                    expected |= {"delete"}
                elif table in ("change_log_pruned", "noted_partitions"):
                    expected |= {"insert", "update"}
                elif table in ("build_lock", "staging_lock"):
                    # Without which nobody takes their locks.
                    expected |= {"update"}
                elif table == "logins":
                    expected = set()
            else:
                expected = {"select"} if schema == "performance" else set()
            assert given == expected, f"{schema}.{table}"


@pytest.mark.parametrize("role", ["migrator", "ai_writer", "replicator", "ai_functions"])
def test_functions_of_the_primary(shared: Landscape, role: str) -> None:
    with shared.primary.connect(autocommit=True) as connection:
        functions = connection.execute(
            "select proname::text, oid::regprocedure::text,"
            " 'select ' || oid::regproc || '(' || coalesce((select string_agg('null::'"
            " || format_type(type, null), ', ') from unnest(proargtypes) as type), '') || ')',"
            " prosecdef, proconfig, pg_get_userbyid(proowner)::text"
            " from pg_proc where pronamespace = 'public'::regnamespace"
            " and prorettype <> 'trigger'::regtype"
        ).fetchall()
        assert {name for name, *_ in functions} == {
            *FUNCTIONS,
            *FOR_OWNERS,
            *LIMITS,
            "limit_ai_rows",
            "limit_ai_writer_login",
        }
        for name, signature, call, is_definer, settings, owner in functions:
            assert 'search_path=""' in settings, signature
            if name in FOR_OWNERS:
                assert is_definer is FOR_OWNERS[name]
                assert owner == connection.info.user
                continue
            assert is_definer is (name in FUNCTIONS)
            assert owner == ("ai_functions" if name in FUNCTIONS else "migrator")
            may = role in (owner, "migrator") or (role == "ai_writer" and name in FUNCTIONS)
            may |= name in LIMITS
            assert gets_through(connection, role, sql.SQL(call)) is may, signature


@contextmanager
def a_login(shared: Landscape, name: str, role: str | None = None) -> Iterator[Connection]:
    """A session on the primary of a login that is a member of this role alone."""
    login = f"{name}_of_{shared.primary.parameters()['dbname']}"
    shared.on_primary(f"create role {login} login" + (f" in role {role}" if role else ""))
    try:
        with shared.primary.connect(autocommit=True) as connection:
            connection.execute(f"set session authorization {login}")
            yield connection
    finally:
        shared.on_primary(f"drop role {login}")


@pytest.mark.parametrize("role", ["ai_writer", "replicator", "ai_functions", "migrator"])
def test_only_owners_take_tables_out_of_the_publication(shared: Landscape, role: str) -> None:
    with a_login(shared, role, role) as connection:
        for table, is_own in (("ai_models", role == "migrator"), ("trade_plans", False)):
            for call in (
                f"withdraw_from_publication('public.{table}')",
                f"change_column_types('public.{table}', '{{\"id\": \"numeric\"}}')",
            ):
                may = gets_through(connection, role, sql.SQL(f"select public.{call}"))
                assert may is is_own, call


@pytest.mark.parametrize("options", ["", "with (security_invoker)"])
def test_nobody_locks_what_is_not_its_own(shared: Landscape, options: str) -> None:
    """LOCK TABLE of a view locks the tables that it reads, with the locking session's rights."""
    with a_login(shared, "nobody") as connection:
        for table in ("public.trading_orders", "public.ai_models", "pg_catalog.pg_authid"):
            connection.execute(
                sql.SQL(f"create temporary view mine {options} as select from {table}")
            )
            for call in (
                "withdraw_from_publication('mine')",
                "take_out_of_publication('mine')",
                "take_out_of_publication('public.trading_orders')",
                "change_column_types('mine', '{\"id\": \"bigint\"}')",
            ):
                with connection.transaction(force_rollback=True):
                    with suppress(psycopg.Error), connection.transaction():
                        connection.execute(sql.SQL("select public.") + sql.SQL(call))
                    assert (
                        connection.execute(
                            "select relation::regclass::text from pg_locks"
                            " where pid = pg_backend_pid() and mode = 'AccessExclusiveLock'"
                            " and relation <> 'mine'::regclass"
                        ).fetchall()
                        == []
                    ), call
            connection.execute("drop view mine")


def test_nothing_else_can_be_made_or_drawn(shared: Landscape) -> None:
    attempts = {
        "create table public.mine (id bigint)": {"migrator"},
        "create function public.mine() returns integer language sql as 'select 1'": {"migrator"},
        "create schema mine": set(),
        "create role mine": set(),
        "select nextval('public.ai_models_id_seq')": {"migrator"},
        "select nextval('public.ai_trading_signals_id_seq')": {"migrator", "ai_functions"},
        "select nextval('public.trade_plans_id_seq')": {"migrator", "ai_functions"},
        "select nextval('public.micro_patterns_id_seq')": set(),
        "alter function public.find_ai_signals(text[]) owner to ai_writer": set(),
        "copy public.ai_models to program 'true'": set(),
    }
    with shared.primary.connect(autocommit=True) as connection:
        for statement, roles in attempts.items():
            for role in ("migrator", "ai_writer", "replicator", "ai_functions"):
                may = gets_through(connection, role, sql.SQL(statement))
                assert may is (role in roles), f"{role}: {statement}"


TRAP = """
    create function pg_temp.spring(anything bool) returns bool language plpgsql as
    $$ begin raise exception 'sprung as %', current_user; end $$;
"""


def test_a_callers_own_objects_fool_no_function(shared: Landscape) -> None:
    """A temporary schema comes first even in an empty search_path, for relations and types."""
    with shared.primary.connect() as connection:
        connection.execute("set local role ai_writer")
        connection.execute(TRAP)
        # A type of the caller's, which would run the caller's function with the owner's rights.
        for name in (
            "text", "jsonb", "regclass", "timestamptz", "record", "int8", "int4", "name", "bytea",
        ):  # fmt: skip
            connection.execute(
                sql.SQL(
                    "create domain pg_temp.{} as pg_catalog.bool check (pg_temp.spring(value))"
                ).format(sql.Identifier(name))
            )
        for name in (
            "ai_models", "ai_trading_signals", "trade_plans", "micro_patterns",
            "genetic_generations", "ai_imported_records",
        ):  # fmt: skip
            connection.execute(
                sql.SQL("create temporary table {} (id bigint)").format(sql.Identifier(name))
            )
        for call in (
            "register_ai_model('sparse_spectrum', 'trap', '1')",
            "last_ai_training_number(1)",
            "store_ai_signal(public.register_ai_model('sparse_spectrum', 'trap', '1'), 'X', 'BUY',"
            " 0.5, price_target => 2, stop_loss => 1, take_profit => 3, idempotency_key => 'trap')",
            "store_ai_signal(public.register_ai_model('sparse_spectrum', 'trap', '1'), 'X', 'BUY',"
            " 0.5, idempotency_key => 'trap')",
            "find_ai_signals(array['trap'])",
            "reserve_ai_ids('spectrum_analysis', 2)",
            "stored_ai_ids('spectrum_analysis', array[1])",
            "find_related_pattern('BTCUSD')",
            "missing_ai_references(array[0], array[0])",
            "create_trade_plan_from_ai_signal("
            "(select signal_id from public.find_ai_signals(array['trap'])))",
            "record_ai_signal_execution("
            "(select signal_id from public.find_ai_signals(array['trap'])),"
            " public.create_trade_plan_from_ai_signal("
            "(select signal_id from public.find_ai_signals(array['trap']))))",
            "expire_ai_signals()",
            "import_ai_model('sparse_spectrum', 'trap', '1')",
            "import_ai_model('sparse_spectrum', 'trap', '2')",
            """import_ai_rows('genetic_generations', 'trap', jsonb_build_array(jsonb_build_object(
                'key', 'trap',
                'row', jsonb_build_object(
                    'model_id', public.register_ai_model('sparse_spectrum', 'trap', '1'),
                    'generation_number', 1, 'best_fitness', 1, 'average_fitness', 1,
                    'best_individual', 1, 'created_at', now()
                )
            )))""",
        ):
            connection.execute(sql.SQL("select * from public.{}").format(sql.SQL(call)))
        connection.rollback()


def test_a_trigger_of_ours_is_of_our_table_alone(shared: Landscape) -> None:
    """On a table of the caller's, its columns' types could have casts that the caller wrote."""
    with shared.primary.connect(autocommit=True) as connection:
        definers = connection.execute(
            "select oid::regproc::text from pg_proc where prosecdef"
            " and prorettype = 'trigger'::regtype"
        ).fetchall()
        assert definers == [("check_withdrawn_tables",)]
        told: list[str] = []
        connection.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
        for is_granted in (False, True):
            with connection.transaction(force_rollback=True):
                if is_granted:  # as by somebody's mistake
                    connection.execute("grant execute on all functions in schema public to public")
                connection.execute("set local role replicator")
                connection.execute(
                    """
                    create type pg_temp.number as enum ('a');
                    create function pg_temp.spring(pg_temp.number) returns oid
                    language plpgsql immutable as
                    $$ begin raise notice 'sprung as %', current_user; return 0; end $$;
                    create cast (pg_temp.number as oid)
                    with function pg_temp.spring(pg_temp.number) as implicit;
                    create temporary table mine (table_oid pg_temp.number)
                    """
                )
                with suppress(psycopg.errors.InsufficientPrivilege), connection.transaction():
                    connection.execute(
                        "create trigger trap after insert on mine"
                        " for each row execute function public.check_withdrawn_tables()"
                    )
                    assert is_granted
                    connection.execute("insert into mine values ('a')")
        assert told == []


# --- logins -------------------------------------------------------------------------------------

_SETTINGS = sql.SQL(
    "select current_setting('statement_timeout'), current_setting('lock_timeout'),"
    " current_setting('idle_in_transaction_session_timeout')"
)


@pytest.fixture
def module_login(shared: Landscape) -> Iterator[Database]:
    """A login that is a member of ai_writer, as a team would make it."""
    shared.on_primary("create role a_module login password 'secret'; grant ai_writer to a_module")
    server = shared.primary.parameters()
    yield Database(
        "primary",
        f"postgresql://a_module:secret@{server['host']}:{server['port']}/{server['dbname']}",
        search_path="public",
    )
    shared.on_primary(
        "select pg_terminate_backend(pid, 5000) from pg_stat_activity where usename = 'a_module'"
    )
    shared.on_primary("drop role a_module")


def settings_of(database: Database) -> tuple[object, ...] | None:
    """Those of a client that sets none, as our own sessions do."""
    with psycopg.connect(database.url) as connection:
        return connection.execute(_SETTINGS).fetchone()


def test_a_login_of_its_own_can_do_its_work(shared: Landscape, module_login: Database) -> None:
    for role in ("ai_writer", None):
        limits = replace(TRADING, role=role)
        with Pools(module_login, trading_limits=limits) as pools:
            module = AITradingIntegration(pools)
            signal = replace(SIGNAL, model_id=module.register_model(MODEL))
            first, second = module.store_ai_signals([signal, signal])
            plan = module.create_trade_plan_from_ai_signal(first)
            module.record_execution(second, trade_plan_id=plan)
            with pytest.raises(InvalidRecordError, match="signal 1: model_id 9999 is no"):
                module.store_ai_signals([signal, replace(signal, model_id=9999)])


def test_what_limits_a_login(shared: Landscape, module_login: Database) -> None:
    # A member has nothing of ai_writer's settings.
    assert settings_of(module_login) == ("0", "0", "0")
    shared.on_primary("select limit_ai_writer_login('a_module', 2)")
    assert settings_of(module_login) == ("1min", "5s", "1min")
    with psycopg.connect(module_login.url) as first, psycopg.connect(module_login.url):
        with pytest.raises(Exception, match="too many connections for role"):
            settings_of(module_login)
        # A session may set its own, which nothing can forbid it.
        first.execute("set statement_timeout = 0")
    with pytest.raises(psycopg.errors.InvalidParameterValue, match="is not a login that is a mem"):
        shared.on_primary("select limit_ai_writer_login('replicator')")


def test_what_holds_for_every_caller(shared: Landscape, module_login: Database) -> None:
    with Pools(module_login) as pools:
        module = AITradingIntegration(pools)
        signal = replace(SIGNAL, model_id=module.register_model(MODEL), expires_at=None)
        id_ = module.store_ai_signal(replace(signal, created_at=AT))
    call = "select create_trade_plan_from_ai_signal(%s)"
    with shared.primary.connect() as holder, module_login.connect() as careless:
        holder.execute("select from ai_trading_signals where id = %s for update", (id_,))
        careless.execute("set lock_timeout = 0")
        started = time.monotonic()
        with pytest.raises(psycopg.errors.LockNotAvailable):
            careless.execute(call, (id_,))
        assert 4 < time.monotonic() - started < 15
        careless.rollback()
        holder.rollback()
        # Who holds a signal's row and stops there is sent away.
        careless.execute(call, (id_,))
        assert careless.execute(_SETTINGS).fetchone() == ("0", "0", "1min")
        careless.commit()
        assert careless.execute(_SETTINGS).fetchone() == ("0", "0", "0")
