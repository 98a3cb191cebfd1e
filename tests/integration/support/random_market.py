"""Random changes of a trading platform and its AI modules: rows that come, change, move and go.

Everything happens on a primary with its constraints, in hours of a few days, with few symbols, so
that rows meet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb

from runner.servers.database import Connection

BEGIN = datetime(2025, 3, 1, tzinfo=UTC)
HOURS = 96
SYMBOLS = ("BTCUSD", "ETHUSD", "O'Neil; --", "NEWUSD")
TIMEFRAMES = ("1h", "1h", "1h", "4h", "30m", "1d")
SIDES = ("BUY", "SELL")
# Some are common and some are rare, so that a day may be the first or only day of a source.
STRATEGIES = ("breakout", "reversal") * 4 + ("carry", "grid", "gap", "all")
PATTERN_TYPES = ("engulfing", "pin bar") * 4 + ("doji", "harami")
# Equal values that are written in another way.
ZEROS = (0.0, -0.0)
GENES = ("{}", '{"gene": 1.0}', '{"gene": 1.00}')
FAR_FUTURE = datetime(2199, 12, 31, tzinfo=UTC)
TABLES = (
    "ai_models",
    "ai_trading_signals",
    "rl_training_episodes",
    "genetic_generations",
    "spectrum_analysis",
    "micro_patterns",
    "trade_plans",
    "trading_orders",
    "trading_stats",
)


class RandomMarket:
    """Makes random changes through a connection to a primary; ``random`` decides on all of them."""

    def __init__(self, connection: Connection, random: Random) -> None:
        self.connection = connection
        self.random = random

    def change(self) -> None:
        """Make one change; rows that constraints protect, or another transaction locks, stay."""
        made = self.random.choices(tuple(_WEIGHTS), weights=tuple(_WEIGHTS.values()))[0]
        try:
            with self.connection.transaction():
                made(self)
        except (
            psycopg.errors.IntegrityError,
            psycopg.errors.LockNotAvailable,
            psycopg.errors.DeadlockDetected,
        ):
            pass

    def begin(self) -> None:
        """Enough rows for the first changes."""
        for _ in range(4):
            self.add_model()
        # The last symbol is traded before it has bars.
        for symbol in SYMBOLS[:-1]:
            for hour in range(HOURS // 2):
                self._add_bar(symbol, hour, TIMEFRAMES[0])
        for add in (self.add_pattern, self.add_plan, self.add_signal, self.add_order):
            for _ in range(12):
                add()

    # --- rows that come ---------------------------------------------------------------------

    def add_model(self) -> None:
        kind = self.random.choice(
            ("reinforcement_learning", "genetic_optimization", "sparse_spectrum")
        )
        self._insert(
            "ai_models",
            model_type=kind,
            model_name=f"model {self.random.randrange(10**9)}",
            version="1",
            created_at=self.random.choice((BEGIN, self._time())),
        )

    def add_bar(self) -> None:
        """A bar at the end, or a late one in a gap; of one symbol also in other timeframes."""
        symbol = self._symbol()
        timeframes = TIMEFRAMES if symbol == SYMBOLS[-1] else TIMEFRAMES[:1]
        self._add_bar(symbol, self.random.randrange(HOURS), self._choice(timeframes))

    def _add_bar(self, symbol: str, hour: int, timeframe: str) -> None:
        start = 100 + self.random.randrange(-20, 20)
        end = start + self.random.randrange(-5, 6)
        self.connection.execute(
            "insert into public.market_bars values (%s, %s, %s, %s, %s, %s, %s, %s)"
            " on conflict do nothing",
            (
                symbol,
                timeframe,
                BEGIN + timedelta(hours=hour),
                start,
                max(start, end) + self.random.randrange(4),
                min(start, end) - self.random.randrange(4),
                end,
                self.random.randrange(1000),
            ),
        )

    def add_bars(self) -> None:
        """A day of them."""
        symbol, day = self._symbol(), self.random.randrange(0, HOURS, 24)
        for hour in range(day, day + 24):
            self._add_bar(symbol, hour, TIMEFRAMES[0])

    def add_pattern(self) -> None:
        self._insert(
            "micro_patterns",
            symbol=self._symbol(),
            timeframe="1h",
            pattern_type=self.random.choice(PATTERN_TYPES),
            confidence=self.random.randrange(101) / 100,
            signal=self.random.choice((*SIDES, "HOLD")),
            created_at=self._time(),
        )

    def add_plan(self) -> None:
        self._insert(
            "trade_plans",
            strategy=self.random.choice(STRATEGIES),
            symbol=self._symbol(),
            entry_price_target=100,
            stop_loss_price=95,
            take_profit_1_price=110,
            created_at=self._time(),
        )

    def add_signal(self) -> None:
        side = self.random.choice((*SIDES, "HOLD"))
        is_barred = side != "HOLD" and self.random.random() < 0.8
        near, far = self.random.randrange(1, 8), self.random.randrange(1, 8)
        sign = 1 if side == "BUY" else -1
        created_at = self._time()
        self._insert(
            "ai_trading_signals",
            model_id=self._pick("ai_models"),
            symbol=self._symbol(),
            signal_type=side,
            confidence=self.random.randrange(101) / 100,
            stop_loss=100 - sign * near if is_barred else None,
            take_profit=100 + sign * far if is_barred else None,
            pattern_id=self._pick("micro_patterns") if self.random.random() < 0.7 else None,
            trade_plan_id=self._pick("trade_plans") if self.random.random() < 0.3 else None,
            created_at=created_at,
            expires_at=self._expiry(created_at),
            imported_at=self._later(created_at, 72) if self.random.random() < 0.1 else None,
        )

    def add_order(self) -> None:
        quantity = self.random.randrange(1, 6)
        filled = self.random.choice((None, 0, quantity, quantity, quantity, quantity / 2))
        created_at = self._time()
        self._insert(
            "trading_orders",
            client_order_id=str(self.random.randrange(10**15)),
            trade_plan_id=self._pick("trade_plans") if self.random.random() < 0.5 else None,
            created_at=created_at,
            filled_at=self._later(created_at, 6) if filled else None,
            symbol=self._symbol(),
            order_type="market",
            side=self.random.choice(SIDES),
            status=self.random.choice(("NEW", "PARTIALLY_FILLED", "FILLED", "CANCELLED")),
            price=self._price(),
            quantity=quantity,
            filled_price=self._price() if filled else None,
            filled_quantity=filled,
            fee=self.random.choice((None, 0, "0.1", "0.33333333")),
            created_by="test",
        )

    def add_training(self) -> None:
        model = self._pick("ai_models")
        number = self.random.randrange(40)
        kind = self.random.randrange(3)
        if kind == 0:
            self._insert(
                "rl_training_episodes",
                model_id=model,
                episode_number=number,
                total_reward=self.random.randrange(100) / 7,
                episode_length=10,
                sharpe_ratio=self.random.random(),
                created_at=self._time(),
            )
        elif kind == 1:
            self._insert(
                "genetic_generations",
                model_id=model,
                generation_number=number,
                best_fitness=self.random.random(),
                average_fitness=0.1,
                population_diversity=0.5,
                best_individual=self.random.choice(GENES),
                created_at=self._time(),
            )
        else:
            self._insert(
                "spectrum_analysis",
                model_id=model,
                symbol=self._symbol(),
                analysis_type="fourier",
                dominant_frequencies=Jsonb([{"frequency": 0.1, "power": 1}]),
                pattern_confidence=self.random.random(),
                anomaly_score=self.random.randrange(-5, 6),
                created_at=self._time(),
            )

    def add_statistics(self) -> None:
        self._insert(
            "trading_stats",
            date=self._time().date(),
            net_profit=self.random.randrange(-50, 50),
            total_trades=3,
            winning_trades=2,
            losing_trades=1,
        )

    # --- rows that change -------------------------------------------------------------------

    def change_signal(self) -> None:
        created_at = self._time()
        self._update(
            "ai_trading_signals",
            self._choice(
                (
                    {"confidence": self.random.randrange(101) / 100},
                    {"status": self.random.choice(("ACTIVE", "EXECUTED", "EXPIRED"))},
                    {"trade_plan_id": self._pick("trade_plans"), "status": "EXECUTED"},
                    {"pattern_id": self._pick("micro_patterns")},
                    {"symbol": self._symbol()},
                    {"model_id": self._pick("ai_models")},
                    {"created_at": created_at, "expires_at": self._expiry(created_at)},
                    {"imported_at": self._later(created_at, 72)},
                    {"take_profit": None},
                )
            ),
        )

    def change_order(self) -> None:
        self._update(
            "trading_orders",
            self._choice(
                (
                    {"filled_quantity": 1, "filled_price": 101, "filled_at": self._time()},
                    {"filled_quantity": None, "status": "CANCELLED"},
                    {"fee": "0.7"},
                    {"filled_price": self._price()},
                    {"filled_at": self._time()},
                    {"trade_plan_id": self._pick("trade_plans")},
                    {"trade_plan_id": None},
                    {"symbol": self._symbol()},
                    {"side": self.random.choice(SIDES)},
                    {"created_at": self._time()},
                    {"quantity": self.random.randrange(1, 6)},
                )
            ),
        )

    def change_another(self) -> None:
        table, values = self._choice(
            (
                ("ai_models", {"model_name": f"model {self.random.randrange(10**9)}"}),
                ("ai_models", {"is_active": False}),
                ("ai_models", {"created_at": self._time()}),
                ("micro_patterns", {"signal": self.random.choice((*SIDES, "HOLD"))}),
                ("micro_patterns", {"pattern_type": self._choice(PATTERN_TYPES)}),
                ("micro_patterns", {"symbol": self._symbol()}),
                ("micro_patterns", {"created_at": self._time()}),
                ("trade_plans", {"strategy": self.random.choice(STRATEGIES)}),
                ("trade_plans", {"symbol": self._symbol()}),
                ("trade_plans", {"created_at": self._time()}),
                ("trading_stats", {"net_profit": 7}),
                ("trading_stats", {"date": self._time().date()}),
                ("rl_training_episodes", {"total_reward": 3.5}),
                ("rl_training_episodes", {"sharpe_ratio": self._choice(ZEROS)}),
                ("rl_training_episodes", {"episode_number": self.random.randrange(40)}),
                ("rl_training_episodes", {"model_id": self._pick("ai_models")}),
                ("genetic_generations", {"best_fitness": self._choice((0.9, *ZEROS))}),
                ("genetic_generations", {"best_individual": self._choice(GENES)}),
                ("genetic_generations", {"generation_number": self.random.randrange(40)}),
                ("spectrum_analysis", {"anomaly_score": 4.5}),
                ("spectrum_analysis", {"model_id": self._pick("ai_models")}),
            )
        )
        self._update(table, values)

    def change_bar(self) -> None:
        bar = self._bar()
        if bar is not None:
            self.connection.execute(
                "update public.market_bars set high = high + 3, close = close + 1,"
                " open = least(open, high) where symbol = %s and opened_at = %s",
                bar,
            )

    def swap(self) -> None:
        """Two rows exchange a value: the number of rows with it stays."""
        table, column = self._choice(
            (
                ("ai_models", "created_at"),
                ("ai_trading_signals", "model_id"),
                ("ai_trading_signals", "created_at"),
                ("micro_patterns", "pattern_type"),
                ("micro_patterns", "created_at"),
                ("trade_plans", "strategy"),
                ("trading_orders", "filled_at"),
                ("trading_orders", "trade_plan_id"),
            )
        )
        self.connection.execute(
            sql.SQL(
                "update {table} as one set {column} = other.{column} from {table} as other"
                " where one.id = any(%(ids)s) and other.id = any(%(ids)s) and one.id <> other.id"
            ).format(table=sql.Identifier("public", table), column=sql.Identifier(column)),
            {"ids": [self._pick(table), self._pick(table)]},
        )

    # --- rows that cannot be used -----------------------------------------------------------

    def spoil(self) -> None:
        """A value that no mart may hold."""
        self._update(*self._choice(_UNUSABLE))

    def mend(self) -> None:
        """Correct all faults of a row of a table."""
        table = self._choice(tuple(_USABLE))
        self._update(table, {"created_at": self._time()} | _USABLE[table])

    # --- rows that move and go --------------------------------------------------------------

    def change_key(self) -> None:
        table = self.random.choice(
            ("ai_trading_signals", "trading_orders", "spectrum_analysis", "micro_patterns")
        )
        self._update(table, {"id": 10**6 + self.random.randrange(10**6)})

    def move_bar(self) -> None:
        bar = self._bar()
        if bar is not None:
            self.connection.execute(
                "update public.market_bars set opened_at = %s where symbol = %s and opened_at = %s",
                (self._time().replace(minute=0), *bar),
            )

    def delete(self) -> None:
        table = self.random.choice(TABLES)
        self.connection.execute(
            sql.SQL("delete from {} where id = %s").format(sql.Identifier("public", table)),
            (self._pick(table),),
        )

    def delete_bar(self) -> None:
        bar = self._bar()
        if bar is not None:
            self.connection.execute(
                "delete from public.market_bars where symbol = %s and opened_at = %s", bar
            )

    def delete_bars(self) -> None:
        """All of a symbol."""
        self.connection.execute(
            "delete from public.market_bars where symbol = %s", (self._symbol(),)
        )

    # --- what the changes are made of -------------------------------------------------------

    def _choice(self, choices: Sequence[Any]) -> Any:
        return self.random.choice(choices)

    def _symbol(self) -> str:
        return self.random.choice(SYMBOLS)

    def _time(self) -> datetime:
        """A time that others have as well, more often than not."""
        minutes = self.random.choice((0, 0, 0, 1, 30))
        return BEGIN + timedelta(hours=self.random.randrange(HOURS), minutes=minutes)

    def _later(self, than: datetime, hours: int) -> datetime | None:
        return self.random.choice((None, than + timedelta(hours=self.random.randrange(1, hours))))

    def _expiry(self, created_at: datetime) -> datetime | None:
        if self.random.random() < 0.05:
            return FAR_FUTURE
        return self._later(created_at, 48)

    def _price(self) -> int:
        return 100 + self.random.randrange(-10, 10)

    def _pick(self, table: str) -> Any:
        """The id of some row, None where there is none."""
        ids = self.connection.execute(
            sql.SQL("select id from {} order by id").format(sql.Identifier("public", table))
        ).fetchall()
        return self.random.choice(ids)[0] if ids else None

    def _bar(self) -> tuple[str, str] | None:
        """Symbol and time of some bar; as text, since infinity is a time as well."""
        bars = self.connection.execute(
            "select symbol, opened_at::text from public.market_bars"
            " order by symbol, market_bars.opened_at"
        ).fetchall()
        return self.random.choice(bars) if bars else None

    def _insert(self, table: str, **values: object) -> None:
        self.connection.execute(
            sql.SQL("insert into {} ({}) values ({})").format(
                sql.Identifier("public", table),
                sql.SQL(", ").join(map(sql.Identifier, values)),
                sql.SQL(", ").join([sql.Placeholder()] * len(values)),
            ),
            tuple(values.values()),
        )

    def _update(self, table: str, values: Mapping[str, object]) -> None:
        self.connection.execute(
            sql.SQL("update {} set {} where id = %s").format(
                sql.Identifier("public", table),
                sql.SQL(", ").join(
                    sql.SQL("{} = %s").format(sql.Identifier(name)) for name in values
                ),
            ),
            (*values.values(), self._pick(table)),
        )


_UNUSABLE: tuple[tuple[str, dict[str, object]], ...] = (
    ("micro_patterns", {"symbol": " "}),
    ("micro_patterns", {"created_at": "1970-01-01Z"}),
    ("trade_plans", {"stop_loss_price": "NaN"}),
    ("trade_plans", {"created_at": "infinity"}),
    ("trading_orders", {"filled_price": "NaN"}),
    ("trading_orders", {"filled_quantity": 1, "filled_price": 0}),
    ("trading_orders", {"filled_at": "2125-06-01Z"}),
    ("trading_orders", {"symbol": "  "}),
    ("trading_orders", {"fee": "NaN"}),
    ("trading_stats", {"net_profit": "NaN"}),
)
_USABLE: dict[str, dict[str, object]] = {
    "micro_patterns": {"symbol": "BTCUSD "},
    "trade_plans": {"stop_loss_price": 95},
    "trading_orders": {"symbol": "BTCUSD", "filled_price": 101, "filled_at": None, "fee": None},
}

_WEIGHTS: dict[Callable[[RandomMarket], None], int] = {
    RandomMarket.add_bar: 12,
    RandomMarket.add_bars: 2,
    RandomMarket.add_signal: 12,
    RandomMarket.add_order: 16,
    RandomMarket.add_pattern: 5,
    RandomMarket.add_plan: 3,
    RandomMarket.add_model: 1,
    RandomMarket.add_training: 6,
    RandomMarket.add_statistics: 2,
    RandomMarket.change_signal: 10,
    RandomMarket.change_order: 14,
    RandomMarket.change_another: 8,
    RandomMarket.change_bar: 4,
    RandomMarket.swap: 8,
    RandomMarket.spoil: 4,
    RandomMarket.mend: 4,
    RandomMarket.change_key: 4,
    RandomMarket.move_bar: 2,
    RandomMarket.delete: 6,
    RandomMarket.delete_bar: 2,
    RandomMarket.delete_bars: 1,
}
