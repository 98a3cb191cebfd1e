"""Hundreds of sources, signals and models for the tests of metrics, and how a platform has them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from random import Random
from typing import Any

import psycopg
from oracle_barriers import Bar


def first_day(window: str) -> date:
    return LAST_DAY - (WINDOWS[window] - 1) * DAY


CAPITAL = Decimal(100_000)
LAST_DAY = date(2026, 3, 31)
END = datetime(2026, 4, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
PRICE = Decimal(1_000_000)
WINDOWS = {"all": 10_000, "365d": 365, "90d": 90, "30d": 30}
HORIZONS = (4, 8, 12, 16, 20, 24)

MODELS = (
    *("+source_performance", "+source_performance_daily", "+symbol_performance", "+trades"),
    *("+signal_outcomes", "+model_skill", "+model_calibration"),
    *("+account_performance_daily", "+drawdowns"),
)

# --- what is written --------------------------------------------------------------------------


@dataclass(frozen=True)
class Trade:
    entry_at: datetime
    exit_at: datetime | None
    profit: Decimal = Decimal(0)


@dataclass
class Source:
    """A strategy, or a model; its first order, never filled, is of ``first_day``."""

    name: str
    first_day: date
    trades: list[Trade] = field(default_factory=list)
    is_ai: bool = False
    account: str = "main"
    currency: str = "main"
    capital: Decimal = CAPITAL

    def profits(self, first: date) -> list[float]:
        """Net profits of the trades that were closed from ``first`` on, in order."""
        closed = [t for t in self.trades if t.exit_at and first <= t.exit_at.date() <= LAST_DAY]
        return [float(t.profit) for t in sorted(closed, key=lambda t: str(t.exit_at))]

    def days(self, first: date) -> list[date]:
        start = max(first, self.first_day)
        return [start + n * DAY for n in range((LAST_DAY - start).days + 1)]

    def returns(self, first: date) -> list[float]:
        """Daily returns from ``first`` on; the equity goes back to the source's first day."""
        by_day: dict[date, Decimal] = defaultdict(Decimal)
        for trade in self.trades:
            if trade.exit_at:
                by_day[trade.exit_at.date()] += trade.profit
        equity, returns = self.capital, []
        for day in self.days(self.first_day):
            if day >= first:
                returns.append(float(by_day[day] / equity))
            equity += by_day[day]
        return returns

    def exposure(self, first: date) -> float:
        open_days = {
            day
            for trade in self.trades
            for day in self.days(first)
            if trade.entry_at.date() <= day
            and (trade.exit_at is None or day <= trade.exit_at.date())
        }
        return len(open_days) / len(self.days(first))

    def open_trades(self, day: date) -> int:
        """Trades that are open at the end of a day."""
        return sum(
            trade.entry_at.date() <= day and (not trade.exit_at or trade.exit_at.date() > day)
            for trade in self.trades
        )


def moment(day: date, seconds: int) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(seconds=seconds)


def random_source(name: str, random: Random, *, is_ai: bool = False) -> Source:
    length = random.choice([2, 5, 20, 60, 120, 250, 400])
    source = Source(name, LAST_DAY - (length - 1) * DAY, is_ai=is_ai)
    drift, spread = random.uniform(-300, 400), random.choice([50.0, 800.0, 4000.0])
    for _ in range(random.choice([1, 3, 10, 60])):
        day = source.first_day + random.randrange(length) * DAY
        entered = max(source.first_day, day - random.choice([0, 0, 0, 1, 5]) * DAY)
        # A cent at a time, so that trades without profit and equal profits occur.
        profit = Decimal(round(100 * random.gauss(drift, spread))) / 100
        source.trades.append(
            Trade(
                moment(entered, random.randrange(100, 40_000)),
                moment(day, random.randrange(40_000, 86_399)),
                Decimal(0) if random.random() < 0.1 else profit,
            )
        )
    if random.random() < 0.2:
        opened = source.first_day + random.randrange(length) * DAY
        source.trades.append(Trade(moment(opened, 500), None))
    return source


def with_profits(name: str, *profits: str | int, idle: int = 0) -> Source:
    """A source with a trade a day, the last of them ``idle`` days before the last day."""
    first = LAST_DAY - (len(profits) - 1 + idle) * DAY
    trades = [
        Trade(moment(first + n * DAY, 1000), moment(first + n * DAY, 2000), Decimal(profit))
        for n, profit in enumerate(profits)
    ]
    return Source(name, first, trades)


def compounding(rate: str, days: int) -> list[str]:
    equity, profits = CAPITAL, []
    for _ in range(days):
        profits.append((equity * Decimal(rate)).quantize(Decimal("1e-8")))
        equity += profits[-1]
    return [str(profit) for profit in profits]


def degenerate_sources() -> list[Source]:
    never = Source("no trades", LAST_DAY - 50 * DAY)
    return [
        never,
        Source("first seen on the last day", LAST_DAY),
        with_profits("one trade", 500, idle=40),
        with_profits("one day", 500),
        with_profits("two days", 500, -200),
        with_profits("three days", 500, -200, 100),
        with_profits("four days", 500, -200, 100, 50),
        with_profits("all wins", *range(10, 60)),
        with_profits("all losses", *range(-60, -10)),
        with_profits("all zeros", *[0] * 40),
        with_profits("constant returns", *compounding("0.01", 30)),
        with_profits("constant losses", *compounding("-0.01", 30)),
        with_profits("first-day loss", -5000, *range(10, 60)),
        with_profits("last-day loss", *range(10, 60), -5000),
        with_profits("first-day loss only", -5000, idle=20),
        with_profits("wins around a zero", 5, 5, 0, 5, 5, 5, -1, -1, 0, -1),
        with_profits("tenfold in a day", 900_000),
        with_profits("gain beyond a year", 900_000, -10, idle=1),
        with_profits("almost nothing left", -99_999, 1),
        with_profits("a dollar a day", 1, -1, 1, 2, idle=5),
    ]


RUINED = with_profits("ruined", 10, -150_000, 20, 100_000, 5)


def twins(random: Random, number: int) -> list[tuple[Source, Source]]:
    """Strategies that trade in two accounts of another currency, in the same symbol."""
    return [
        (
            replace(random_source(f"twin {n}", random), account="spot", currency="USDT"),
            replace(random_source(f"twin {n}", random), account="bot", currency="USDT"),
        )
        for n in range(number)
    ]


def together(one: Source, other: Source) -> Source:
    """Both accounts as one."""
    return replace(
        one,
        first_day=min(one.first_day, other.first_day),
        trades=[*one.trades, *other.trades],
        account="all",
        capital=one.capital + other.capital,
    )


@dataclass(frozen=True)
class Signal:
    model: str
    symbol: str
    signal_type: str
    confidence: float
    created_at: datetime
    expires_at: datetime | None = None
    stop_loss: Decimal | None = None
    take_profit: Decimal | None = None

    @property
    def valid_until(self) -> datetime:
        return self.expires_at or self.created_at + DAY

    @property
    def position(self) -> int:
        return {"BUY": 1, "HOLD": 0, "SELL": -1}[self.signal_type]


def random_bars(random: Random, hours: int, *, gaps: bool, tick: str) -> list[Bar]:
    """Hourly bars up to the end, on a grid of ``tick``: a coarse one makes ties with barriers."""
    bars = []
    price = 100.0
    for number in range(hours):
        opened_at = END - (hours - number) * HOUR
        start = price * math.exp(random.gauss(0, 0.004 if random.random() < 0.2 else 0.0))
        price = start * math.exp(random.gauss(0, 0.01))
        high = max(start, price) * math.exp(abs(random.gauss(0, 0.004)))
        low = min(start, price) * math.exp(-abs(random.gauss(0, 0.004)))
        o, h, low_, c = (
            (Decimal(value) / Decimal(tick)).quantize(Decimal(1)) * Decimal(tick)
            for value in (start, high, low, price)
        )
        # A night without trading now and then.
        if not (gaps and number % 24 < 7):
            bars.append(Bar(opened_at, opened_at + HOUR, o, h, low_, c))
    return bars


def barrier_signals(
    symbol: str, bars: Sequence[Bar], random: Random, number: int
) -> Iterator[Signal]:
    for _ in range(number):
        bar = random.choice(bars)
        at = bar.closed_at + random.choice([0, 0, 0, 1, 1799, -1]) * timedelta(seconds=1)
        if random.random() < 0.03:
            at = bars[0].opened_at - HOUR
        if random.random() < 0.05:
            at = END - random.randrange(3) * HOUR
        side = random.choice(["BUY", "SELL", "BUY", "SELL", "HOLD"])
        sign = -1 if side == "SELL" else 1
        # Wide, narrow, missing, and now and then on the wrong side of the price.
        below, above = (random.choice([-0.5, 0.5, 1, 2, 4, 9]) for _ in range(2))
        stop, take = bar.close - sign * Decimal(below), bar.close + sign * Decimal(above)
        if sign * (take - stop) <= 0:
            continue
        life = random.choice([None, timedelta(minutes=10), HOUR, 5 * HOUR, 40 * HOUR, 30 * DAY])
        yield Signal(
            "barriers",
            symbol,
            side,
            random.choice([0.0, 0.1, 0.3, 0.7, 0.1 + 0.2, 1.0, random.random()]),
            at,
            None if life is None else at + life,
            None if random.random() < 0.15 else stop,
            None if random.random() < 0.15 else take,
        )


def foresighted_signals(
    model: str, symbol: str, bars: Sequence[Bar], random: Random, *, every: int
) -> Iterator[Signal]:
    """Signals that know of the coming hours, the less the farther away they are."""
    for number in range(30, len(bars), every):
        closes = [float(bar.close) for bar in bars[number - 1 : number + 24]]
        view = random.gauss(0, 0.01)
        for at, end in zip((0, 4, 8, 12, 16, 20), HORIZONS, strict=True):
            if end < len(closes):
                view += 0.75 ** (at / 4) * math.log(closes[end] / closes[at])
        side = "HOLD" if abs(view) < 0.002 else "BUY" if view > 0 else "SELL"
        confidence = round(min(1.0, abs(view) * 10), 2)
        at_ = bars[number].opened_at
        yield Signal(model, symbol, side, confidence, at_, at_ + 24 * HOUR)


@dataclass
class World:
    """All that was written."""

    sources: list[Source]
    bars: dict[str, list[Bar]]
    signals: list[Signal]
    twins: list[tuple[Source, Source]]

    def of_model(self, model: str) -> list[tuple[int, Signal]]:
        return [(n, s) for n, s in enumerate(self.signals, 1) if s.model == model]


SKILLED = ("skilled", "skilled in one", "says one thing", "silent")


def make_world() -> World:
    random = Random(20260331)
    sources = [random_source(f"strategy {n}", random) for n in range(200)]
    sources += [random_source(f"model {n}", random, is_ai=True) for n in range(12)]
    sources += degenerate_sources()
    bars = {f"G{n}": random_bars(random, 400, gaps=n % 2 == 1, tick="0.5") for n in range(4)}
    signals = [
        signal for symbol in bars for signal in barrier_signals(symbol, bars[symbol], random, 500)
    ]
    for n in range(6):
        bars[f"F{n}"] = random_bars(random, 60 * 24, gaps=False, tick="0.0001")
        signals += foresighted_signals("skilled", f"F{n}", bars[f"F{n}"], random, every=7)
    signals += foresighted_signals("skilled in one", "F0", bars["F0"], random, every=5)
    signals += [
        Signal("says one thing", f"F{n}", "BUY", 0.5, bar.opened_at)
        for n in range(2)
        for bar in bars[f"F{n}"][5::50]
    ]
    return World(sources, bars, signals, twins(Random(20260401), 12))


def write(connection: psycopg.Connection[Any], world: World) -> None:
    """Write the world to a primary that has our tables."""
    models = [s.name for s in world.sources if s.is_ai] + ["barriers", *SKILLED]
    cursor = connection.cursor()
    cursor.executemany(
        "insert into ai_models (id, model_type, model_name, version, created_at)"
        " values (%s, 'sparse_spectrum', %s, '1', %s)",
        # Registered late, as by an import: models count from their first order or signal.
        [(number, name, END - HOUR) for number, name in enumerate(models, 1)],
    )
    ids = {name: number for number, name in enumerate(models, 1)}
    with cursor.copy(
        "copy market_bars (symbol, timeframe, opened_at, open, high, low, close, volume) from stdin"
    ) as copy:
        for symbol, bars in world.bars.items():
            for bar in bars:
                row = (bar.opened_at, bar.open, bar.high, bar.low, bar.close, 1)
                copy.write_row((symbol, "1h", *row))
            # Longer bars of the same symbol, which nothing may touch.
            copy.write_row((symbol, "1d", bars[0].opened_at, 100, 9999, 1, 100, 1))
    with cursor.copy(
        "copy ai_trading_signals (id, model_id, symbol, signal_type, confidence, created_at,"
        " expires_at, stop_loss, take_profit) from stdin"
    ) as copy:
        for number, s in enumerate(world.signals, 1):
            at = (s.created_at, s.expires_at, s.stop_loss, s.take_profit)
            copy.write_row((number, ids[s.model], s.symbol, s.signal_type, s.confidence, *at))
    cursor.execute(
        "insert into trading_stats (date, total_trades) values (%s, 0)",
        (LAST_DAY,),
    )
    of_twins = [source for pair in world.twins for source in pair]
    _write_orders(cursor, [*world.sources, RUINED, *of_twins], ids, len(world.signals))


def _write_orders(
    cursor: psycopg.Cursor[Any], sources: Sequence[Source], ids: dict[str, int], signals: int
) -> None:
    plans: list[tuple[Any, ...]] = []
    linked: list[tuple[Any, ...]] = []
    orders: list[tuple[Any, ...]] = []
    number = 1_000_000

    def order(
        source: Source, side: str, at: datetime, price: Decimal, *, is_filled: bool = True
    ) -> None:
        status = "FILLED" if is_filled else "CANCELLED"
        filled = (1, price, at) if is_filled else (None, None, None)
        keys = (number + len(orders), str(number + len(orders)), number + len(plans))
        of = (source.account, source.currency)
        orders.append((*keys, *of, side, price, status, at, *filled))

    def plan(source: Source, at: datetime) -> None:
        plans.append((number + len(plans) + 1, source.name, at))
        if source.is_ai:
            linked.append((signals + len(linked) + 1, ids[source.name], number + len(plans), at))

    for source in sources:
        plan(source, moment(source.first_day, 0))
        order(source, "BUY", moment(source.first_day, 0), PRICE, is_filled=False)
        for trade in source.trades:
            plan(source, trade.entry_at)
            order(source, "BUY", trade.entry_at, PRICE)
            if trade.exit_at:
                order(source, "SELL", trade.exit_at, PRICE + trade.profit)
    cursor.executemany(
        "insert into trade_plans (id, strategy, created_at, symbol, timeframe, direction,"
        " entry_price_target, stop_loss_price, take_profit_1_price, position_size)"
        " values (%s, %s, %s, 'T', '1h', 'LONG', 1, 1, 1, 1)",
        plans,
    )
    cursor.executemany(
        "insert into ai_trading_signals (id, model_id, trade_plan_id, created_at, symbol,"
        " signal_type, confidence) values (%s, %s, %s, %s, 'T', 'BUY', 0.5)",
        linked,
    )
    cursor.executemany(
        "insert into trading_orders (id, client_order_id, trade_plan_id, account, currency, side,"
        " price, status, created_at, filled_quantity, filled_price, filled_at, symbol, order_type,"
        " quantity, created_by)"
        " values (%s, %s, %s, %s, %s, %s::order_side, %s, %s, %s, %s, %s, %s, 'T', 'MARKET', 1,"
        " 'test')",
        orders,
    )
