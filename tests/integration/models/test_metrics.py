"""Every metric of the marts against its standard library, in one database.

Hundreds of sources with random and with degenerate histories, signals on random bars, and models
that know a little of the future are written to the primary; the marts are built once.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import oracle_journal as journal
import oracle_performance as performance
import oracle_skill as skill
import pytest
from landscapes import Landscape, drop_landscape, make_landscape
from metrics_world import (
    CAPITAL,
    DAY,
    END,
    HORIZONS,
    LAST_DAY,
    MODELS,
    PRICE,
    RUINED,
    SKILLED,
    WINDOWS,
    Signal,
    Source,
    World,
    degenerate_sources,
    first_day,
    make_world,
    together,
    write,
)
from oracle_barriers import Outcome, judge
from psycopg.rows import dict_row
from statsmodels.stats.proportion import proportion_confint

from runner.build import builds
from runner.demo.embedded import EmbeddedPair

# --- what was built ---------------------------------------------------------------------------

Row = dict[str, Any]


@dataclass
class Built:
    world: World
    landscape: Landscape

    def rows(self, query: str) -> list[Row]:
        with self.landscape.replica.connect() as connection:
            cursor = connection.cursor(row_factory=dict_row)
            return cursor.execute(query.encode()).fetchall()


@pytest.fixture(scope="module")
def built(pair: EmbeddedPair) -> Iterator[Built]:
    landscape = make_landscape(pair, pair.urls().replica)
    target = Path(tempfile.mkdtemp(prefix="signal-marts-test-"))
    landscape.deploy()
    world = make_world()
    with landscape.primary.connect() as connection:
        write(connection, world)
    result = builds.build(
        landscape.primary,
        landscape.replica,
        fence_timeout=60,
        advance=lambda done, total, at: None,
        select=MODELS,
        # Tests of models that are not built here would be run with the models that are.
        exclude=("resource_type:test",),
        target=target,
    )
    assert not result.failures, [(node.name, node.message) for node in result.failures]
    yield Built(world, landscape)
    drop_landscape(landscape)
    shutil.rmtree(target)


def differs(actual: float | None, expected: float | None, tolerance: float) -> bool:
    if actual is None or expected is None:
        return actual is not expected
    # What is 0 in money is a rounding error in the libraries' products of returns.
    return not math.isclose(actual, expected, rel_tol=tolerance, abs_tol=1e-12)


OF_RETURNS: dict[str, Callable[[list[float]], float | None]] = {
    "sharpe_ratio": performance.sharpe_ratio,
    "sortino_ratio": performance.sortino_ratio,
    "calmar_ratio": performance.calmar_ratio,
    "max_drawdown": performance.max_drawdown,
    "total_return": performance.total_return,
}
OF_PROFITS: dict[str, Callable[[list[float]], float | None]] = {
    "hit_rate": performance.hit_rate,
    "profit_factor": performance.profit_factor,
    "expectancy": performance.expectancy,
    "longest_win_streak": performance.longest_win_streak,
    "longest_loss_streak": performance.longest_loss_streak,
    "max_drawdown_by_trade": performance.max_drawdown_by_trade,
}
OF_SYMBOLS: dict[str, Callable[[list[float]], float | None]] = {
    "hit_rate": performance.hit_rate,
    "profit_factor": performance.profit_factor,
    "expectancy": performance.expectancy,
    "average_win": performance.average_win,
    "average_loss": performance.average_loss,
    "payoff_ratio": performance.payoff_ratio,
    "net_profit": sum,
    "gross_profit": lambda profits: sum(each for each in profits if each > 0),
    "gross_loss": lambda profits: sum(each for each in profits if each < 0),
    "trades": len,
    "winning_trades": lambda profits: sum(each > 0 for each in profits),
    "losing_trades": lambda profits: sum(each < 0 for each in profits),
    "break_even_trades": lambda profits: profits.count(0),
}


def own_name(row: Row) -> str:
    """The name of a source as the test knows it: models are named with their version."""
    name: str = row["source_name"]
    return name.removesuffix(" 1") if row["source_type"] == "ai" else name


def performance_rows(built: Built, account: str = "main") -> dict[tuple[str, str], Row]:
    return {
        (own_name(row), row["window_name"]): row
        for row in built.rows(
            f"select * from performance.source_performance where account = '{account}'"
        )
        if row["source_name"] != "all"
    }


def test_sources_are_as_the_libraries_say(built: Built) -> None:
    assert_as_the_libraries_say(built.world.sources, performance_rows(built))


@pytest.mark.parametrize("account", ["spot", "bot", "all"])
def test_accounts_are_as_the_libraries_say(built: Built, account: str) -> None:
    """Alone, and all of the currency together."""
    rows = performance_rows(built, account)
    assert_as_the_libraries_say(
        [
            each
            for pair in built.world.twins
            for each in (*pair, together(*pair))
            if each.account == account
        ],
        rows,
    )
    assert {(row["currency"], row["is_all_accounts"]) for row in rows.values()} == {
        ("USDT", account == "all")
    }


def assert_as_the_libraries_say(
    sources: Sequence[Source], rows: Mapping[tuple[str, str], Row]
) -> None:
    wrong = []
    for source in sources:
        for window in WINDOWS:
            row, first = rows[source.name, window], first_day(window)
            returns, profits = source.returns(first), source.profits(first)
            expected: dict[str, float | None] = {
                **{name: oracle(returns) for name, oracle in OF_RETURNS.items()},
                **{name: oracle(profits) for name, oracle in OF_PROFITS.items()},
                "days": len(returns),
                "trades": len(profits),
                "exposure": source.exposure(first),
            }
            wrong += [
                (source.name, window, name, row[name], value)
                for name, value in expected.items()
                if differs(row[name], value, 1e-9)
            ]
            value = performance.probabilistic_sharpe(returns)
            if differs(row["probabilistic_sharpe"], value, 1e-6):
                wrong.append((source.name, window, "psr", row["probabilistic_sharpe"], value))
    assert not wrong, wrong[:20]


@pytest.mark.parametrize("account", ["main", "spot", "bot", "all"])
def test_symbols_are_as_the_libraries_say(built: Built, account: str) -> None:
    """All sources trade the symbol T; those that never closed a trade have no row."""
    rows = {
        own_name(row): row
        for row in built.rows(
            "select * from performance.symbol_performance"
            f" where account = '{account}' and symbol = 'T'"
        )
        if row["source_name"] not in ("all", RUINED.name)
    }
    sources = [
        *built.world.sources,
        *(each for pair in built.world.twins for each in (*pair, together(*pair))),
    ]
    expected = {
        source.name: profits
        for source in sources
        if source.account == account and (profits := source.profits(source.first_day))
    }
    assert rows.keys() == expected.keys()
    wrong = []
    for name, profits in expected.items():
        row = rows[name]
        assert row["is_all_accounts"] == (account in ("main", "all"))
        assert row["available_at"] == row["last_closed_at"]
        wrong += [
            (name, column, row[column], value)
            for column, oracle in OF_SYMBOLS.items()
            if differs(row[column], value := oracle(profits), 1e-9)
        ]
    assert not wrong, wrong[:20]


def test_luck_is_that_of_all_versions_tried(built: Built) -> None:
    rows = performance_rows(built)
    # Models that never traded were tried too: their equity stands still, without a ratio.
    trials = {True: 12 + 1 + len(SKILLED), False: 200 + len(degenerate_sources()) + 1 + 5}
    named = built.rows(
        "select source_type, count(*) from intermediate.int_sources where account = 'main'"
        " group by source_type"
    )
    assert {row["source_type"] == "ai": row["count"] - 1 for row in named} == trials
    for window in WINDOWS:
        for is_ai in (True, False):
            # The platform's earlier strategies are trials as well, with ratios of their own.
            ratios = [
                row["sharpe_ratio"] / math.sqrt(performance.PERIODS)
                for (_, name), row in rows.items()
                if name == window
                and (row["source_type"] == "ai") == is_ai
                and row["sharpe_ratio"] is not None
            ]
            benchmark = performance.luck(ratios, trials[is_ai])
            for source in built.world.sources:
                if source.is_ai == is_ai:
                    expected = performance.deflated_sharpe(
                        source.returns(first_day(window)), benchmark
                    )
                    actual = rows[source.name, window]["deflated_sharpe"]
                    assert not differs(actual, expected, 1e-6), (source.name, window)


def test_a_used_up_equity_has_no_returns(built: Built) -> None:
    row = performance_rows(built)["ruined", "all"]
    undefined = ("sharpe_ratio", "sortino_ratio", "calmar_ratio", "probabilistic_sharpe")
    assert [row[name] for name in (*undefined, "deflated_sharpe")] == [None] * 5
    assert math.isclose(row["total_return"], -0.49965)
    assert math.isclose(row["max_drawdown"], -49_990 / 100_010 - 1)
    days = built.rows(
        "select daily_return, equity from performance.source_performance_daily"
        " where source_name = 'ruined' and is_closed order by trading_date"
    )
    assert [day["daily_return"] is None for day in days] == [False, False, True, True, False]
    assert [int(day["equity"]) for day in days] == [100_010, -49_990, -49_970, 50_030, 50_035]


def test_days_have_the_equity_that_trades_made(built: Built) -> None:
    days: dict[str, list[Row]] = defaultdict(list)
    for row in built.rows(
        "select * from performance.source_performance_daily where account = 'main'"
        " order by trading_date"
    ):
        days[own_name(row)].append(row)
    for source in built.world.sources:
        # Signals of the midnight that ends the last day make another day, of which nobody knows yet
        # how it ends.
        *rows, last = days[source.name]
        assert not last["is_closed"]
        assert all(row["is_closed"] for row in rows)
        assert [row["trading_date"] for row in rows] == source.days(source.first_day)
        equity = peak = CAPITAL
        for row, expected in zip(rows, source.returns(source.first_day), strict=True):
            equity += row["net_profit"]
            peak = max(peak, equity)
            assert row["equity"] == equity
            assert not differs(row["daily_return"], expected, 1e-12)
            assert not differs(row["drawdown"], float(equity / peak - 1), 1e-9)


def test_days_have_the_risk_of_their_returns(built: Built) -> None:
    """Rolling Sharpe ratios, and what was open at the end of the day."""
    days: dict[str, list[Row]] = defaultdict(list)
    for row in built.rows(
        "select * from performance.source_performance_daily"
        " where account = 'main' and is_closed order by trading_date"
    ):
        days[own_name(row)].append(row)
    for source in built.world.sources:
        rows = days[source.name]
        ratios = journal.rolling_sharpe(source.returns(source.first_day), 30)
        for row, ratio in zip(rows, ratios, strict=True):
            assert not differs(row["rolling_sharpe_ratio"], ratio, 1e-9), (source.name, row)
            assert row["open_value"] == PRICE * source.open_trades(row["trading_date"])
            assert row["gross_exposure"] == float(row["open_value"]) / float(row["equity"])


@pytest.mark.parametrize("account", ["main", "spot", "bot", "all"])
def test_accounts_are_the_trades_of_all_sources(built: Built, account: str) -> None:
    capital = CAPITAL * (2 if account == "all" else 1)
    rows = built.rows(
        "select * from performance.account_performance_daily"
        f" where account = '{account}' and is_closed order by trading_date"
    )
    profits: dict[date, list[Decimal]] = defaultdict(list)
    for trade in built.rows(
        "select account, exit_at, net_profit from performance.trades where currency ="
        f" '{rows[0]['currency']}' and '{account}' in (account, 'all')"
    ):
        profits[trade["exit_at"].date()].append(trade["net_profit"])
    assert [row["trading_date"] for row in rows] == [
        rows[0]["trading_date"] + n * DAY for n in range(len(rows))
    ]
    equity, returns = capital, list[float]()
    for row in rows:
        of_day = profits.pop(row["trading_date"], [])
        returns.append(float(sum(of_day) / equity))
        equity += sum(of_day)
        assert (row["equity"], row["trades"]) == (equity, len(of_day))
        assert not differs(row["daily_return"], returns[-1], 1e-12)
    assert profits == {}
    wrong = [
        (row["trading_date"], row["rolling_sharpe_ratio"], ratio)
        for row, ratio in zip(rows, journal.rolling_sharpe(returns, 30), strict=True)
        if differs(row["rolling_sharpe_ratio"], ratio, 1e-9)
    ]
    assert wrong == []
    assert not differs(
        min(row["drawdown"] for row in rows), performance.max_drawdown(returns), 1e-9
    )


def test_drawdowns_are_as_quantstats_says(built: Built) -> None:
    """Of each source and of the account."""
    columns = "trading_date, equity, start_equity"
    of = "where account = 'main' and is_closed"
    curves: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in built.rows(
        f"select source_type, source_name, {columns} from performance.source_performance_daily {of}"
        f" union all select 'all', 'all', {columns} from performance.account_performance_daily {of}"
        " order by trading_date"
    ):
        curves[row["source_type"], row["source_name"]].append(row)
    found: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in built.rows(
        "select * from performance.drawdowns where account = 'main' order by begin_date"
    ):
        found[row["source_type"], row["source_name"]].append(row)
    assert len(found) > 100
    for source, curve in curves.items():
        expected = journal.drawdowns(
            [row["trading_date"] for row in curve],
            [row["equity"] for row in curve],
            curve[0]["start_equity"],
        )
        for row, (begin, trough, end, length, depth) in zip(found[source], expected, strict=True):
            assert (row["begin_date"], row["trough_date"], row["days"]) == (begin, trough, length)
            assert row["is_open"] == (end == LAST_DAY)
            assert row["end_date"] == (None if row["is_open"] else end)
            assert not differs(row["depth"], depth, 1e-9)


def test_r_multiples_are_of_what_was_risked(built: Built) -> None:
    """Each plan has its stop at 1, where nobody sells short, and each order is of one unit."""
    rows = built.rows(
        "select direction, net_profit, initial_risk, r_multiple from performance.trades"
        " where symbol = 'T'"
    )
    for row in rows:
        risk = PRICE - 1 if row["direction"] == "LONG" else None
        assert row["initial_risk"] == risk
        assert row["r_multiple"] == (risk and float(row["net_profit"]) / float(risk))


def test_sources_add_up_to_the_account(built: Built) -> None:
    (total,) = built.rows(
        """
        select
            (select sum(net_profit) from performance.trades) as of_trades,
            (select count(*) from performance.trades) as trades,
            (
                select sum(net_profit) from performance.source_performance
                where window_name = 'all' and source_name = 'all' and is_all_accounts
            ) as of_totals,
            (
                select sum(net_profit) from performance.source_performance
                where window_name = 'all' and source_name <> 'all' and is_all_accounts
            ) as of_sources,
            (
                select sum(trades) from performance.source_performance
                where window_name = 'all' and source_name <> 'all' and account <> 'all'
            ) as source_trades
        """
    )
    assert total["of_trades"] == total["of_totals"] == total["of_sources"]
    assert total["trades"] == total["source_trades"]


def test_barriers_are_those_of_every_bar_looked_at(built: Built) -> None:
    rows = {
        row["signal_id"]: row for row in built.rows("select * from performance.signal_outcomes")
    }
    seen: dict[tuple[str, bool | None], int] = defaultdict(int)
    jumped = 0
    for number, signal in built.world.of_model("barriers"):
        row = rows[number]
        expected = judge(
            signal.signal_type,
            signal.created_at,
            signal.valid_until,
            signal.stop_loss,
            signal.take_profit,
            built.world.bars[signal.symbol],
        )
        for name in Outcome.__dataclass_fields__:
            value = getattr(expected, name)
            if isinstance(value, float):
                assert not differs(row[name], value, 1e-9), (number, name, row, expected)
            else:
                assert row[name] == value, (number, name, row, expected)
        assert row["available_at"] == row["resolved_at"]
        assert row["is_win"] == (None if row["exit_price"] is None else row["outcome_return"] > 0)
        seen[expected.outcome, expected.is_ambiguous] += 1
        jumped += expected.exit_price not in (None, signal.stop_loss, signal.take_profit)
    # Every case is there, so that what was compared is worth something.
    assert {name for name, _ in seen} == {
        "TAKE_PROFIT",
        "STOP_LOSS",
        "EXPIRED",
        "OPEN",
        "NOT_APPLICABLE",
    }
    assert seen["STOP_LOSS", True] > 5
    assert jumped > 20


def resolved(built: Built, model: str) -> list[Row]:
    return built.rows(
        "select * from performance.signal_outcomes"
        f" where model_name = '{model}' and outcome_return is not null"
    )


@pytest.mark.parametrize("model", ["barriers", "skilled", "skilled in one", "says one thing"])
def test_calibration_is_scikit_learns(built: Built, model: str) -> None:
    signals = resolved(built, model)
    hits = [row["is_win"] for row in signals]
    confidences = [row["confidence"] for row in signals]
    expected = skill.calibration(confidences, hits)
    rows = built.rows(
        f"select * from performance.model_calibration where model_name = '{model}'"
        " order by confidence_bin"
    )
    assert [row["confidence_bin"] for row in rows] == list(range(1, 11))
    for row in rows:
        n, rate = expected.get(row["confidence_bin"], (0, None))
        assert row["n"] == n
        assert not differs(row["observed_rate"], rate, 1e-9)
        if rate is not None:
            lower, upper = proportion_confint(row["hits"], n, method="wilson")
            assert not differs(row["observed_rate_lower"], float(lower), 1e-9)
            assert not differs(row["observed_rate_upper"], float(upper), 1e-9)


def observations(built: Built, model: str, first: date) -> list[skill.Observation]:
    """The model's last signal of each symbol and day, with the returns that are known."""
    last: dict[tuple[str, date], Signal] = {}
    for _, signal in sorted(
        built.world.of_model(model), key=lambda item: (item[1].created_at, item[0])
    ):
        last[signal.symbol, signal.created_at.date()] = signal
    found = []
    for (symbol, day), signal in last.items():
        bars = built.world.bars[symbol]
        entries = [bar for bar in bars if bar.closed_at <= signal.created_at]
        ahead = [bar for bar in bars if bar.opened_at >= signal.created_at]
        if not (first <= day <= LAST_DAY and entries and len(ahead) >= HORIZONS[-1]):
            continue
        closes = [float(entries[-1].close)] + [float(ahead[h - 1].close) for h in HORIZONS]
        returns = [after / before - 1 for before, after in pairwise(closes)]
        score = signal.position * signal.confidence
        found.append(skill.Observation(symbol, day, score, (closes[-1] / closes[0] - 1, *returns)))
    return found


@pytest.mark.parametrize("model", ["barriers", *SKILLED])
def test_skill_is_as_the_libraries_say(built: Built, model: str) -> None:
    rows = built.rows(f"select * from performance.model_skill where model_name = '{model}'")
    assert {row["window_name"] for row in rows} == set(WINDOWS)
    for row in rows:
        first = first_day(row["window_name"])
        signals = [
            each
            for each in resolved(built, model)
            if first <= each["resolved_at"].date() <= LAST_DAY
        ]
        hits = [each["is_win"] for each in signals]
        confidences = [each["confidence"] for each in signals]
        ics = skill.rank_ics(observations(built, model, first)) or [[]]
        means = [sum(values) / len(values) for values in ics if values]
        over_time = row["rank_ic_over"] == "time"
        expected = {
            "n": len(signals),
            "brier_score": skill.brier_score(confidences, hits),
            "expected_calibration_error": skill.expected_calibration_error(confidences, hits),
            "rank_ic": means[0] if ics[0] else None,
            "ic_ir": None if over_time else skill.ic_ir(ics[0]),
            "rank_ic_samples": len(ics[0]),
            "signal_half_life_bars": skill.half_life(means[1:], HORIZONS),
        }
        for name, value in expected.items():
            assert not differs(row[name], value, 1e-9), (model, row["window_name"], name)
        if model == "skilled":
            assert row["rank_ic"] > 0.2
            assert row["signal_half_life_bars"] is not None
        assert over_time == (model == "skilled in one")


@pytest.mark.parametrize("model", ["barriers", *SKILLED])
def test_turnover_is_the_mean_change_of_position(built: Built, model: str) -> None:
    positions: dict[str, list[int]] = defaultdict(list)
    for _, signal in sorted(
        built.world.of_model(model), key=lambda item: (item[1].created_at, item[0])
    ):
        if signal.created_at < END:
            positions[signal.symbol].append(signal.position)
    (row,) = built.rows(
        "select turnover from performance.model_skill"
        f" where model_name = '{model}' and window_name = 'all'"
    )
    assert not differs(row["turnover"], skill.turnover(list(positions.values())), 1e-9)
