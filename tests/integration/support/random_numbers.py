"""Numbers that the pages show, each with what it has to be by the raw rows on the primary."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from functools import cache, partial
from random import Random
from typing import Any

from landscapes import Landscape
from psycopg.rows import dict_row
from raw_facts import Raw
from shown_cells import cells
from shown_models import Compared
from shown_numbers import Shown
from streamlit.testing.v1 import AppTest

from runner.views import evidence_tables, journal_tables, tables
from runner.views.sections import versions
from runner.views.surface import Column, Table

_TABLES = {
    each.name: each
    for module in (tables, journal_tables, evidence_tables)
    for each in vars(module).values()
    if isinstance(each, Table)
}
NOT_RECOMPUTED = {
    "by brute force: test_ensemble, test_health, test_trials": {
        *("decisions", "model_health", "retraining_triggers", "model_trials"),
        "card Effective experts",
    },
    "of signals that are not as they say, of which the demo has none: test_audit": {
        *("model_audit", "signal_audit"),
    },
    "by statsmodels and scipy: test_dashboard": {"compared_models.difference_95_told"},
    "rows and sums of marts with tests of their own: test_metrics, test_ensemble": {
        *("calibration_bins", "confirmation_lift", "outcomes_by_relation"),
    },
    "ages, by the wall clock": {
        *("card Newest decision", "card Last build", "card Replication"),
        *("card Last heard", "card Last fenced build"),
    },
    "of the servers and their builds, not of raw rows: test_rounds, test_sync": {
        *("builds", "build", "card Applying", "card Tables ready", "card On the way"),
        *("card Newest build", "card Models built", "card Total run time", "card Failed builds"),
    },
}
"""Exhibits, or columns of one, that the raw rows alone do not give, by how they are tested.

Charts are not looked at: they draw rows of the same questions.
"""


@dataclass(frozen=True)
class Number:
    """A number on a page; ``expected`` are the texts that it may have by the raw rows."""

    exhibit: str
    column: str
    row: str
    text: str
    expected: Callable[[], set[str]] | None

    def __str__(self) -> str:
        return f"{self.exhibit}.{self.column} of {self.row}"

    @property
    def is_listed(self) -> bool:
        names = {self.exhibit, f"{self.exhibit}.{self.column}"}
        return any(names & listed for listed in NOT_RECOMPUTED.values())


def read(marts: Landscape) -> Raw:
    """All raw rows that the numbers are made of."""

    def rows(table: str) -> list[dict[str, Any]]:
        with marts.primary.connect() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(f"select * from public.{table}".encode()).fetchall()

    return Raw(
        models=rows("ai_models"),
        stages=rows("ai_model_stages"),
        signals=rows("ai_trading_signals"),
        plans=rows("trade_plans"),
        orders=rows("trading_orders"),
        stats=rows("trading_stats"),
        bars=rows("market_bars"),
        steps={
            "episodes": rows("rl_training_episodes"),
            "generations": rows("genetic_generations"),
            "analyses": (spectra := rows("spectrum_analysis")),
        },
        spectra=spectra,
    )


def on(drawn: AppTest, raw: Raw, shown: Shown) -> Iterator[Number]:
    """The numbers in a page's tables and cards."""
    for each in drawn.dataframe:
        frame = each.value
        table = max(_TABLES.values(), key=lambda t: (len(t.columns.keys() & {*frame.columns}),
                                                     -len(t.columns)))  # fmt: skip
        texts = cells(each.proto)
        rows = frame.to_dict("records")
        if table is tables.COMPARED:
            yield from _of_models(drawn, raw, rows)
            continue
        for row, told in zip(rows, texts, strict=True):
            values = _once(shown.tables.get(table.name), row)
            for name, text in zip(frame.columns, told, strict=True):
                column = table.columns.get(name) or _ADDED[name.split(" ")[0]]
                if column.is_pair:
                    text = row[name] or ""
                if column.is_number or column.is_pair:
                    yield Number(
                        table.name, name, str([*row.values()][:3]), str(text),
                        values and _texts(values, name, column),
                    )  # fmt: skip
    yield from _of_cards(drawn, shown)


# Columns that a page adds to a table.
_ADDED = {
    "outcome_told": Column("Outcome"),
    "executed_currency": Column("Currency"),
    "outcome_return": Column("Return", "percent", 2),
    "executed_net_profit": Column("Realized P&L", "money"),
    "realized": Column("Realized P&L", "money"),
}


def _once(
    values: Callable[[Mapping[str, Any]], Mapping[str, Any]] | None, row: Mapping[str, Any]
) -> Callable[[], Mapping[str, Any]] | None:
    return None if values is None else cache(lambda: values(row))


def _texts(
    values: Callable[[], Mapping[str, Any]], name: str, column: Column
) -> Callable[[], set[str]]:
    return lambda: told(column, values()[name])


def told(column: Column, value: Any) -> set[str]:
    """How a value reads; beside the limit between two roundings either is right."""
    if value is None or isinstance(value, tuple):
        return {column.told(value)}
    if isinstance(value, Fraction) and column.kind in ("money", "price", "quantity"):
        exact = Decimal(value.numerator) / Decimal(value.denominator)
        near = Decimal("1e-12")
        return {column.told(exact * (1 + each)) for each in (-near, Decimal(0), near)}
    if column.kind in ("count", "lag"):
        return {column.told(int(value))}
    return {column.told(float(value) * (1 + each)) for each in (-1e-9, 0, 1e-9)}


def _of_models(drawn: AppTest, raw: Raw, rows: Iterable[Mapping[str, Any]]) -> Iterator[Number]:
    names = [str(drawn.selectbox(key=key).value) for key in ("a", "b")]
    found = Compared(raw, *names)
    figures = {each.column.label: (name, each) for name, each in versions.FIGURES.items()}
    for row in rows:
        name, figure = figures[row["told"]]
        a, b = found.values("a")[name], found.values("b")[name]
        expected = {
            "a_told": told(figure.column, a),
            "b_told": told(figure.column, b),
            "difference_told": {
                figure.difference(float(b - a) * (1 + each)) for each in (-1e-9, 0, 1e-9)
            } if a is not None and b is not None else {"–"},
            "difference_95_told": None,
        }  # fmt: skip
        for column, texts in expected.items():
            yield Number(
                "compared_models", column, row["told"], row[column],
                None if texts is None else partial(set, texts),
            )  # fmt: skip


def _of_cards(drawn: AppTest, shown: Shown) -> Iterator[Number]:
    columns = tables.SOURCES.columns
    labels = {column.label: name for name, column in columns.items()}
    days = {
        "Platform P&L": "reported_net_profit",
        "AI P&L": "ai_net_profit",
        "Rule-based P&L": "traditional_net_profit",
        "Unexplained P&L": "unreconciled_profit",
    }
    sources = {
        source: _once(shown.source, {"source": source})
        for source in ("ai: all", "traditional: all")
    }
    totals = cache(shown.totals)
    results = cache(shown.results)
    is_journal = any(each.label == "Payoff" for each in drawn.metric)
    for each in drawn.metric:
        if is_journal:
            name, column = _RESULTS[each.label]
            yield Number("card", each.label, "all", each.value, _texts(results, name, column))
            continue
        if each.label in days:
            texts = _texts(totals, days[each.label], Column("", "money"))
            yield Number("card", each.label, "all days", each.value, texts)
        elif each.label in labels:
            name = labels[each.label]
            delta = str(each.delta).removeprefix("rule-based ")
            for text, source in ((each.value, "ai: all"), (delta, "traditional: all")):
                values = sources[source]
                assert values is not None
                yield Number("card", each.label, source, text, _texts(values, name, columns[name]))
        else:
            yield Number(f"card {each.label}", "", "", each.value, None)


_RESULTS = {
    "Trades": ("trades", Column("", "count")),
    "Win rate": ("hit_rate", Column("", "percent")),
    "Average win": ("average_win", Column("", "money")),
    "Average loss": ("average_loss", Column("", "money")),
    "Payoff": ("payoff_ratio", Column("", "number")),
    "Mean R-multiple": ("mean_r", Column("", "number")),
}


def drawn_at_random(numbers: Iterable[Number], count: int, random: Random) -> list[Number]:
    """So many, from all columns alike: a long table does not crowd out the others."""
    of_column: dict[tuple[str, str], list[Number]] = defaultdict(list)
    for each in numbers:
        if each.expected and re.search(r"\d", each.text):
            of_column[each.exhibit, each.column].append(each)
    for found in of_column.values():
        random.shuffle(found)
    chosen: list[Number] = []
    while len(chosen) < count and of_column:
        place = random.choice(sorted(of_column))
        chosen.append(of_column[place].pop())
        if not of_column[place]:
            del of_column[place]
    return chosen
