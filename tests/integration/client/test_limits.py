"""What an AI module may store: the same limits in the database, the API and staging."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import psycopg
import pytest
from ai_desk import AT, BAR, MODEL, SIGNAL, empty
from landscapes import Landscape
from limited_rows import insertion, refused_column, written_tables

from runner.client import AITradingIntegration, InvalidRecordError
from runner.client.pools import Pools
from runner.client.records import Episode
from runner.servers.contract import read_contract
from runner.servers.database import Connection

RULES: Mapping[str, tuple[str, ...]] = {
    "jsonb": ("ai_is_json",),
    "timestamp with time zone": ("ai_is_time",),
    "numeric": ("ai_is_amount",),
    "double precision": ("ai_is_double",),
    "text": ("ai_is_name", "ai_is_key", "ai_is_word"),
}

# A value at the limit and values beyond it, as SQL.
AT_THE_LIMIT: Mapping[str, tuple[list[str], list[str]]] = {
    "ai_is_time": (
        ["'1971-01-01Z'", "'2199-12-31 23:59:59.999999Z'"],
        ["'1970-12-31 23:59:59.999999Z'", "'2200-01-01Z'", "'infinity'", "'-infinity'"],
    ),
    "ai_is_key": (["'k'", "repeat('é', 200)", "' a'"], ["''", "repeat('k', 201)"]),
    "ai_is_name": (
        ["'n'", "'a b'"],
        ["''", "' a'", "e'a\\u00a0'", "e'a\\tb'", "e'a\\u200bb'", "repeat('n', 201)"],
    ),
    "ai_is_word": (
        ["'a'", "'lstm_2'", "repeat('a', 64)"],
        ["''", "'A'", "'2nd'", "'_a'", "'a b'", "e'a\\n'", "'é'", "repeat('a', 65)"],
    ),
    "ai_is_symbol": (["repeat('é', 64)"], ["repeat('é', 65)"]),
    "ai_is_amount": (
        [
            "999999999999999.999999999999999999",
            "0.000000000000000001",
            "1e-100",
        ],
        ["1e15", "1e-101", "'NaN'", "'infinity'", "'-infinity'"],
    ),
    "ai_is_double": (
        ["0", "1e-100", "1e100"],
        ["9.99e-101", "5e-324", "1.01e100", "'NaN'", "'infinity'"],
    ),
    "ai_is_json": (
        [
            """('{"a": "' || repeat('x', 65527) || '"}')::jsonb""",
            "('{\"a\": ' || repeat('[', 64) || repeat(']', 64) || '}')::jsonb",
            # The last of these is none of a spectrum's.
            """'{"a": 1.7976931348623157e308}'""",
        ],
        [
            """('{"a": "' || repeat('x', 65528) || '"}')::jsonb""",
            "('{\"a\": ' || repeat('[', 65) || repeat(']', 65) || '}')::jsonb",
            """'{"a": 1e309}'""",
            """'{"a": 1e-400}'""",
        ],
    ),
    "ai_is_spectrum": (
        ["""'[{"a": 1e100, "b": -1e-100, "c": 0}]'"""],
        ["""'[{"a": 1.1e100}]'""", """'[[-9e-101]]'"""],
    ),
}


def limits_of(connection: Connection) -> set[tuple[str, str, str]]:
    """Table, column and rule of every limit, as the triggers have them."""
    rows = connection.execute(
        "select tgrelid::regclass::text, tgargs from pg_trigger"
        " where tgfoid = 'public.ai_refuse_row()'::regprocedure"
    ).fetchall()
    found = set()
    for table, arguments in rows:
        names = arguments.decode().split("\0")[:-1]
        found |= {(table, *pair) for pair in zip(names[::2], names[1::2], strict=True)}
    return found


def test_every_column_that_a_module_writes_has_a_limit(primary: Connection) -> None:
    limited = limits_of(primary)
    tables = written_tables(primary)
    of_modules = {table.name for table in read_contract() if table.source == "ai"}
    others = {"ai_replication_fence", "ai_model_stages", "ai_signal_edits"}
    assert of_modules - others <= set(tables)
    columns = primary.execute(
        """
        select c.relname::text, a.attname::text, format_type(a.atttypid, a.atttypmod),
            coalesce(
                (
                    select bool_or(pg_get_constraintdef(k.oid) ~ '= ANY|~ ''')
                    from pg_constraint as k
                    where k.conrelid = c.oid and k.contype = 'c' and k.conkey = array[a.attnum]
                ),
                false
            )
        from pg_class as c
        inner join pg_attribute as a on c.oid = a.attrelid and a.attnum > 0 and not a.attisdropped
        where c.oid = any(%s::text[]::regclass[])
        """,
        (tables,),
    ).fetchall()
    for table, column, data_type, is_listed in columns:
        if data_type in ("bigint", "integer", "boolean", "bytea") or is_listed:
            continue
        if (table, column) == ("ai_imported_records", "table_name"):
            continue  # import_ai_rows() knows the names that there are
        if (table, column) in (
            ("ai_trading_signals", "stored_at"),
            ("ai_trading_signals", "stored_by"),
        ):
            continue  # the server alone
        rules = RULES[data_type]
        assert any((table, column, rule) in limited for rule in rules), f"{table}.{column}"
    assert {rule for *_, rule in limited} == set(AT_THE_LIMIT)


def test_each_limit_holds_for_insert_and_update(primary: Connection) -> None:
    for table in written_tables(primary):
        primary.execute(insertion(primary, table, {}))
    limited = limits_of(primary)
    for table, column, rule in sorted(limited):
        kept, beyond = AT_THE_LIMIT[rule]
        if rule == "ai_is_json" and (table, column, "ai_is_spectrum") in limited:
            kept = kept[:-1]
        for value in kept:
            statement = insertion(primary, table, {column: value})
            assert refused_column(primary, statement) is None, (table, column, value)
        for statement in (
            *(insertion(primary, table, {column: value}) for value in beyond),
            f"update {table} set {column} = {beyond[0]}",
        ):
            assert refused_column(primary, statement) == column, statement


# --- what is at the limit is kept exactly ---------------------------------------------------------


def test_prices_are_kept_to_18_decimals(shared: Landscape, module: AITradingIntegration) -> None:
    tiny, huge = Decimal("0.000000000000000001"), Decimal("999999999999999.999999999999999999")
    model_id = module.register_model(MODEL)
    signal = replace(
        SIGNAL, model_id=model_id, price_target=huge, stop_loss=tiny,
        take_profit=Decimal("0.0000000000085" + "0" * 20),
    )  # fmt: skip
    module.store_ai_signal(signal)
    module.store_ai_signals([signal])
    module.store_episode(model_id, Episode(1, 1.0, 1, None, huge.copy_negate(), None, AT))
    module.store_market_bars([replace(BAR, low=tiny, high=huge, volume=huge)])
    entry = {
        "key": "k",
        "row": {
            "model_id": model_id, "idempotency_key": "i", "symbol": "X", "signal_type": "BUY",
            "confidence": 0.5, "price_target": str(huge), "stop_loss": str(tiny), "metadata": {},
            "take_profit": "0.0000000000085", "created_at": str(AT), "updated_at": str(AT),
            "status": "EXPIRED",
        },
    }  # fmt: skip
    assert module.import_rows("ai_trading_signals", "s", [json.dumps(entry)]) == {"k": "stored"}
    assert shared.on_primary(
        "select distinct price_target, stop_loss, take_profit from ai_trading_signals"
    ) == [(huge, tiny, Decimal("0.0000000000085"))]
    assert shared.on_primary("select portfolio_value from rl_training_episodes") == [
        (huge.copy_negate(),)
    ]
    assert shared.on_primary("select low, high, volume from market_bars") == [(tiny, huge, huge)]
    with pytest.raises(psycopg.Error, match="more than 18 decimals") as caught:
        shared.on_primary(
            f"select store_ai_signal({model_id}, 'X', 'BUY', 0.5, 0.0000000000000000001)"
        )
    assert caught.value.sqlstate == "SM009"


def test_documents_that_no_replica_could_take_are_refused(primary: Connection) -> None:
    primary.execute("set local role ai_writer")
    for document in (
        # Deeper than PostgreSQL's own parser goes is built as this is.
        "(with recursive d (n, v) as (select 1, '[]'::jsonb union all"
        " select n + 1, jsonb_build_array(v) from d where n < 2000)"
        " select jsonb_build_object('a', v) from d order by n desc limit 1)",
        # 24 bytes a number in a row, 130,000 digits as text.
        "(select jsonb_build_object('a', jsonb_agg('1e130000'::numeric))"
        " from generate_series(1, 100))",
        "(select jsonb_build_object('a', jsonb_agg(1::numeric(1000, 900)))"
        " from generate_series(1, 100))",
    ):
        statement = insertion(primary, "ai_models", {"config": document})
        assert refused_column(primary, statement) == "config"


def test_a_row_of_before_the_limits_stands_in_nobodys_way(shared: Landscape) -> None:
    empty(shared)
    shared.on_primary(
        """
        insert into micro_patterns (id, symbol, timeframe, pattern_type, confidence, signal,
            created_at)
        overriding system value values (77, 'X', '1h', 'breakout', 0.5, 'BUY', now());
        insert into ai_models (model_type, model_name, version)
        values ('sparse_spectrum', 'old', '1');
        alter table ai_trading_signals disable trigger ai_trading_signals_limits;
        insert into ai_trading_signals
            (model_id, symbol, signal_type, confidence, pattern_id, created_at, expires_at)
        select id, repeat('X', 100), 'BUY', 5e-324, 77, '1969-01-01', '1969-01-02' from ai_models;
        alter table ai_trading_signals enable trigger ai_trading_signals_limits;
        """
    )
    with Pools(shared.primary) as pools:
        assert AITradingIntegration(pools).expire_due_signals() == 1
    shared.on_primary("delete from micro_patterns where id = 77")
    assert shared.on_primary("select status, pattern_id from ai_trading_signals") == [
        ("EXPIRED", None)
    ]


# --- arguments of the functions -------------------------------------------------------------------


@pytest.mark.parametrize("at", ["infinity", "-infinity", "1970-12-31", "2200-01-02"])
def test_a_time_of_no_year_is_refused(primary: Connection, at: str) -> None:
    row = primary.execute(
        "select store_ai_signal(model_id => min(id), symbol => 'X', signal_type => 'BUY',"
        " confidence => 0.5, price_target => 1, expires_at => now() + interval '1 hour')"
        " from ai_models"
    ).fetchone()
    assert row is not None
    quoted = f"'{at}'"
    for call in (
        "create_trade_plan_from_ai_signal({id}, {at})",
        "record_ai_signal_execution({id}, at => {at})",
        "expire_ai_signals({at})",
        "expire_ai_signals({at}, array[{id}])",
        "find_related_pattern('X', {at})",
        "register_ai_model('sparse_spectrum', 'at', '1', at => {at})",
        "store_ai_signal(1, 'X', 'BUY', 0.5, created_at => {at})",
        "store_ai_signal(1, 'X', 'BUY', 0.5, expires_at => {at}, created_at => '1971-01-01Z')",
    ):
        with (
            pytest.raises(psycopg.Error, match="in the years 1971 to 2199"),
            primary.transaction(),
        ):
            primary.execute(f"select {call.format(id=row[0], at=quoted)}")
    assert primary.execute(
        "select status from ai_trading_signals where id = %s", row
    ).fetchall() == [("ACTIVE",)]


def test_an_execution_needs_its_plan(primary: Connection) -> None:
    # As on a platform whose table has no key that a foreign key could refer to.
    primary.execute(
        "alter table ai_trading_signals drop constraint ai_trading_signals_trade_plan_id_fkey"
    )
    row = primary.execute(
        "select store_ai_signal(min(id), 'X', 'BUY', 0.5) from ai_models"
    ).fetchone()
    assert row is not None
    module = AITradingIntegration.inside(primary)
    with pytest.raises(InvalidRecordError, match="trade_plan_id 999999 is no plan"):
        module.record_execution(row[0], trade_plan_id=999999)
    primary.execute("alter table trade_plans rename to plans")
    assert module.record_execution(row[0], trade_plan_id=999999) is True


@pytest.mark.parametrize("limits", [["close", "ai_is_amuont"], ["close"]])
def test_a_limit_that_is_not_there_is_no_limit(shared: Landscape, limits: list[str]) -> None:
    with (
        shared.primary.connect() as connection,
        pytest.raises(psycopg.errors.UndefinedFunction, match="no limit of rows is called"),
    ):
        connection.execute("select limit_ai_rows('market_bars', %s)", (limits,))
