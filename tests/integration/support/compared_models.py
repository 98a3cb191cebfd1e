"""Two models side by side as the section asks for them, and as their single signals say."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from landscapes import Landscape
from oracle_compared import Case
from psycopg import sql
from shown_marts import renamed

from runner.views.asked import Asked, Period, choices
from runner.views.dashboard.marts import LIMITS, Row, connect, reading
from runner.views.report.draft import Draft
from runner.views.sections import versions

MART = ("performance", "signal_outcomes")
FIRST_DAY = date(2025, 1, 1)


def compared(
    marts: Landscape, a: tuple[str, Period], b: tuple[str, Period], *symbols: str
) -> dict[str, Row]:
    """The rows of the section's table, by figure."""
    with connect(marts.replica, LIMITS) as connection, reading(connection):
        draft = Draft(connection, marts.replica)
        asked = Asked(choices(draft.rows), symbols=symbols)
        return {row["figure"]: row for row in versions.compared(draft, asked, a, b)}


def cases_of(
    marts: Landscape, model: str, days: Period, *symbols: str
) -> tuple[list[Case], list[tuple[date, int]]]:
    """A model's resolved signals of these days, and how many days each took."""
    with marts.replica.connect() as connection:
        rows = connection.execute(
            "select created_at, confidence, outcome_return, executed_trades,"
            " coalesce(executed_net_profit, 0)::float8, resolved_at"
            " from performance.signal_outcomes where model_name || ' ' || model_version = %s"
            " and signal_type <> 'HOLD' and outcome_return is not null"
            " and (%s::text[] is null or symbol = any(%s))",
            (model, list(symbols) or None, list(symbols)),
        ).fetchall()
    found, took = [], []
    for created_at, confidence, outcome_return, trades, profit, resolved_at in rows:
        if days.first <= created_at.date() <= days.last:
            found.append(Case(created_at.date(), confidence, outcome_return, trades, profit))
            took.append((created_at.date(), (resolved_at.date() - created_at.date()).days))
    return found, took


def overlap_of(*sides: Sequence[tuple[date, int]]) -> int:
    """The days that outcomes last at most, on 95% of all models' days."""
    longest: list[int] = []
    for side in sides:
        of_day: dict[date, int] = {}
        for day, took in side:
            of_day[day] = max(of_day.get(day, 0), took)
        longest += of_day.values()
    longest.sort()
    return longest[-(-95 * len(longest) // 100) - 1]


@contextmanager
def planted(marts: Landscape, sides: dict[int, list[tuple[int, float]]]) -> Iterator[None]:
    """Signals in the place of all others: of a model, the number of a day and a return."""
    rows: list[dict[str, Any]] = [
        {
            "model_id": model_id,
            "signal_at": datetime.combine(FIRST_DAY, time(), UTC) + timedelta(days=day),
            "value": value,
        }
        for model_id, found in sides.items()
        for day, value in found
    ]
    insert = sql.SQL(
        "insert into {} (model_id, symbol, signal_type, confidence, outcome_return, is_win,"
        " created_at, resolved_at) values (%(model_id)s, 'X', 'BUY', 0, %(value)s,"
        " %(value)s > 0, %(signal_at)s, %(signal_at)s)"
    ).format(sql.Identifier(*MART))
    with renamed(marts, MART, empty=True):
        with marts.replica.connect() as connection, connection.cursor() as cursor:
            cursor.executemany(insert, rows)
        yield
