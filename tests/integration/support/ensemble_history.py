"""Random markets, signals and patterns for the tests of the ensemble."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import ensemble as reference
import numpy as np
import yaml
from landscapes import Landscape

from runner.settings import PROJECT

VARS: dict[str, Any] = yaml.safe_load((PROJECT / "dbt_project.yml").read_text())["vars"]


HORIZON: int = VARS["ensemble_horizon_bars"]
LIFETIME: int = VARS["ensemble_forecast_bars"]
DEADBAND: float = VARS["ensemble_deadband"]
SHARE: float = VARS["ensemble_share"]
START = datetime(2025, 3, 3, tzinfo=UTC)
HOUR = timedelta(hours=1)
SYMBOLS = ("GAPS", "FINER", "DAILY", "NO_BARS", "A", "B", "C", "D")
Row = dict[str, Any]


@dataclass
class History:
    """Rows of the primary, as one would write them by hand. Keys are row numbers from 1."""

    models: list[tuple[str, datetime]] = field(default_factory=list)
    stages: list[reference.Stage] = field(default_factory=list)
    bars: list[reference.Bar] = field(default_factory=list)
    patterns: list[reference.Forecast] = field(default_factory=list)
    signals: list[reference.Forecast] = field(default_factory=list)
    pattern_of_signal: dict[int, int] = field(default_factory=dict)

    def insert(self, landscape: Landscape, late: frozenset[tuple[str, int]] | None = None) -> None:
        """Write everything but ``late``, which are (table, id)."""
        skipped = late or frozenset()
        with landscape.primary.connect() as connection, connection.cursor() as cursor:
            # The stand-in brings patterns of its own.
            cursor.execute("delete from micro_patterns where symbol <> all (%s)", (list(SYMBOLS),))
            for number, (name, created_at) in enumerate(self.models, start=1):
                cursor.execute(
                    "insert into ai_models (id, model_type, model_name, version, created_at)"
                    " values (%s, 'genetic_optimization', %s, 'v1', %s) on conflict do nothing",
                    (number, name, created_at),
                )
            for stage in self.stages:
                cursor.execute(
                    "insert into ai_model_stages (model_id, stage, since, reason)"
                    " select id, %(stage)s, %(since)s, 'a test' from ai_models"
                    " where 'model: ' || model_name || ' v1' = %(expert)s and not exists (select"
                    " from ai_model_stages where model_id = ai_models.id and since = %(since)s)",
                    {"stage": stage.name, "since": stage.since, "expert": stage.expert},
                )
            cursor.executemany(
                "insert into market_bars"
                " (symbol, timeframe, opened_at, open, high, low, close, volume)"
                " values (%s, %s, %s, %s, %s, %s, %s, 1) on conflict do nothing",
                [
                    (
                        bar.symbol,
                        bar.timeframe,
                        bar.closed_at - timedelta(minutes=bar.minutes),
                        *[bar.close] * 4,
                    )
                    for number, bar in enumerate(self.bars)
                    if ("bars", number) not in skipped
                ],
            )
            cursor.executemany(
                "insert into micro_patterns"
                " (id, created_at, symbol, timeframe, pattern_type, confidence, signal)"
                " values (%s, %s, %s, '1h', %s, %s, %s) on conflict do nothing",
                [
                    (p.id, p.at, p.symbol, p.expert.split(": ")[1], p.confidence, p.direction)
                    for p in self.patterns
                    if ("patterns", p.id) not in skipped
                ],
            )
            model_ids = {f"model: {name} v1": n for n, (name, _) in enumerate(self.models, 1)}
            cursor.executemany(
                "insert into ai_trading_signals (id, model_id, symbol, signal_type, confidence,"
                " pattern_id, expires_at, created_at)"
                " values (%s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing",
                [
                    (
                        s.id,
                        model_ids[s.expert],
                        s.symbol,
                        s.direction,
                        s.confidence,
                        self.pattern_of_signal.get(s.id),
                        s.expires_at,
                        s.at,
                    )
                    for s in self.signals
                    if ("signals", s.id) not in skipped
                ],
            )

    def heard_of(self) -> dict[str, datetime]:
        """When each expert was registered or first spoke."""
        first = {f"model: {name} v1": at for name, at in self.models}
        for forecast in [*self.signals, *self.patterns]:
            first[forecast.expert] = min(first.get(forecast.expert, forecast.at), forecast.at)
        return first

    def decided(
        self, horizon: int, lifetime: int, share: float
    ) -> tuple[list[reference.Decision], dict[tuple[int, str], float], dict[int, reference.Regret]]:
        """Decisions, weights and regrets by brute force, under these settings."""
        return reference.decide(
            self.bars,
            [*self.signals, *self.patterns],
            self.heard_of(),
            self.stages,
            horizon=horizon,
            lifetime=lifetime,
            share=share,
        )

    def cases(self) -> list[reference.Case]:
        """The BUY and SELL signals with their outcomes, by brute force."""
        own = reference.own_bars(self.bars)
        patterns = {pattern.id: pattern for pattern in self.patterns}
        cases = []
        for signal in self.signals:
            if signal.direction == "HOLD":
                continue
            bar = next(
                (b for b in own if b.symbol == signal.symbol and b.closed_at >= signal.at), None
            )
            went, resolved_at = reference.target(bar, self.bars, HORIZON) if bar else (np.nan, None)
            pattern = patterns.get(self.pattern_of_signal.get(signal.id, 0))
            if pattern is None or pattern.at > signal.at:
                relation = "no_pattern"
            elif pattern.direction == "HOLD":
                relation = "neutral"
            else:
                relation = "confirm" if pattern.direction == signal.direction else "contradict"
            edges = [tenth / 10 for tenth in range(1, 10)]
            cases.append(
                reference.Case(
                    signal.id,
                    signal.at,
                    signal.expert,
                    signal.symbol,
                    signal.direction,
                    1 + sum(signal.confidence > edge for edge in edges),
                    relation,
                    None if np.isnan(went) else (went == 1) == (signal.direction == "BUY"),
                    resolved_at,
                )
            )
        return cases


def random_history(seed: int) -> History:
    """Twelve days with everything that can go wrong in them."""
    random = Random(seed)
    history = History()
    history.models = [
        ("steady", START - 30 * HOUR),
        ("late", START + 5 * 24 * HOUR + 7 * HOUR),
        ("registered_after_its_signals", START + 9 * 24 * HOUR),
        ("silent", START - 30 * HOUR),
    ]
    # One goes into shadow and comes back, another ends for good.
    history.stages = [
        reference.Stage("model: steady v1", "champion", START - 30 * HOUR),
        reference.Stage("model: steady v1", "shadow", START + 3 * 24 * HOUR + 5 * HOUR),
        reference.Stage("model: steady v1", "champion", START + 7 * 24 * HOUR - 0.5 * HOUR),
        reference.Stage("model: late v1", "champion", history.models[1][1]),
        reference.Stage("model: late v1", "retired", START + 10 * 24 * HOUR),
    ]
    end = START + 12 * 24 * HOUR

    def walk(symbol: str, timeframe: str, since: datetime, until: datetime, gaps: float) -> None:
        price, bar = 100, reference.Bar(symbol, timeframe, since, 0.0)
        length = timedelta(minutes=bar.minutes)
        at = since
        while (at := at + length) <= until:
            # Small steps on a coarse grid: the price often stands where it was.
            price = max(1, price + random.choice([-1, 0, 0, 1]))
            if random.random() >= gaps:
                history.bars.append(reference.Bar(symbol, timeframe, at, float(price)))

    walk("GAPS", "1h", START, end, 0.1)
    walk("FINER", "1h", START, end, 0.0)
    walk("FINER", "60m", START, end - 48 * HOUR, 0.0)
    # A shorter timeframe begins in the middle, not on the hour, and ends before the end.
    walk("FINER", "15m", START + 6 * 24 * HOUR + 0.5 * HOUR, START + 9 * 24 * HOUR, 0.02)
    walk("DAILY", "1d", START - 40 * 24 * HOUR, end, 0.0)
    walk("UNSPOKEN", "4h", START, end, 0.0)
    symbols = ["GAPS", "FINER", "DAILY", "NO_BARS"]
    directions = ["BUY", "SELL", "HOLD", "BUY", "SELL"]

    def moment(since: datetime) -> datetime:
        hours = random.uniform(0, (end - since) / HOUR)
        # Many exactly at a close, and at the same instant as others.
        return since + (int(hours) if random.random() < 0.6 else round(hours, 3)) * HOUR

    since_of_type = {"flag": START, "wedge": START + 26 * HOUR, "rare": START + 8 * 24 * HOUR}
    for number in range(1, 181):
        kind = random.choice(list(since_of_type))
        history.patterns.append(
            reference.Forecast(
                f"pattern: {kind}",
                number,
                random.choice(symbols),
                random.choice(directions),
                round(random.random(), 4),
                moment(since_of_type[kind]),
            )
        )
    since_of_model = {
        "steady": START,
        "late": history.models[1][1],
        "registered_after_its_signals": START + 2 * 24 * HOUR,
    }
    for number in range(1, 601):
        name = random.choice(list(since_of_model))
        at = moment(since_of_model[name])
        symbol = random.choice(symbols)
        # Lives of very different length: an earlier signal often outlives a later one.
        life = random.choice([None, 0.25, 1, 2, 5, 30, 100])
        history.signals.append(
            reference.Forecast(
                f"model: {name} v1",
                number,
                symbol,
                random.choice(directions),
                random.choice([0.0, 1.0, 0.3, 0.7, round(random.random(), 6)]),
                at,
                None if life is None else at + life * HOUR,
            )
        )
        near = [p.id for p in history.patterns if p.symbol == symbol]
        if random.random() < 0.7:
            history.pattern_of_signal[number] = random.choice(near)
    return history


def noisy_history(seed: int, *, coins: int, signals_each: int) -> History:
    """A random market in which one model knows what comes and all others toss coins."""
    random = Random(seed)
    history = History()
    registered = START - 48 * HOUR
    history.models = [("knows", registered), *((f"coin_{n:03}", registered) for n in range(coins))]
    closes: dict[tuple[str, int], float] = {}
    for symbol in ("A", "B", "C", "D"):
        price = 1000.0
        for hour in range(600):
            price = round(price * np.exp(random.gauss(0, 0.01)), 6)
            closes[symbol, hour] = price
            history.bars.append(reference.Bar(symbol, "1h", START + hour * HOUR, price))
    number = 0
    for symbol in ("A", "B", "C", "D"):
        for kind in ("flag", "wedge", "head"):
            for side in ("BUY", "SELL"):
                number += 1
                history.patterns.append(
                    reference.Forecast(f"pattern: {kind}", number, symbol, side, 0.0, START)
                )
    for model, _ in history.models:
        for _ in range(signals_each):
            symbol, hour = random.choice("ABCD"), random.randrange(1, 580)
            goes_up = closes[symbol, hour + HORIZON] > closes[symbol, hour]
            is_right = random.random() < (0.7 if model == "knows" else 0.5)
            history.signals.append(
                reference.Forecast(
                    f"model: {model} v1",
                    len(history.signals) + 1,
                    symbol,
                    "BUY" if goes_up == is_right else "SELL",
                    0.4,
                    START + hour * HOUR,
                    START + (hour + 1) * HOUR,
                )
            )
            history.pattern_of_signal[len(history.signals)] = random.choice(
                [p.id for p in history.patterns if p.symbol == symbol]
            )
    return history
