"""Two models side by side, from raw rows."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from datetime import date
from fractions import Fraction
from functools import cached_property
from typing import Any

from raw_facts import Raw, Row, Trade


class Compared:
    """Figures of two models over their common days, or each over its own."""

    def __init__(self, raw: Raw, a: str, b: str) -> None:
        self.raw = raw
        self.models = {"a": a, "b": b}

    def signals(self, side: str) -> list[Row]:
        """BUY and SELL signals of closed days."""
        return [
            each
            for each in self.raw.signals
            if self.raw.labels[each["model_id"]] == self.models[side]
            and each["signal_type"] != "HOLD"
            and each["created_at"].date() in self.raw.calendar
        ]

    @cached_property
    def spans(self) -> dict[str, tuple[date, date]]:
        found = {}
        for side in self.models:
            days = [each["created_at"].date() for each in self.signals(side)]
            found[side] = min(days), max(days)
        first = max(span[0] for span in found.values())
        last = min(span[1] for span in found.values())
        if (last - first).days + 1 >= 10:
            return dict.fromkeys(found, (first, last))
        return found

    @cached_property
    def lots(self) -> dict[int | None, list[Trade]]:
        found = defaultdict(list)
        for each in self.raw.trades:
            found[each.signal_id].append(each)
        return found

    def values(self, side: str) -> dict[str, Any]:
        """By the name of the figure."""
        first, last = self.spans[side]
        signals = [
            each for each in self.signals(side) if first <= each["created_at"].date() <= last
        ]
        judged = [
            (float(each["confidence"]), outcome)
            for each in signals
            if (outcome := self.raw.outcomes[each["id"]].outcome_return) is not None
        ]
        won = [outcome for _, outcome in judged if outcome > 0]
        lost = [-outcome for _, outcome in judged if outcome <= 0]
        missed: dict[int, float] = defaultdict(float)
        for confidence, outcome in judged:
            missed[max(1, math.ceil(round(confidence * 10, 9)))] += (
                0.5 + confidence / 2 - (outcome > 0)
            )
        rate = len(won) / len(judged) if judged else None
        even = None
        if won and lost:
            loss = statistics.fmean(lost)
            even = loss / (statistics.fmean(won) + loss)
        lots = [lot for each in signals for lot in self.lots[each["id"]]]
        days = {each["created_at"].date() for each in signals if self.lots[each["id"]]}
        profit = sum((lot.net_profit for lot in lots), Fraction(0))
        return {
            "days": len({each["created_at"].date() for each in signals}),
            "signals": len(signals),
            "resolved": len(judged),
            "hit_rate": rate,
            "break_even": even,
            "edge": None if rate is None or even is None else rate - even,
            "mean_return": statistics.fmean(outcome for _, outcome in judged) if judged else None,
            "brier_score": statistics.fmean(
                (0.5 + confidence / 2 - (outcome > 0)) ** 2 for confidence, outcome in judged
            )
            if judged
            else None,
            "calibration_error": sum(map(abs, missed.values())) / len(judged) if judged else None,
            "trades": len(lots),
            "expectancy": profit / len(lots) if lots else None,
            "net_profit": profit if lots else None,
            "daily_profit": profit / len(days) if days else None,
        }
