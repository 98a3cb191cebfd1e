"""Every role against every table, function and verb: all but the grants is refused."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from attempts import gets_through
from catalogs import tables
from landscapes import Landscape, drop_landscape, make_landscape
from psycopg import sql

from runner.demo.embedded import EmbeddedPair
from runner.servers.contract import read_contract
from runner.servers.database import Connection
from runner.settings import PROJECT

VERBS = ("select", "insert", "update", "delete", "truncate")

WRITTEN = {table.name for table in read_contract() if table.source == "ai"} - {
    "ai_replication_fence",
    "ai_model_stages",
    "ai_signal_edits",
}
OURS = WRITTEN | {
    "ai_decision_deliveries",
    "ai_ensemble_decisions",
    "ai_replication_fence",
    "ai_migration_ledger",
    "ai_imported_records",
    "ai_model_stages",
    "ai_signal_edits",
}
# The queue of retrainings belongs to the login that deploys: no other puts code on it.
QUEUE = {
    "artifacts",
    "jobs",
    "procrastinate_events",
    "procrastinate_jobs",
    "procrastinate_periodic_defers",
    "procrastinate_workers",
}
# Records of modules' training, of whatever kinds there are.
TRAINING = WRITTEN - {"ai_models", "ai_trading_signals", "market_bars"}
FUNCTIONS = {
    "ai_model_artifact",
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
# A module does not decide which of its versions decides.
FOR_KEEPERS = {"register_trained_ai_model", "running_ai_retrial", "set_ai_model_stage"}
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
SAMPLES = re.compile("samples?(_parts)?$|observed_|index_definitions|statement_texts|alert(s|_m)")
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
    "ai_is_word",
}
# Where one may write a column or two, and where one may read more than is its business.
VERBS_OF_FUNCTIONS: dict[str, set[str]] = {
    "artifacts": {"select"},
    "ai_models": {"select", "insert", "update"},
    "ai_trading_signals": {"select", "insert", "update"},
    "ai_model_stages": {"select", "insert", "update"},
    "ai_signal_edits": {"insert"},
    "market_bars": set(),
    "ai_imported_records": {"select", "insert", "delete"},
    "micro_patterns": {"select"},
    "trade_plans": {"select", "insert"},
} | {table: {"select", "insert"} for table in TRAINING}


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


def expected_on_primary(role: str, table: str) -> set[str]:
    everything = set(VERBS)
    if role == "migrator" and table in OURS:
        return everything
    if role == "migrator" and table in QUEUE:
        return {"select", "insert", "update", "delete"}
    if role == "ai_writer":
        return {"insert"} if table in WRITTEN else set()
    if role == "replicator":
        published = {found.name for found in read_contract()}
        return {"select"} if table in published else set()
    # migrator may act as the functions' owner.
    return VERBS_OF_FUNCTIONS.get(table, set())


@pytest.mark.parametrize("role", ["migrator", "ai_writer", "replicator", "ai_functions"])
def test_tables_of_the_primary(shared: Landscape, role: str) -> None:
    with shared.primary.connect(autocommit=True) as connection:
        found = tables(connection)
        assert {table for _, table in found} >= OURS | QUEUE
        for schema, table in found:
            given = allowed_verbs(connection, role, schema, table)
            assert given == expected_on_primary(role, table), table


def test_columns_that_no_module_writes(shared: Landscape) -> None:
    found = shared.on_primary(
        "select c.relname::text, a.attname::text from pg_class as c"
        " inner join pg_attribute as a on c.oid = a.attrelid and a.attnum > 0"
        " where c.relnamespace = 'public'::regnamespace"
        " and has_any_column_privilege('ai_writer', c.oid, 'insert')"
        " and not has_column_privilege('ai_writer', c.oid, a.attnum, 'insert')"
    )
    imported = {(table, "imported_at") for table in {"ai_trading_signals", *TRAINING}}
    stored = {("ai_trading_signals", name) for name in ("stored_at", "stored_by")}
    assert set(found) == imported | stored


@pytest.mark.parametrize("role", ["transformer", "bi_reader"])
def test_tables_of_the_replica(shared: Landscape, role: str) -> None:
    built = {"staging", "intermediate", "performance", "changes"}
    with shared.replica.connect(autocommit=True) as connection:
        found = tables(connection)
        assert {"public", "signal_marts", *built} <= {schema for schema, _ in found}
        for schema, table in found:
            if schema == "mapped" or table == "last_parts":
                # Whoever writes is told that such a view takes no rows, before any privilege.
                continue
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
                elif schema == "signal_marts" and SAMPLES.match(table):
                    # Whoever builds may observe.
                    expected |= {"insert", "update", "delete"}
                elif table == "logins":
                    expected = set()
            else:
                expected = {"select"} if schema == "performance" else set()
            assert given == expected, f"{schema}.{table}"
        privileges = connection.execute(
            "select distinct lower(g.privilege_type) from pg_class as c, aclexplode(c.relacl) as g"
            " where (c.relnamespace = 'mapped'::regnamespace or c.relname = 'last_parts')"
            " and g.grantee = %s::regrole",
            (role,),
        ).fetchall()
        assert privileges == ([("select",)] if role == "transformer" else [])


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
            *FOR_KEEPERS,
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
            assert is_definer is (name in FUNCTIONS | FOR_KEEPERS)
            assert owner == ("ai_functions" if is_definer else "migrator")
            may = role in (owner, "migrator") or (role == "ai_writer" and name in FUNCTIONS)
            may |= name in LIMITS
            assert gets_through(connection, role, sql.SQL(call)) is may, signature


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
