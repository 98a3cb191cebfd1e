"""Functions with their owner's rights do nothing for a caller that it may not do itself."""

from __future__ import annotations

import itertools
from contextlib import suppress

import psycopg
import pytest
from attempts import a_login, gets_through
from landscapes import Landscape
from psycopg import sql


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
            "missing_ai_references(array[0], array['0'])",
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
        definers = {
            name
            for (name,) in connection.execute(
                "select oid::regproc::text from pg_proc where prosecdef"
                " and prorettype = 'trigger'::regtype"
            )
        }
        assert definers == {
            *("ai_begin_stage", "ai_note_signal_edit", "ai_refuse_execution"),
            "check_withdrawn_tables",
        }
        told: list[str] = []
        connection.add_notice_handler(lambda notice: told.append(str(notice.message_primary)))
        for is_granted, name in itertools.product((False, True), sorted(definers)):
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
                        f" for each row execute function public.{name}()"
                    )
                    assert is_granted
                    connection.execute("insert into mine values ('a')")
        assert told == []
