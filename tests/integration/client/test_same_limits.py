"""The API and staging keep to the limits of the database, value for value."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from landscapes import Landscape

from runner.build import transform
from runner.client import limits, values
from runner.retraining.stages import STAGES
from runner.servers.database import Connection
from runner.settings import PROJECT

# --- the database and the API ---------------------------------------------------------------------


def accepts(check: Callable[..., object], *arguments: object) -> bool:
    try:
        check("field", *arguments)
    except values.RefusedError:
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
    words=st.lists(
        st.text("az09_AZé\n", min_size=1, max_size=4)
        | st.sampled_from(["z" * n for n in (64, 65)]),
        max_size=20,
    ),
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
    words: list[str],
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
        lambda value: accepts(values.name, value, limits.MAX_SYMBOL),
    )
    both(
        primary,
        "ai_is_word(value)",
        "text",
        [*names, *words],
        lambda value: accepts(values.word, value),
    )
    both(
        primary,
        "ai_is_name(value)",
        "text",
        names,
        lambda value: accepts(values.name, value, limits.MAX_NAME),
    )
    both(
        primary,
        "ai_is_key(value)",
        "text",
        names,
        lambda value: accepts(values.text, value, limits.MAX_NAME),
    )
    both(
        primary,
        "ai_is_double(value)",
        "float8",
        doubles,
        lambda value: accepts(values.double, value),
    )
    both(
        primary,
        # Only a plain INSERT takes more decimals.
        "ai_is_amount(value) and scale(trim_scale(value)) <= 18",
        "numeric",
        amounts,
        lambda value: accepts(values.amount, value),
    )
    both(
        primary,
        "ai_is_time(value)",
        "timestamptz",
        times,
        lambda value: accepts(values.time, value),
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
        lambda value: accepts(values.json_text, value, Mapping),
        texts,
    )
    lists = [[document] for document in documents]
    both(
        primary,
        "ai_is_json(value::jsonb) and ai_is_spectrum(value::jsonb)",
        "text",
        lists,
        lambda value: accepts(values.json_text, value, list, values.frequency),
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

    same("money", "numeric", amounts, values.amount)
    same("double", "float8", doubles, values.double)
    same("share", "float8", doubles, values.share)
    same("moment", "timestamptz", times, values.time)
    same("symbol", "text", names, values.name, limits.MAX_SYMBOL)
    same("label", "text", names, values.name, limits.MAX_NAME)
    same("not_negative", "int", counts, values.count)
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
        "stages": STAGES,
        "actions": ("UPDATE", "DELETE"),  # those that a trigger notes
    }
    for path in (PROJECT / "models/staging/ai").glob("*.sql"):
        for name, listed in re.findall(r"set (\w+) = (\{.*?\}) %", path.read_text(), re.DOTALL):
            assert tuple(ast.literal_eval(listed)) == words.pop(name), path
    assert words == {}
