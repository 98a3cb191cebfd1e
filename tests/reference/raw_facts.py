"""Trades, outcomes and sources from a platform's raw rows, by plain loops and exact fractions.

What the dashboard's numbers are compared with: no mart is read. Nothing here is fast or clever.
For the demo's platform: one account, UTC days, one timeframe, hundreds of bars a symbol.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cached_property
from typing import Any

from lots import Fill, first_in_first_out
from oracle_barriers import Bar, Outcome, judge
from scipy import stats

Row = Mapping[str, Any]
HOUR = timedelta(hours=1)
LIFETIME = timedelta(minutes=1440)
CAPITAL = Fraction(100_000)
YEAR = 365


@dataclass(frozen=True)
class Trade:
    """A closed lot."""

    source_type: str
    source_name: str
    signal_id: int | None
    opening_order_id: int
    closing_order_id: int
    symbol: str
    direction: str
    exit_reason: str | None
    entry_tag: str | None
    quantity: Fraction
    entry_price: Fraction
    exit_price: Fraction
    fees: Fraction
    net_profit: Fraction
    entry_at: datetime
    exit_at: datetime


@dataclass
class Raw:
    """The raw rows, by table, as they are on the primary."""

    models: Sequence[Row]
    stages: Sequence[Row]
    signals: Sequence[Row]
    plans: Sequence[Row]
    orders: Sequence[Row]
    stats: Sequence[Row]
    bars: Sequence[Row]
    steps: Mapping[str, Sequence[Row]] = field(default_factory=dict)
    spectra: Sequence[Row] = ()

    @cached_property
    def labels(self) -> dict[int, str]:
        return {row["id"]: f"{row['model_name']} {row['version']}" for row in self.models}

    @cached_property
    def bars_of(self) -> dict[str, list[Bar]]:
        found: dict[str, list[Bar]] = defaultdict(list)
        for row in sorted(self.bars, key=lambda row: row["opened_at"]):
            found[row["symbol"]].append(
                Bar(
                    row["opened_at"],
                    row["opened_at"] + HOUR,
                    row["open"],
                    row["high"],
                    row["low"],
                    row["close"],
                )
            )
        return found

    @cached_property
    def closes_of(self) -> dict[str, list[datetime]]:
        return {symbol: [bar.closed_at for bar in bars] for symbol, bars in self.bars_of.items()}

    def close_before(self, symbol: str, at: datetime) -> Decimal | None:
        """The last close at or before a time."""
        place = bisect_right(self.closes_of[symbol], at)
        return self.bars_of[symbol][place - 1].close if place else None

    @cached_property
    def outcomes(self) -> dict[int, Outcome]:
        """Of each signal, on the bars of its validity and the one before."""
        found = {}
        for row in self.signals:
            until = row["expires_at"] or row["created_at"] + LIFETIME
            bars, closes = self.bars_of[row["symbol"]], self.closes_of[row["symbol"]]
            first = max(0, bisect_right(closes, row["created_at"]) - 1)
            last = bisect_right(closes, until) + 2
            found[row["id"]] = judge(
                row["signal_type"],
                row["created_at"],
                until,
                row["stop_loss"],
                row["take_profit"],
                bars[first:last],
            )
        return found

    @cached_property
    def attributed(self) -> dict[int, tuple[str, str, int | None]]:
        """Type and name of each order's source, and the signal that it executes."""
        by_key = {row["idempotency_key"]: row for row in self.signals if row["idempotency_key"]}
        of_plan: dict[int, list[Row]] = defaultdict(list)
        of_symbol: dict[tuple[str, str], list[Row]] = defaultdict(list)
        for row in sorted(self.signals, key=lambda row: (row["created_at"], row["id"])):
            if row["signal_type"] == "HOLD":
                continue
            of_symbol[row["symbol"], row["signal_type"]].append(row)
            if row["trade_plan_id"] is not None:
                of_plan[row["trade_plan_id"]].append(row)
        strategies = {row["id"]: row["strategy"] for row in self.plans}
        return {
            order["id"]: self._source(order, by_key, of_plan, of_symbol, strategies)
            for order in self.orders
        }

    def _source(
        self,
        order: Row,
        by_key: Mapping[str, Row],
        of_plan: Mapping[int, Sequence[Row]],
        of_symbol: Mapping[tuple[str, str], Sequence[Row]],
        strategies: Mapping[int, str],
    ) -> tuple[str, str, int | None]:
        def fits(signal: Row) -> bool:
            return bool(
                signal["symbol"] == order["symbol"]
                and signal["signal_type"] == order["side"]
                and signal["created_at"] <= order["created_at"]
            )

        key = by_key.get((order["client_order_id"] or "").split("#")[0])
        plan = order["trade_plan_id"]
        if key and key["signal_type"] != "HOLD" and key["created_at"] <= order["created_at"]:
            return "ai", self.labels[key["model_id"]], key["id"] if fits(key) else None
        if plan is None:
            valid = [
                each
                for each in of_symbol[order["symbol"], order["side"]]
                if fits(each)
                and order["created_at"] < (each["expires_at"] or each["created_at"] + LIFETIME)
                and self._decides(each)
            ]
            if valid:
                return "ai", self.labels[valid[-1]["model_id"]], valid[-1]["id"]
            return "traditional", "unplanned", None
        linked = [each for each in of_plan[plan] if each["created_at"] <= order["created_at"]]
        if linked and linked[0] is of_plan[plan][0]:
            fitting = [each for each in linked if fits(each)]
            own = fitting[-1] if fitting else None
            model = own or linked[0]
            return "ai", self.labels[model["model_id"]], own["id"] if own else None
        return "traditional", strategies.get(plan, "unknown"), None

    def _decides(self, signal: Row) -> bool:
        """Whether its model's version was champion then, or of no stage."""
        stages = [
            row["stage"]
            for row in sorted(self.stages, key=lambda row: (row["since"], row["id"]))
            if row["model_id"] == signal["model_id"] and row["since"] <= signal["created_at"]
        ]
        return stages[-1:] in ([], ["champion"])

    @cached_property
    def fills(self) -> dict[int, Row]:
        return {row["id"]: row for row in self.orders if row["filled_quantity"]}

    @cached_property
    def matched(self) -> dict[tuple[int, int], Decimal]:
        return first_in_first_out(
            Fill(
                row["id"], row["trade_plan_id"], "main", "main", row["symbol"], row["side"],
                row["filled_quantity"], row["filled_at"] or row["created_at"],
            )
            for row in self.fills.values()
        )  # fmt: skip

    @cached_property
    def trades(self) -> list[Trade]:
        """In the order of their ends."""
        found = []
        for (bought, sold), quantity in self.matched.items():
            buy, sell = self.fills[bought], self.fills[sold]
            first, second = sorted((buy, sell), key=lambda row: (filled_at(row), row["id"]))
            shared = Fraction(quantity)
            fees = sum(
                (Fraction(row["fee"] or 0) * shared / Fraction(row["filled_quantity"])
                 for row in (buy, sell)), Fraction(0),
            )  # fmt: skip
            source_type, source_name, signal_id = self.attributed[first["id"]]
            found.append(
                Trade(
                    source_type=source_type,
                    source_name=source_name,
                    signal_id=signal_id,
                    opening_order_id=first["id"],
                    closing_order_id=second["id"],
                    symbol=first["symbol"],
                    direction="LONG" if first is buy else "SHORT",
                    exit_reason=second["exit_reason"],
                    entry_tag=first["tag"],
                    quantity=shared,
                    entry_price=filled_price(first),
                    exit_price=filled_price(second),
                    fees=fees,
                    net_profit=(filled_price(sell) - filled_price(buy)) * shared - fees,
                    entry_at=filled_at(first),
                    exit_at=filled_at(second),
                )
            )
        return sorted(found, key=lambda each: (each.exit_at, each.opening_order_id))

    @cached_property
    def still_open(self) -> dict[int, Fraction]:
        """The quantity of each order that no lot has closed."""
        left = {order: Fraction(row["filled_quantity"]) for order, row in self.fills.items()}
        for pair, quantity in self.matched.items():
            for order in pair:
                left[order] -= Fraction(quantity)
        return {order: quantity for order, quantity in left.items() if quantity}

    @cached_property
    def calendar(self) -> list[date]:
        """The closed days."""
        signals = {row["created_at"].date() for row in self.signals}
        stats = {row["date"] for row in self.stats}
        exits = {each.exit_at.date() for each in self.trades}
        orders = {row["created_at"].date() for row in self.orders}
        orders |= {filled_at(row).date() for row in self.fills.values()}
        bars = {(row["opened_at"] + HOUR).date() for row in self.bars}
        known = max(signals | stats | exits | orders | bars)
        first, last = min(signals | stats | exits), max(signals | stats | exits)
        days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
        return [day for day in days if day < known]

    @cached_property
    def first_days(self) -> dict[tuple[str, str], date]:
        """The first day of each source, and of all of a type."""
        seen: dict[tuple[str, str], list[date]] = defaultdict(list)
        for row in self.models:
            seen["ai", self.labels[row["id"]]].append(row["created_at"].date())
        for row in self.signals:
            seen["ai", self.labels[row["model_id"]]].append(row["created_at"].date())
        for row in self.orders:
            kind, name, _ = self.attributed[row["id"]]
            seen[kind, name].append(row["created_at"].date())
        for (kind, _), days in [*seen.items()]:
            seen[kind, "all"] += days
        start = min(
            *(row["created_at"].date() for row in self.orders), *(row["date"] for row in self.stats)
        )
        return {source: max(min(days), start, self.calendar[0]) for source, days in seen.items()}

    def of_source(self, kind: str, name: str) -> list[Trade]:
        return [
            each
            for each in self.trades
            if each.source_type == kind and name in ("all", each.source_name)
        ]

    def closed(self, trades: Iterable[Trade]) -> list[Trade]:
        """Those that were closed on closed days."""
        days = set(self.calendar)
        return [each for each in trades if each.exit_at.date() in days]


def filled_at(row: Row) -> datetime:
    at: datetime = row["filled_at"] or row["created_at"]
    return at


def filled_price(row: Row) -> Fraction:
    return Fraction(row["filled_price"] or row["price"])


def result(profit: Fraction) -> int:
    """1 for a win, −1 for a loss, 0 for what rounds to nothing in eight decimals."""
    if abs(profit) < Fraction(1, 2 * 10**8):
        return 0
    return 1 if profit > 0 else -1


def wilson(hits: int, cases: int) -> tuple[float, float] | None:
    if not cases:
        return None
    z, rate = 1.959963984540054, hits / cases
    middle = (rate + z * z / 2 / cases) / (1 + z * z / cases)
    half = (
        z / (1 + z * z / cases) * math.sqrt(rate * (1 - rate) / cases + z * z / 4 / cases / cases)
    )
    return max(0.0, middle - half), min(1.0, middle + half)


def of_trades(trades: Sequence[Trade]) -> dict[str, Any]:
    """Figures of trades: counts, money and rates."""
    profits = [each.net_profit for each in trades]
    won = [profit for profit in profits if result(profit) > 0]
    lost = [profit for profit in profits if result(profit) < 0]
    gain = sum((profit for profit in profits if profit > 0), Fraction(0))
    loss = -sum((profit for profit in profits if profit < 0), Fraction(0))
    decided = len(won) + len(lost)
    weighed = loss * len(won) + gain * len(lost)
    reach = None
    if len(profits) >= 5:
        spread = statistics.stdev(map(float, profits)) / math.sqrt(len(profits))
        reach = float(stats.t.ppf(0.975, len(profits) - 1)) * spread
    mean = sum(profits, Fraction(0)) / len(profits) if profits else None
    return {
        "trades": len(profits),
        "net_profit": sum(profits, Fraction(0)),
        "fees": sum((each.fees for each in trades), Fraction(0)),
        "hit_rate": len(won) / decided if decided else None,
        "hit_rate_95": wilson(len(won), decided),
        "break_even_hit_rate": float(loss * len(won) / weighed) if weighed else None,
        "profit_factor": float(gain / loss) if loss else None,
        "expectancy": mean,
        "expectancy_95": None
        if reach is None or mean is None
        else (float(mean) - reach, float(mean) + reach),
        "average_win": sum(won, Fraction(0)) / len(won) if won else None,
        "average_loss": sum(lost, Fraction(0)) / len(lost) if lost else None,
    }


def of_days(raw: Raw, kind: str, name: str) -> dict[str, Any]:
    """Figures of a source's days: return, risk and time in market."""
    trades = raw.of_source(kind, name)
    closed = raw.closed(trades)
    days = [day for day in raw.calendar if day >= raw.first_days[kind, name]]
    by_day: dict[date, Fraction] = defaultdict(Fraction)
    for each in closed:
        by_day[each.exit_at.date()] += each.net_profit
    equity = peak = CAPITAL
    fall, returns = Fraction(0), []
    for day in days:
        returns.append(float(by_day[day] / equity))
        equity += by_day[day]
        peak = max(peak, equity)
        fall = min(fall, equity / peak - 1)
    spans = [(each.entry_at.date(), each.exit_at.date()) for each in trades]
    for order in raw.still_open:
        if raw.attributed[order][0] == kind and name in ("all", raw.attributed[order][1]):
            spans.append((filled_at(raw.fills[order]).date(), date.max))
    busy = sum(any(first <= day <= last for first, last in spans) for day in days)
    profit = best = by_trade = Fraction(0)
    for each in closed:
        profit += each.net_profit
        best = max(best, profit)
        by_trade = max(by_trade, best - profit)
    sharpe = sharpe_of(returns)
    certain = certainty(returns, 0.0)
    losses = math.sqrt(sum(min(each, 0.0) ** 2 for each in returns) / len(returns))
    growth = float(equity / CAPITAL) ** (YEAR / len(returns)) - 1
    half = None
    if sharpe is not None and certain is not None and 1e-9 < certain < 1 - 1e-9:
        error = sharpe / statistics.NormalDist().inv_cdf(certain)
        half = 1.959963984540054 * error
    return {
        "days": len(days),
        "total_return": float(equity / CAPITAL - 1),
        "max_drawdown": float(fall),
        "exposure": busy / len(days),
        "max_drawdown_by_trade": by_trade,
        "sharpe_ratio": sharpe,
        "sharpe_95": None if half is None or sharpe is None else (sharpe - half, sharpe + half),
        "probabilistic_sharpe": certain,
        "sortino_ratio": statistics.fmean(returns) / losses * math.sqrt(YEAR) if losses else None,
        "calmar_ratio": growth / abs(float(fall)) if fall else None,
        "longest_win_streak": streak([result(each.net_profit) for each in closed], 1),
        "longest_loss_streak": streak([result(each.net_profit) for each in closed], -1),
        "returns": returns,
    }


def streak(results: Sequence[int], wanted: int) -> int:
    longest = now = 0
    for each in results:
        now = now + 1 if each == wanted else 0
        longest = max(longest, now)
    return longest


def sharpe_of(returns: Sequence[float]) -> float | None:
    if len(returns) < 2 or max(returns) - min(returns) < 1e-15:
        return None
    return statistics.fmean(returns) / statistics.stdev(returns) * math.sqrt(YEAR)


def certainty(returns: Sequence[float], benchmark: float) -> float | None:
    """P(Sharpe ratio > benchmark, a day); Bailey, López de Prado 2012, moments without bias."""
    n, sharpe = len(returns), sharpe_of(returns)
    if sharpe is None or n < 4:
        return None
    mean = statistics.fmean(returns)
    second, third, fourth = (
        statistics.fmean([(each - mean) ** power for each in returns]) for power in (2, 3, 4)
    )
    skew = third / second**1.5 * math.sqrt(n * (n - 1)) / (n - 2)
    kurtosis = 3 + (n - 1) / (n - 2) / (n - 3) * ((n + 1) * (fourth / second**2 - 3) + 6)
    ratio = sharpe / math.sqrt(YEAR)
    variance = (1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2) / (n - 1)
    return statistics.NormalDist().cdf((ratio - benchmark) / math.sqrt(variance))
