"""What each table of the dashboard has to show, by raw rows: a row's values by its key."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from fractions import Fraction
from itertools import pairwise
from typing import Any

from raw_facts import (
    CAPITAL,
    Raw,
    Row,
    Trade,
    certainty,
    filled_price,
    of_days,
    of_trades,
    sharpe_of,
    wilson,
)

Values = dict[str, Any]
HORIZONS = (4, 8, 12, 16, 20, 24)
STAKE = 1000
WINDOW = 20


class Shown:
    """Values of the dashboard over all closed days, by the name of their table."""

    def __init__(self, raw: Raw) -> None:
        self.raw = raw
        self.model_of = {row["id"]: raw.labels[row["model_id"]] for row in raw.signals}
        self.by_id = {row["id"]: row for row in raw.signals}
        self.days = set(raw.calendar)
        self.of_signal: dict[int, list[Trade]] = defaultdict(list)
        for each in raw.trades:
            if each.signal_id is not None:
                self.of_signal[each.signal_id].append(each)
        self.orders_of: dict[int, list[Row]] = defaultdict(list)
        for row in raw.orders:
            if (signal := raw.attributed[row["id"]][2]) is not None:
                self.orders_of[signal].append(row)
        self.tables: dict[str, Callable[[Row], Values]] = {
            "source_performance": self.source,
            "trades_by_symbol": self.symbol,
            "trade_breakdowns": self.breakdown,
            "open_positions": self.position,
            "daily_performance": self.day,
            "unexplained_days": self.day,
            "signal_gaps": lambda row: self.gaps(row["model"]),
            "signals_by_model": self.outcomes_of_model,
            "signals": self.signal,
            "orders_of_signal": self.order,
            "trades_of_signal": self.trade,
            "trades": self.trade,
            "orders_of_trade": self.order_of_trade,
            "months": self.month,
            "drawdowns": self.drawdown,
            "model_skill": self.skill,
            "training_runs": self.training,
            "spectrum_findings": self.spectrum,
        }

    def source(self, row: Row) -> Values:
        kind, _, name = row["source"].partition(": ")
        raw = self.raw
        found = of_trades(raw.closed(raw.of_source(kind, name))) | of_days(raw, kind, name)
        found["deflated_sharpe"] = None
        names = [each for each in raw.first_days if each[0] == kind and each[1] != "all"]
        ratios = [
            ratio / math.sqrt(365)
            for each in names
            if (ratio := sharpe_of(of_days(raw, *each)["returns"])) is not None
        ]
        best = 0.0 if len(names) == 1 and name != "all" else None
        if name != "all" and len(names) > 1 and len(ratios) > 1:
            euler, normal = 0.5772156649015329, statistics.NormalDist()
            best = statistics.stdev(ratios) * (
                (1 - euler) * normal.inv_cdf(1 - 1 / len(names))
                + euler * normal.inv_cdf(1 - 1 / len(names) / math.e)
            )
        if best is not None:
            found["deflated_sharpe"] = certainty(found["returns"], best)
        return found

    def symbol(self, row: Row) -> Values:
        trades = self.raw.closed(self.raw.of_source(row["source"], "all"))
        return of_trades([each for each in trades if each.symbol == row["symbol"]])

    def breakdown(self, row: Row) -> Values:
        kind, _, name = row["source"].partition(": ")
        return of_trades(
            [
                each
                for each in self.raw.of_source(kind, name)
                if _value_of(each, row["told"]) == row["value_told"]
            ]
        )

    def position(self, row: Row) -> Values:
        raw = self.raw
        kind, _, name = row["source"].partition(": ")
        for order, quantity in raw.still_open.items():
            fill = raw.fills[order]
            if (
                fill["symbol"] == row["symbol"]
                and raw.attributed[order][:2] == (kind, name)
                and (fill["filled_at"] or fill["created_at"]) == row["opened_at"]
                and math.isclose(float(quantity), row["open_quantity"])
            ):
                price = Fraction(fill["filled_price"] or fill["price"])
                last = Fraction(raw.bars_of[fill["symbol"]][-1].close)
                fees = Fraction(fill["fee"] or 0) * quantity / Fraction(fill["filled_quantity"])
                sign = 1 if fill["side"] == "BUY" else -1
                return {
                    "open_quantity": quantity,
                    "entry_price": price,
                    "last_close": last,
                    "fees": fees,
                    "unrealized_profit": sign * (last - price) * quantity - fees,
                }
        return {}

    def day(self, row: Row) -> Values:
        raw, day = self.raw, row["trading_date"]
        reports = [each for each in raw.stats if each["date"] == day]
        trades = [each for each in raw.trades if each.exit_at.date() == day]
        signals = [each for each in raw.signals if each["created_at"].date() == day]
        profit = {
            kind: sum((t.net_profit for t in trades if t.source_type == kind), Fraction(0))
            for kind in ("ai", "traditional")
        }
        told = sum((Fraction(each["net_profit"]) for each in reports), Fraction(0))
        sides = [each["signal_type"] for each in signals]
        return {
            "reported_net_profit": told if reports else None,
            "ai_net_profit": profit["ai"],
            "traditional_net_profit": profit["traditional"],
            "unreconciled_profit": told - sum(profit.values()) if reports else None,
            "reported_trades": sum(each["total_trades"] for each in reports) if reports else None,
            "ai_trades": sum(t.source_type == "ai" for t in trades),
            "traditional_trades": sum(t.source_type == "traditional" for t in trades),
            "ai_buy_signals": sides.count("BUY"),
            "ai_sell_signals": sides.count("SELL"),
            "ai_hold_signals": sides.count("HOLD"),
            "avg_ai_confidence": statistics.fmean(float(each["confidence"]) for each in signals)
            if signals
            else None,
        }

    def gaps(self, model: str) -> Values:
        """Of one model, or of all."""
        raw, sums = self.raw, defaultdict[str, Any](Fraction)
        still = {raw.attributed[order][2] for order in raw.still_open}
        for signal in raw.signals:
            outcome, lots = raw.outcomes[signal["id"]], self.of_signal[signal["id"]]
            if outcome.resolved_at is None or signal["id"] in still:
                continue
            over = max(outcome.resolved_at, *(each.exit_at for each in lots), outcome.resolved_at)
            if over.date() > raw.calendar[-1] or model not in ("all", self.model_of[signal["id"]]):
                continue
            entry, leave = Fraction(outcome.entry_price or 0), Fraction(outcome.exit_price or 0)
            unit = (leave - entry) * (1 if signal["signal_type"] == "BUY" else -1)
            ordered = sum(
                (Fraction(each["quantity"]) for each in self.orders_of[signal["id"]]
                 if each["side"] == signal["signal_type"]), Fraction(0),
            )  # fmt: skip
            promised = STAKE * unit / entry
            size = promised - unit * ordered if ordered else Fraction(0)
            sums["signals"] += 1
            sums["traded"] += bool(lots)
            sums["hypothetical_profit"] += promised
            sums["size"] += size
            sums["not_traded"] += promised - size
            for lot in lots:
                quantity = lot.quantity * (1 if lot.direction == "LONG" else -1)
                at = raw.fills[lot.opening_order_id]["created_at"]
                met = Fraction(raw.close_before(lot.symbol, at) or entry)
                sums["not_traded"] -= (leave - entry) * quantity
                sums["delay"] += (met - entry) * quantity
                sums["price"] += (lot.entry_price - met) * quantity
                sums["exit"] += (leave - lot.exit_price) * quantity
                sums["fees"] += lot.fees
                sums["real_profit"] += lot.net_profit
        return sums

    def outcomes_of_model(self, row: Row) -> Values:
        raw = self.raw
        signals = [
            each
            for each in raw.signals
            if self.model_of[each["id"]] == row["model"] and self._is_in_period(each)
        ]
        outcomes = [raw.outcomes[each["id"]] for each in signals]
        returns = [each.outcome_return for each in outcomes if each.outcome_return is not None]
        wins = sum(each > 0 for each in returns)
        names = [each.outcome for each in outcomes]
        traded = [each["id"] for each in signals if self.of_signal[each["id"]]]
        return {
            "signals": len(signals),
            "holds": sum(each["signal_type"] == "HOLD" for each in signals),
            "resolved": len(returns),
            "rate": wins / len(returns) if returns else None,
            "rate_95": wilson(wins, len(returns)),
            "took_profit": names.count("TAKE_PROFIT"),
            "stopped": names.count("STOP_LOSS"),
            "expired": names.count("EXPIRED"),
            "mean_return": statistics.fmean(returns) if returns else None,
            "traded": len(traded),
            "realized main": sum(
                (lot.net_profit for each in traded for lot in self.of_signal[each]), Fraction(0)
            ) if traded else None,
        }  # fmt: skip

    def _is_in_period(self, signal: Row) -> bool:
        day: date = signal["created_at"].date()
        return day <= self.raw.calendar[-1]

    def signal(self, row: Row) -> Values:
        number = row["signal_id"]
        lots = self.of_signal[number]
        return {
            "confidence": float(self.by_id[number]["confidence"]),
            "order_count": len(self.orders_of[number]),
            "outcome_return": self.raw.outcomes[number].outcome_return,
            "executed_net_profit": sum((lot.net_profit for lot in lots), Fraction(0))
            if lots
            else None,
        }

    def order(self, row: Row) -> Values:
        order = next(each for each in self.raw.orders if each["id"] == row["order_id"])
        signal = self.by_id[self.raw.attributed[order["id"]][2] or 0]
        return {"lag_seconds": (order["created_at"] - signal["created_at"]).total_seconds()}

    def trade(self, row: Row) -> Values:
        opened, _, closed = row["trade_id"].partition("-")
        lot = next(
            each
            for each in self.raw.trades
            if each.opening_order_id == int(opened) and each.closing_order_id == int(closed)
        )
        names = ("quantity", "entry_price", "exit_price", "fees", "net_profit")
        risk = self.risk(lot)
        return {name: getattr(lot, name) for name in names} | {
            "held_seconds": (lot.exit_at - lot.entry_at).total_seconds(),
            "r_multiple": float(lot.net_profit / risk) if risk else None,
            **self.excursions(lot),
        }

    def risk(self, lot: Trade) -> Fraction | None:
        """What the stop of its plan, or else of its signal, would have lost."""
        raw = self.raw
        plan = raw.fills[lot.opening_order_id]["trade_plan_id"]
        stops = [each["stop_loss_price"] for each in raw.plans if each["id"] == plan]
        if lot.signal_id is not None:
            stops.append(self.by_id[lot.signal_id]["stop_loss"])
        stop = next((each for each in stops if each is not None), None)
        sign = 1 if lot.direction == "LONG" else -1
        distance = Fraction(0) if stop is None else sign * (lot.entry_price - Fraction(stop))
        return distance * lot.quantity if distance > 0 else None

    def excursions(self, lot: Trade) -> Values:
        within = [
            bar
            for bar in self.raw.bars_of[lot.symbol]
            if lot.entry_at <= bar.opened_at and bar.closed_at <= lot.exit_at
        ]
        if not within:
            return {"mae": None, "mfe": None}
        met = [Fraction(each) for bar in within for each in (bar.low, bar.high)]
        sign = 1 if lot.direction == "LONG" else -1
        moves = [sign * float(each / lot.entry_price - 1) for each in (*met, lot.exit_price)]
        return {"mae": min(0.0, *moves), "mfe": max(0.0, *moves)}

    def order_of_trade(self, row: Row) -> Values:
        order = next(each for each in self.raw.orders if each["id"] == row["order_id"])
        signal = self.raw.attributed[order["id"]][2]
        return {
            "filled_price": filled_price(order),
            "lag_seconds": None if signal is None else self.order(row)["lag_seconds"],
        }

    def month(self, row: Row) -> Values:
        trades = [
            each
            for each in self.raw.closed(self.raw.trades)
            if f"{each.exit_at:%Y-%m}" == row["month_told"]
        ]
        by_day: dict[date, Fraction] = defaultdict(Fraction)
        for each in trades:
            by_day[each.exit_at.date()] += each.net_profit
        return of_trades(trades) | {
            "won_days": sum(profit > 0 for profit in by_day.values()),
            "lost_days": sum(profit < 0 for profit in by_day.values()),
            "best_day": max(by_day.values()),
            "worst_day": min(by_day.values()),
        }

    def drawdown(self, row: Row) -> Values:
        """Of the account, from its capital on."""
        equity = peak = CAPITAL
        below: list[tuple[date, Fraction]] = []
        for day in self.raw.calendar:
            equity += sum(
                (each.net_profit for each in self.raw.trades if each.exit_at.date() == day),
                Fraction(0),
            )
            if equity < peak:
                below.append((day, equity))
                continue
            if below and below[0][0] == row["begin_date"]:
                break
            peak, below = equity, []
        trough = min(each for _, each in below)
        return {
            "days": (below[-1][0] - below[0][0]).days + 1,
            "depth": float(trough / peak - 1),
            "lost_amount": trough - peak,
            "peak_equity": peak,
            "trough_equity": trough,
        }

    def results(self) -> Values:
        """The cards of the journal."""
        trades = self.raw.closed(self.raw.trades)
        found = of_trades(trades)
        multiples = [float(each.net_profit / risk) for each in trades if (risk := self.risk(each))]
        return found | {
            "payoff_ratio": float(found["average_win"] / -found["average_loss"]),
            "mean_r": statistics.fmean(multiples),
        }

    def skill(self, row: Row) -> Values:
        raw = self.raw
        own = [each for each in raw.signals if self.model_of[each["id"]] == row["model"]]
        judged = [
            (0.5 + float(each["confidence"]) / 2, outcome.outcome_return > 0, each)
            for each in own
            if (outcome := raw.outcomes[each["id"]]).outcome_return is not None
            and outcome.resolved_at is not None
            and outcome.resolved_at.date() in self.days
        ]
        missed: dict[int, float] = defaultdict(float)
        for predicted, hit, each in judged:
            missed[max(1, math.ceil(each["confidence"] * 10))] += predicted - hit
        n = len(judged)
        changes = []
        for symbol in {each["symbol"] for each in own}:
            line = sorted(
                (each for each in own if each["symbol"] == symbol),
                key=lambda each: (each["created_at"], each["id"]),
            )
            changes += [
                abs(_side(after) - _side(before)) / 2
                for before, after in pairwise(line)
                if self._is_in_period(after)
            ]
        found = {
            "n": n,
            "brier_score": statistics.fmean((p - hit) ** 2 for p, hit, _ in judged) if n else None,
            "expected_calibration_error": sum(map(abs, missed.values())) / n if n else None,
            "turnover": statistics.fmean(changes) if changes else None,
        }
        return found | self._rank_ics(own)

    def _rank_ics(self, own: Sequence[Row]) -> Values:
        raw = self.raw
        last: dict[tuple[str, date], Row] = {}
        for each in sorted(own, key=lambda each: (each["created_at"], each["id"])):
            last[each["symbol"], each["created_at"].date()] = each
        by_day: dict[date, list[tuple[float, list[float]]]] = defaultdict(list)
        for (symbol, day), each in last.items():
            bars = raw.bars_of[symbol]
            entry = raw.close_before(symbol, each["created_at"])
            ahead = [bar for bar in bars if bar.opened_at >= each["created_at"]]
            if day not in self.days or entry is None or len(ahead) < HORIZONS[-1]:
                continue
            closes = [float(entry), *(float(ahead[h - 1].close) for h in HORIZONS)]
            score = _side(each) * float(each["confidence"])
            moves = [after / before - 1 for before, after in pairwise(closes)]
            by_day[day].append((score, [closes[-1] / closes[0] - 1, *moves]))
        if len({symbol for symbol, _ in last}) < 2:
            return {}
        columns = []
        for horizon in range(len(HORIZONS) + 1):
            ics = [
                _rank_correlation([s for s, _ in rows], [r[horizon] for _, r in rows])
                for rows in by_day.values()
            ]
            columns.append([ic for ic in ics if ic is not None])
            if not horizon:
                behind = sum(
                    len(rows)
                    for rows, ic in zip(by_day.values(), ics, strict=True)
                    if ic is not None
                )
        means = [statistics.fmean(ics) if ics else None for ics in columns]
        first = columns[0]
        half_life = None
        if all(mean is not None and mean > 0 for mean in means[1:]):
            logs = [math.log(mean or 1) for mean in means[1:]]
            slope = statistics.linear_regression(HORIZONS, logs).slope
            half_life = -math.log(2) / slope if slope < 0 else None
        return {
            "rank_ic": means[0],
            "ic_ir": statistics.fmean(first) / statistics.stdev(first) if len(first) > 1 else None,
            "rank_ic_observations": behind,
            "signal_half_life_bars": half_life,
        }

    def training(self, row: Row) -> Values:
        kind = row["run_kind"]
        order, value = {
            "episodes": ("episode_number", "total_reward"),
            "generations": ("generation_number", "best_fitness"),
            "analyses": ("id", "pattern_confidence"),
        }[kind]
        steps = sorted(
            (each for each in self.raw.steps[kind]
             if self.raw.labels[each["model_id"]] == row["model"] and each[value] is not None),
            key=lambda each: (each["created_at"] if kind == "analyses" else 0, each[order]),
        )  # fmt: skip
        values = [float(each[value]) for each in steps]
        first, final = values[:WINDOW], values[-WINDOW:]
        change = score = None
        if len(values) >= 2 * WINDOW and kind != "analyses":
            change = statistics.fmean(final) - statistics.fmean(first)
            error = math.sqrt((statistics.variance(first) + statistics.variance(final)) / WINDOW)
            score = change / error if error else None
        return {
            "steps": len(values),
            "first_mean_value": statistics.fmean(first),
            "last_mean_value": statistics.fmean(final),
            "improvement": change,
            "improvement_z_score": score,
            "best_value": max(values),
            "steps_since_best": len(values) - 1 - values.index(max(values)),
        }

    def spectrum(self, row: Row) -> Values:
        found = sorted(
            (
                each
                for each in self.raw.spectra
                if self.raw.labels[each["model_id"]] == row["model"]
                and (each["symbol"], each["analysis_type"]) == (row["symbol"], row["analysis_type"])
            ),
            key=lambda each: (each["created_at"], each["id"]),
        )
        now, *before = found[::-1]
        strongest = now["dominant_frequencies"][0] if now["dominant_frequencies"] else {}
        period = strongest.get("period_bars")
        earlier = before[0]["dominant_frequencies"] if before else []
        return {
            "dominant_period_bars": period,
            "dominant_period_bars_change": period - earlier[0]["period_bars"]
            if period is not None and earlier
            else None,
            "dominant_share": strongest.get("share"),
            "pattern_confidence": now["pattern_confidence"],
            "anomaly_score": now["anomaly_score"],
        }

    def totals(self) -> Mapping[str, Any]:
        """The cards of the reconciliation, by their column."""
        days = [self.day({"trading_date": day}) for day in self.raw.calendar]
        return {
            name: sum((day[name] for day in days if day["unreconciled_profit"] is not None),
                      Fraction(0))
            for name in (
                "reported_net_profit", "ai_net_profit", "traditional_net_profit",
                "unreconciled_profit",
            )
        }  # fmt: skip


def _side(signal: Row) -> int:
    return {"BUY": 1, "SELL": -1}.get(signal["signal_type"], 0)


def _value_of(trade: Trade, dimension: str) -> str:
    hours = (trade.exit_at - trade.entry_at).total_seconds() / 3600
    spans = {"under 1 h": 1, "1 h to 4 h": 4, "4 h to 1 d": 24, "1 d to 7 d": 168}
    held = next((name for name, end in spans.items() if hours < end), "7 d and more")
    return {
        "Direction": trade.direction,
        "Holding time": held,
        "Weekday of entry (UTC)": f"{trade.entry_at:%A}",
        "Hour of entry (UTC)": str(trade.entry_at.hour),
        "Exit reason": (trade.exit_reason or "unknown").replace("_", " "),
        "Entry tag": trade.entry_tag or "unknown",
    }[dimension]


def _ranks(values: Sequence[float]) -> list[float]:
    return [
        sum(other < each for other in values) + (sum(other == each for other in values) + 1) / 2
        for each in values
    ]


def _rank_correlation(first: Sequence[float], second: Sequence[float]) -> float | None:
    if len(first) < 2 or len(set(first)) == 1 or len(set(second)) == 1:
        return None
    return statistics.correlation(_ranks(first), _ranks(second))
