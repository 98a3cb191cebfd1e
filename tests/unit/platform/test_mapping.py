"""Mapping files: whatever is wrong is told with its line; none ends in a traceback."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from runner.platform import views
from runner.platform.mapping import PlatformFileError, parse, read
from runner.platform.roles import ROLES
from runner.settings import PROJECT

FILE = Path("platform.yml")
DEFAULT = (PROJECT / "platform.yml").read_text("utf-8")
FREQTRADE = (PROJECT / "runner/adopt/presets/freqtrade.yml").read_text("utf-8")


def told(text: str) -> str:
    with pytest.raises(PlatformFileError) as raised:
        parse(FILE, text)
    return str(raised.value)


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "timezone: UTC",
            "timezone: Mars/Olympus",
            "timezone is 'Mars/Olympus', no name of a zone",
        ),
        (
            "signal_key: split_part(client_order_id, '#', 1)",
            "signal_key: quantity",
            "trading_orders.columns.signal_key is numeric, which is no text: bigint, boolean,",
        ),
        ("timezone: UTC", "zone: UTC", "zone is no part of it: timezone, tables,"),
        (
            "    id: bigint\n    symbol",
            "    id: bigint\n    id: text\n    symbol",
            "id is there twice",
        ),
        (
            "    confidence: numeric",
            "    confidence: float8",
            "has the type 'float8'; known are bigint",
        ),
        ("  public.trade_plans:", "  trade_plans:", "is no name of a table with its schema"),
        (
            "  table: public.trade_plans",
            "  table: public.plans",
            "is public.plans, which is not under",
        ),
        ("  table: public.trade_plans", "  tabel: public.trade_plans", "tabel is no part of it"),
        ("    side: side", "    direction: side", "is no column of trading_orders; known are id,"),
        ("    side: side", "    side: side_", "has side_, a column that its table does not list"),
        ("    side: side", "    side: '\"Side\"'", "and the column listed is side: write"),
        ("    side: side", "    side: (side", "is no SQL expression"),
        ("    side: side", "    side: select 1", "has SELECT 1, which is none of columns"),
        ("    side: side", "    side: pg_sleep(9)", "has PG_SLEEP(9), which is none of columns"),
        ("    side: side", "    side: side; drop table x", "is not one SQL expression"),
        ("    side: side", "    side: cast(side as integer)", "which a row may break"),
        ("    side: side", "    side: other.side", "there is no lookup other"),
        (
            "    side: side",
            "    side: max(side)",
            "sums up rows, which only columns of trading_stats",
        ),
        ("    side: side", "    side: [side]", "trading_orders.columns.side is no mapping"),
        ("    side: side", "    side: {value: side, words: {LONG: [l]}}", "is none of BUY, SELL"),
        (
            "    side: side",
            "    side: {value: side, words: {BUY: [x], SELL: [X]}}",
            "has 'X', which BUY has as well",
        ),
        (
            "    fee: fee",
            "    fee: {value: fee, words: {BUY: [x]}}",
            "are for columns of words alone",
        ),
        ("    fee: fee", "    fee: symbol", "is text, which is no number"),
        ("    id: id\n    trade_plan_id", "    id: id + 1\n    trade_plan_id", "a key is a column"),
        ("    trade_plan_id: bigint", "    trade_plan_id: text", "and the keys of trade_plans are"),
        ("    side: side\n", "", "lacks side, without which no row can be used"),
        ("# A day of", "trading_stats: absent\n# A day of", "trading_stats is there twice"),
        ("    side: side", "    side: *other", "has an alias"),
        ("    side: side", "    side: 'side", "is no YAML"),
        ("    side: side", "\tside: side", "is no YAML"),
    ],
)
def test_a_wrong_file_is_told_with_its_line(old: str, new: str, message: str) -> None:
    assert DEFAULT.count(old) >= 1
    text = DEFAULT.replace(old, new)
    found = told(text)
    assert message in found, found
    for line in found.splitlines():
        assert re.fullmatch(r"platform\.yml:\d+: .+", line), line


def test_the_line_is_that_of_the_fault() -> None:
    text = DEFAULT.replace("    fee: fee", "    fee: feee")
    assert told(text).startswith(f"platform.yml:{line_of(text, '    fee: feee')}: ")


def test_all_faults_are_told_at_once() -> None:
    text = DEFAULT.replace("    fee: fee", "    fee: feee").replace(
        "    side: side", "    side: sid"
    )
    assert len(told(text).splitlines()) == 2


def test_a_lookup_names_listed_columns() -> None:
    text = FREQTRADE.replace("on: {id: ft_trade_id}", "on: {id: ft_trade}")
    assert "names ft_trade, which public.orders does not list" in told(text)
    text = FREQTRADE.replace("on: {id: ft_trade_id}", "on: {number: ft_trade_id}")
    assert "names number, which public.trades does not list" in told(text)
    text = FREQTRADE.replace("on: {id: ft_trade_id}", "on: {}")
    assert "names one column of the lookup" in told(text)


def test_a_missing_file_is_told() -> None:
    with pytest.raises(PlatformFileError, match="cannot be read"):
        read(Path("nowhere.yml"))


def test_a_role_may_be_absent() -> None:
    document = yaml.safe_load(DEFAULT)
    document["trade_plans"] = "absent"
    platform = parse(FILE, yaml.safe_dump(document))
    assert set(platform.roles) == set(ROLES) - {"trade_plans"}
    assert "where false" in views.rows(platform, "trade_plans")


JUNK = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=30),
    st.sampled_from(
        ("absent", "id", "count(*)", "symbol||'", "a.b.c", "1e999", "''", '"', "\\", "{{x}}")
    ),
    st.sampled_from(("{}", "(((((", "$1", "%s", "*x", "&y", "'x'::date", "cast(id)", "x||'", "x:")),
    st.lists(st.text(max_size=5), max_size=3),
    st.dictionaries(st.text(max_size=8), st.text(max_size=8), max_size=3),
)


def places(document: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all values in a document."""
    inner = document.items() if isinstance(document, dict) else ()
    return [path] * bool(path) + [
        place for key, value in inner for place in places(value, (*path, key))
    ]


@settings(max_examples=300, deadline=None)
@given(data=st.data(), text=st.sampled_from([DEFAULT, FREQTRADE]))
def test_whatever_is_changed_is_read_or_told(data: st.DataObject, text: str) -> None:
    document = yaml.safe_load(text)
    for _ in range(data.draw(st.integers(1, 3))):
        *path, last = data.draw(st.sampled_from(places(document)))
        parent = document
        for key in path:
            parent = parent[key]
        match data.draw(st.sampled_from(["replace", "remove", "rename", "add"])):
            case "replace":
                parent[last] = data.draw(JUNK)
            case "remove":
                del parent[last]
            case "rename":
                parent[data.draw(st.text(max_size=8))] = parent.pop(last)
            case "add":
                parent[data.draw(st.text(max_size=8))] = data.draw(JUNK)
    check(yaml.safe_dump(document, allow_unicode=True))


@settings(max_examples=300, deadline=None)
@given(data=st.data(), text=st.sampled_from([DEFAULT, FREQTRADE]))
def test_whatever_is_typed_is_read_or_told(data: st.DataObject, text: str) -> None:
    at = data.draw(st.integers(0, len(text)))
    gone = data.draw(st.integers(0, 20))
    check(text[:at] + data.draw(st.text(max_size=10)) + text[at + gone :])


def check(text: str) -> None:
    """It is read, and then its views can be written; or it is told, each fault with a line."""
    try:
        platform = parse(FILE, text)
    except PlatformFileError as error:
        told = str(error).splitlines()
    else:
        for role in ROLES:
            assert views.rows(platform, role)
            assert views.changes(platform, role)
        return
    assert told
    for line in told:
        found = re.match(r"platform\.yml:(\d+): .+", line)
        assert found, told
        assert 1 <= int(found[1]) <= len(text.splitlines()) + 1
