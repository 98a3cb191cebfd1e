"""What an AI module may store: the same limits in the database, the API and staging."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import psycopg
import pytest
from ai_desk import AT, BAR, MODEL, SIGNAL, empty
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from landscapes import Landscape, drop_landscape, make_landscape

from runner.build import transform
from runner.client import AITradingIntegration, InvalidRecordError, StoreError, limits, validation
from runner.client.pools import Pools
from runner.client.records import Episode, Generation, SpectrumResult
from runner.demo.embedded import EmbeddedPair
from runner.deploy import id_sequences
from runner.doctor import examine
from runner.doctor.status import status
from runner.servers.database import Connection
from runner.settings import PROJECT

RULES: Mapping[str, tuple[str, ...]] = {
    "jsonb": ("ai_is_json",),
    "timestamp with time zone": ("ai_is_time",),
    "numeric": ("ai_is_amount",),
    "double precision": ("ai_is_double",),
    "text": ("ai_is_name", "ai_is_key"),
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

MODEL_ID = "(select min(id) from ai_models)"

# A row of each table that breaks nothing.
ROWS: Mapping[str, dict[str, str]] = {
    "ai_models": {"model_type": "'sparse_spectrum'", "model_name": "'n'", "version": "'v'"},
    "ai_trading_signals": {
        "model_id": MODEL_ID, "symbol": "'X'", "signal_type": "'BUY'", "confidence": "0.5"
    },
    "rl_training_episodes": {
        "model_id": MODEL_ID, "episode_number": "1", "total_reward": "1", "episode_length": "1"
    },
    "genetic_generations": {
        "model_id": MODEL_ID, "generation_number": "1", "best_fitness": "1", "average_fitness": "1",
        "best_individual": "'{}'",
    },
    "spectrum_analysis": {
        "model_id": MODEL_ID, "symbol": "'X'", "analysis_type": "'fourier'",
        "dominant_frequencies": "'[]'",
    },
    "market_bars": {
        "symbol": "'X'", "timeframe": "'1h'", "opened_at": "'2025-01-01Z'", "open": "1",
        "high": "1", "low": "1", "close": "1", "volume": "1",
    },
    "ai_imported_records": {
        "table_name": "'t'", "record_id": "1", "source_name": "'s'", "record_key": "'k'",
        "digest": "''",
    },
}  # fmt: skip


@pytest.fixture(scope="module")
def shared(pair: EmbeddedPair) -> Iterator[Landscape]:
    """A deployed platform that the tests of this file share."""
    made = make_landscape(pair, pair.urls().replica)
    made.deploy()
    yield made
    drop_landscape(made)


@pytest.fixture
def primary(shared: Landscape) -> Iterator[Connection]:
    """A transaction on its primary, taken back afterwards, with a model 1."""
    with shared.primary.connect() as connection:
        connection.execute(
            "insert into ai_models (model_type, model_name, version)"
            " values ('sparse_spectrum', 'first', '1')"
        )
        yield connection
        connection.rollback()


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
        where c.relnamespace = 'public'::regnamespace and c.relkind = 'r'
            and (
                has_any_column_privilege('ai_writer', c.oid, 'insert')
                or has_any_column_privilege('ai_functions', c.oid, 'insert')
            )
            and pg_get_userbyid(c.relowner) = 'migrator'
        """
    ).fetchall()
    assert {table for table, *_ in columns} == set(ROWS)
    for table, column, data_type, is_listed in columns:
        if data_type in ("bigint", "integer", "boolean", "bytea") or is_listed:
            continue
        if (table, column) == ("ai_imported_records", "table_name"):
            continue  # import_ai_rows() knows the names that there are
        rules = RULES[data_type]
        assert any((table, column, rule) in limited for rule in rules), f"{table}.{column}"
    assert {rule for *_, rule in limited} == set(AT_THE_LIMIT)


def test_each_limit_holds_for_insert_and_update(primary: Connection) -> None:
    primary.execute("alter table ai_models drop constraint ai_models_model_type_check")
    for table in ROWS:
        primary.execute(insertion(table, {}))
    limited = limits_of(primary)
    for table, column, rule in sorted(limited):
        kept, beyond = AT_THE_LIMIT[rule]
        if rule == "ai_is_json" and (table, column, "ai_is_spectrum") in limited:
            kept = kept[:-1]
        for value in kept:
            statement = insertion(table, {column: value})
            assert refused_column(primary, statement) is None, (table, column, value)
        for statement in (
            *(insertion(table, {column: value}) for value in beyond),
            f"update {table} set {column} = {beyond[0]}",
        ):
            assert refused_column(primary, statement) == column, statement


def insertion(table: str, changes: dict[str, str]) -> str:
    row = ROWS[table] | changes
    return f"insert into {table} ({', '.join(row)}) values ({', '.join(row.values())})"


def refused_column(connection: Connection, statement: str) -> str | None:
    """The column whose limit refuses the statement; None where none does, whatever else may."""
    try:
        with connection.transaction(force_rollback=True):
            connection.execute(statement)
    except psycopg.errors.CheckViolation as error:
        is_limit = "is beyond its limit: " in (error.diag.message_primary or "")
        return error.diag.column_name if is_limit else None
    except psycopg.IntegrityError:
        return None
    return None


# --- the database and the API ---------------------------------------------------------------------


def accepts(check: Callable[..., object], *arguments: object) -> bool:
    try:
        check("field", *arguments)
    except validation._RefusedError:
        return False
    return True


characters = st.characters(codec="utf-8", exclude_characters="\0")
blanks = st.sampled_from(" \t\n\u00a0\u1680\u2003\u200b\u2028\u3000\u0085\ufeffx")
texts = st.text(characters | blanks, min_size=1, max_size=6) | st.sampled_from(
    ["é" * n for n in (64, 65, 200, 201)]
)
whole = st.integers() | st.sampled_from([10**100, 10**100 + 1, 10**308, 10**309, -(10**309), 0])
floats = st.floats(allow_nan=False, allow_infinity=False) | st.sampled_from(
    [0.0, -0.0, 1e-100, 9.99e-101, 1e100, 1.01e100, 5e-324, 1.7976931348623157e308]
)
documents = st.recursive(
    st.none() | st.booleans() | whole | floats | st.text(characters, max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(characters, max_size=3), inner)
    ),
    max_leaves=8,
)


hours = st.integers(-14, 14)


def shifted(microseconds: int, is_first: bool, hours: int) -> datetime:
    """A time around either end, as a clock of another zone tells it."""
    end = limits.FIRST_TIME if is_first else limits.END_OF_TIME
    return (end + timedelta(microseconds=microseconds)).astimezone(timezone(timedelta(hours=hours)))


def nested(levels: int) -> dict[str, Any]:
    document: Any = {}
    for _ in range(levels - 1):
        document = {"a": document}
    return {"a": document}


def filled(size: int, *values: object) -> dict[str, Any]:
    """A document of about so many bytes, with values that either side writes in its own way."""
    document = {"v": list(values), "é": '\\"\n\x7f'}
    missing = size - len(json.dumps(document, ensure_ascii=False).encode()) - len(', "a": ""')
    return document | {"a": "x" * missing}


# PostgreSQL writes these doubles with 326 more characters.
LONGER = (1e-7, -0.0, 1e300, 1.5e16, 123456789.0, 1e22)
large = [
    filled(limits.MAX_JSON_BYTES + surplus, *values)
    for surplus, values in ((0, ()), (1, ()), (-326, LONGER), (-325, LONGER))
]


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    names=st.lists(texts, max_size=20),
    doubles=st.lists(floats, max_size=20),
    amounts=st.lists(
        st.decimals(-(10**16), 10**16, allow_nan=False, allow_infinity=False)
        | st.decimals(-1, 1, allow_nan=False, places=19),
        max_size=20,
    ),
    times=st.lists(st.builds(shifted, st.integers(-2, 2), st.booleans(), hours), max_size=20),
    jsons=st.lists(st.dictionaries(st.text(characters, max_size=3), documents), max_size=10),
)
def test_the_api_keeps_to_the_same_limits(
    primary: Connection,
    names: list[str],
    doubles: list[float],
    amounts: list[Decimal],
    times: list[datetime],
    jsons: list[dict[str, Any]],
) -> None:
    both(
        primary,
        "ai_is_name(value) and ai_is_symbol(value)",
        "text",
        names,
        lambda value: accepts(validation._name, value, limits.MAX_SYMBOL),
    )
    both(
        primary,
        "ai_is_name(value)",
        "text",
        names,
        lambda value: accepts(validation._name, value, limits.MAX_NAME),
    )
    both(
        primary,
        "ai_is_key(value)",
        "text",
        names,
        lambda value: accepts(validation._text, value, limits.MAX_NAME),
    )
    both(
        primary,
        "ai_is_double(value)",
        "float8",
        doubles,
        lambda value: accepts(validation._double, value),
    )
    both(
        primary,
        # Only a plain INSERT takes more decimals.
        "ai_is_amount(value) and scale(trim_scale(value)) <= 18",
        "numeric",
        amounts,
        lambda value: accepts(validation._amount, value),
    )
    both(
        primary,
        "ai_is_time(value)",
        "timestamptz",
        times,
        lambda value: accepts(validation._time, value),
    )
    compare_documents(primary, jsons)


def test_the_api_keeps_to_the_same_limits_of_json(primary: Connection) -> None:
    found = compare_documents(primary, [nested(n) for n in (1, 63, 64, 65, 66)] + large)
    assert found[:5] == [True, True, True, False, False]
    assert found[5:] == [True, False, True, False]


def compare_documents(primary: Connection, documents: list[dict[str, Any]]) -> list[bool]:
    texts = [json.dumps(document, ensure_ascii=False) for document in documents]
    found = both(
        primary,
        "ai_is_json(value::jsonb)",
        "text",
        documents,
        lambda value: accepts(validation._json, value, Mapping),
        texts,
    )
    lists = [[document] for document in documents]
    both(
        primary,
        "ai_is_json(value::jsonb) and ai_is_spectrum(value::jsonb)",
        "text",
        lists,
        lambda value: accepts(validation._json, value, list, validation._frequency),
        [f"[{text}]" for text in texts],
    )
    return found


def both(
    primary: Connection,
    rule: str,
    data_type: str,
    values: list[Any],
    in_python: Callable[[Any], bool],
    sent: list[str] | None = None,
) -> list[bool]:
    """What both sides say of the values, which must be the same."""
    rows = primary.execute(
        f"select {rule} from unnest(%s::{data_type}[]) with ordinality as given (value, place)"
        " order by place",
        (values if sent is None else sent,),
    ).fetchall()
    in_sql = [is_kept for (is_kept,) in rows]
    for value, is_kept in zip(values, in_sql, strict=True):
        assert in_python(value) is is_kept, (rule, value)
    return in_sql


# --- what staging sets aside ----------------------------------------------------------------------

SQL_KINDS = ("money", "double", "share", "moment", "symbol", "label", "not_negative")


@pytest.fixture(scope="module")
def staging_rules(shared: Landscape, tmp_path_factory: pytest.TempPathFactory) -> Mapping[str, str]:
    """The conditions of staging on a column `value`, as dbt renders them."""
    rules = [f"{{{{ rule_condition(none, ['value', '{kind}']) }}}}" for kind in SQL_KINDS]
    rules.append("{{ is_timeframe('value') }}")
    result: Any = transform._invoke(
        shared.replica.environment(),
        [
            *("compile", "--inline", "\n;".join(rules)),
            *transform._options(tmp_path_factory.mktemp("compiled")),
        ],
        lambda *_: None,
    )
    compiled = result.result.results[0].node.compiled_code.split(";")
    return dict(zip((*SQL_KINDS, "timeframe"), compiled, strict=True))


@settings(
    deadline=None, max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    names=st.lists(st.sampled_from(["é" * n for n in (1, 64, 65, 200, 201)]), max_size=9),
    doubles=st.lists(floats, max_size=20),
    amounts=st.lists(st.decimals(-(10**16), 10**16, places=2), max_size=20),
    times=st.lists(st.builds(shifted, st.integers(-2, -1), st.booleans(), hours), max_size=20),
    counts=st.lists(st.integers(-3, 3), max_size=9),
    timeframes=st.lists(st.from_regex(r"[0-9]{0,5}[mhdwy]", fullmatch=True), max_size=9),
)
@example(
    [],
    [1e-100, 9.99e-101, 1e100, 1.01e100, 1.0, 1.0000001, -1e-100],
    [Decimal(10) ** 15 * sign + step for sign in (1, -1) for step in (0, Decimal("1e-18"), -1)],
    [shifted(step, True, 0) for step in (-1, 0, 1)] + [shifted(-1, False, 0)],
    [],
    ["1m", "9999w", "10000m", "0h", "1h\n"],
)
def test_staging_sets_aside_what_the_api_refuses(
    primary: Connection,
    staging_rules: Mapping[str, str],
    names: list[str],
    doubles: list[float],
    amounts: list[Decimal],
    times: list[datetime],
    counts: list[int],
    timeframes: list[str],
) -> None:
    def same(kind: str, data_type: str, values: list[Any], check: Any, *others: Any) -> None:
        condition = staging_rules[kind]
        both(primary, condition, data_type, values, lambda value: accepts(check, value, *others))

    same("money", "numeric", amounts, validation._amount)
    same("double", "float8", doubles, validation._double)
    same("share", "float8", doubles, validation._share)
    same("moment", "timestamptz", times, validation._time)
    same("symbol", "text", names, validation._name, limits.MAX_SYMBOL)
    same("label", "text", names, validation._name, limits.MAX_NAME)
    same("not_negative", "int", counts, validation._count)
    both(
        primary,
        staging_rules["timeframe"],
        "text",
        timeframes,
        lambda value: limits.TIMEFRAME.fullmatch(value) is not None,
    )


def test_staging_knows_the_words_that_the_api_takes() -> None:
    words = {
        "analysis_types": limits.ANALYSIS_TYPES,
        "signal_types": limits.SIGNAL_TYPES,
        "signal_statuses": limits.STATUSES,
    }
    for path in (PROJECT / "models/staging/ai").glob("*.sql"):
        for name, listed in re.findall(r"set (\w+) = (\{.*?\}) %", path.read_text(), re.DOTALL):
            assert tuple(ast.literal_eval(listed)) == words.pop(name), path
    assert words == {}


# --- what is at the limit is kept exactly ---------------------------------------------------------


@pytest.fixture
def module(shared: Landscape) -> Iterator[AITradingIntegration]:
    empty(shared)
    with Pools(shared.primary, shared.replica) as pools:
        yield AITradingIntegration(pools, deadline_seconds=10)


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
        statement = insertion("ai_models", {"config": document})
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


# --- ids ------------------------------------------------------------------------------------------


def test_a_module_inserts_no_id_that_was_not_drawn(primary: Connection) -> None:
    tables = [table for table in ROWS if table in id_sequences.tables(primary)]
    primary.execute("set local role ai_writer")
    for table in tables:
        changes = {"model_id": "1"} if table != "ai_models" else {}
        for id_ in ("(9e18)::bigint", "0", "-1"):
            with (
                pytest.raises(psycopg.errors.GeneratedAlways, match="was not drawn"),
                primary.transaction(),
            ):
                primary.execute(insertion(table, changes | {"id": id_}))
    (row,) = primary.execute("select reserve_ai_ids('spectrum_analysis', 1)").fetchall()
    (model,) = primary.execute("select register_ai_model('sparse_spectrum', 'm', '1')").fetchall()
    primary.execute(insertion("spectrum_analysis", {"id": str(row[0]), "model_id": str(model[0])}))


STORES: Mapping[str, Callable[[AITradingIntegration, int], int]] = {
    "rl_training_episodes": lambda module, model_id: module.store_episode(
        model_id, Episode(7, 2.5, 1, 0.1, Decimal("1.5"), None, AT, {"a": 1e-7})
    ),
    "genetic_generations": lambda module, model_id: module.store_generation(
        model_id, Generation(7, 2.5, 1.0, None, {"a": [1]}, AT)
    ),
    "spectrum_analysis": lambda module, model_id: module.store_spectrum_result(
        model_id, SpectrumResult("X", "fourier", ({"a": 1.0},), None, None, AT)
    ),
    "ai_trading_signals": lambda module, model_id: module.store_ai_signals(
        [replace(SIGNAL, model_id=model_id)]
    )[0],
}


@pytest.mark.parametrize("table", STORES)
def test_an_id_that_somebody_else_has_is_drawn_anew(
    shared: Landscape, module: AITradingIntegration, table: str
) -> None:
    mine = module.register_model(MODEL)
    other = module.register_model(replace(MODEL, model_name="other"))
    in_the_way(shared, table, other, 2)
    id_ = STORES[table](module, mine)
    assert shared.on_primary(f"select model_id from {table} where id = {id_}") == [(mine,)]
    assert shared.on_primary(f"select count(*) from {table}") == [(3,)]


def test_a_sequence_that_lags_is_noticed_and_mended(
    shared: Landscape, module: AITradingIntegration
) -> None:
    mine = module.register_model(MODEL)
    other = module.register_model(replace(MODEL, model_name="other"))
    for table, store in STORES.items():
        in_the_way(shared, table, other, 20)
        with pytest.raises(StoreError, match="run signal-marts deploy"):
            store(module, mine)
    with pytest.raises(StoreError, match="run signal-marts deploy"):
        module.store_ai_signal(replace(SIGNAL, model_id=mine))
    lagging = [f for f in examine(shared.primary, shared.replica) if f.check == "ids"]
    assert {f.level for f in lagging} == {"wrong"}
    assert len(lagging) == len(STORES)
    problems = status(shared.primary, shared.replica).problems
    assert sum("will give out again" in problem for problem in problems) == len(STORES)
    assert sum("set past id" in change for change in shared.deploy()) == len(STORES)
    for store in STORES.values():
        store(module, mine)
    assert shared.deploy() == []


def in_the_way(landscape: Landscape, table: str, model_id: int, count: int) -> None:
    """Rows of another model under the ids that come next, as only an owner can insert them."""
    last: Any
    ((sequence,),) = landscape.on_primary(f"select pg_get_serial_sequence('{table}', 'id')")
    ((last,),) = landscape.on_primary(
        f"select coalesce(pg_sequence_last_value('{sequence}'::regclass), 0)"
    )
    for number in range(1, count + 1):
        changes = {"id": str(last + number), "model_id": str(model_id)}
        numbered = {"rl_training_episodes": "episode_number"} | {
            "genetic_generations": "generation_number"
        }
        if table in numbered:
            changes[numbered[table]] = str(number)
        landscape.on_primary(insertion(table, changes))


@pytest.mark.parametrize("limits", [["close", "ai_is_amuont"], ["close"]])
def test_a_limit_that_is_not_there_is_no_limit(shared: Landscape, limits: list[str]) -> None:
    with (
        shared.primary.connect() as connection,
        pytest.raises(psycopg.errors.UndefinedFunction, match="no limit of rows is called"),
    ):
        connection.execute("select limit_ai_rows('market_bars', %s)", (limits,))
