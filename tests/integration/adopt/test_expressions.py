"""Expressions of a mapping file: no row makes one fail, since it would stop every build."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.demo.embedded import EmbeddedPair
from runner.platform.expressions import THIS, ExpressionError, read

COLUMNS = {
    "n": "numeric",
    "m": "numeric",
    "i": "bigint",
    "t": "text",
    "u": "text",
    "b": "boolean",
    "j": "jsonb",
    "at": "timestamp with time zone",
}
NUMBERS = [None, "0", "-0.0", "1", "-1", "0.00000000000000000001", "1e100", "-1e101", "1e131071"]
NUMBERS += ["1e-16000", "NaN", "Infinity", "-Infinity", "42"]
TEXTS = [
    None,
    "",
    " ",
    "1",
    " -1.5e3 ",
    "1e99",
    "1e999",
    "0x10",
    "NaN",
    "١",
    "a/b/c",
    "%_\\",
    "\u2028",
]
TIMES = [None, "infinity", "-infinity", "4713-01-01 BC", "294276-12-31", "2026-01-01"]

conditions = st.sampled_from(
    ["b", "not b", "n > m", "t is null", "t like '%a'", "n between i and 5", "t in ('a', u)"]
)

numbers = st.recursive(
    st.sampled_from(["n", "m", "i", "0", "1", "0.5", "cast(t as numeric)"]),
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map("({0[0]} {0[1]} {0[2]})".format),
        inner.map("abs({})".format),
        inner.map("(-{})".format),
        st.tuples(inner, st.integers(0, 30)).map("round({0[0]}, {0[1]})".format),
        st.tuples(inner, inner).map("coalesce({0[0]}, {0[1]})".format),
        st.tuples(inner, inner).map("nullif({0[0]}, {0[1]})".format),
        st.tuples(inner, inner).map("greatest({0[0]}, {0[1]})".format),
        st.tuples(conditions, inner, inner).map(
            "case when {0[0]} then {0[1]} else {0[2]} end".format
        ),
    ),
    max_leaves=8,
)


texts = st.recursive(
    st.sampled_from(["t", "u", "'x'", "cast(n as text)", "cast(at as text)", "j ->> 'k'"]),
    lambda inner: st.one_of(
        st.sampled_from(["lower", "upper", "trim"]).flatmap(
            lambda name: inner.map(lambda text: f"{name}({text})")
        ),
        st.tuples(inner, inner).map("({0[0]} || {0[1]})".format),
        st.tuples(inner, st.integers(0, 9)).map("left({0[0]}, {0[1]})".format),
        st.tuples(inner, st.integers(1, 9)).map("split_part({0[0]}, '/', {0[1]})".format),
        st.tuples(inner, inner).map("replace({0[0]}, {0[1]}, 'y')".format),
        st.tuples(inner, st.integers(1, 9), st.integers(0, 9)).map(
            "substring({0[0]} from {0[1]} for {0[2]})".format
        ),
    ),
    max_leaves=6,
)


@pytest.fixture(scope="module")
def server(pair: EmbeddedPair) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
    """A table of rows that nobody expects."""
    with psycopg.connect(pair.urls().primary, autocommit=True) as connection:
        columns = ", ".join(f"{name} {data_type}" for name, data_type in COLUMNS.items())
        connection.execute(f"create temporary table {THIS} ({columns})")
        rows = max(len(NUMBERS), len(TEXTS), len(TIMES))
        for k in range(3 * rows):
            number = NUMBERS[k % len(NUMBERS)]
            other = NUMBERS[(5 * k + 3) % len(NUMBERS)]
            connection.execute(
                f"insert into {THIS} values (%s, %s, %s, %s, %s, %s, %s, %s)",
                (
                    number,
                    other,
                    [None, 0, 2**63 - 1, -(2**63), 1735603200000][k % 5],
                    TEXTS[k % len(TEXTS)],
                    TEXTS[(3 * k + 1) % len(TEXTS)],
                    [None, True, False][k % 3],
                    [None, '{"k": "1"}', "[]", '"k"', "{}"][k % 5],
                    TIMES[k % len(TIMES)],
                ),
            )
        yield connection


@settings(max_examples=400, deadline=None)
@given(expression=st.one_of(numbers, texts, numbers.map("to_timestamp({})".format)))
def test_no_row_makes_an_expression_fail(
    server: psycopg.Connection[tuple[object, ...]], expression: str
) -> None:
    try:
        written = read(expression, {THIS: list(COLUMNS)}).sql
    except ExpressionError:
        return  # A cast within a cast, or a text that is too long.
    query = f"select cast({written} as text) from {THIS}"
    try:
        server.execute(f"{query} where false")
    except psycopg.Error:
        return  # Types that do not fit: a deploy tells them, without a row.
    server.execute(query).fetchall()


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("1 / (i - i)", None),
        ("n * 2", "84"),
        ("cast(' -1.5e3 ' as numeric)", "-1500.0"),
        ("cast('x' as numeric)", "NaN"),
        ("to_timestamp(1735603200000 / 1000)", "2024-12-31 00:00:00+00"),
        ("case when b then 'BUY' else 'SELL' end", "SELL"),
        ("t is not null", "true"),
        ("t not in ('a', 'b')", "true"),
        ("split_part('BTC/USDT', '/', 1)", "BTC"),
        ("n between 1 and 50 and not b", "true"),
        ("-n + 1", "-41"),
        ("2 - 3 - 4", "-5"),
        ("100 / 10 / 2", "5"),
        ("sum(n) filter (where n > 0)", "42"),
        ("count(distinct t)", "1"),
    ],
)
def test_values(
    server: psycopg.Connection[tuple[object, ...]], expression: str, value: str | None
) -> None:
    written = read(expression, {THIS: list(COLUMNS)}).sql
    row = "(values (42::numeric, 7::numeric, 3::bigint, 'x', 'y', false)) as v (n, m, i, t, u, b)"
    with server.transaction():
        server.execute("set local timezone = 'UTC'")
        query = f"select ({written})::text from (select * from {row}) as {THIS}"
        found = server.execute(query).fetchone()
    shown = found[0] if found else None
    number = "0123456789"
    if (
        isinstance(shown, str)
        and value
        and shown.strip("0-.")
        and set(shown) <= {*number, ".", "-"}
    ):
        assert float(shown) == float(value)
    else:
        assert shown == value
