"""Random rows of a platform and its AI modules: of few values and moments, so that they meet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from runner.servers.database import Connection

BEGIN = datetime(2025, 3, 1, tzinfo=UTC)
HOURS = 96
SYMBOLS = ("BTCUSD", "ETHUSD", "O'Neil; --", "NEWUSD")
TIMEFRAMES = ("1h", "1h", "1h", "4h", "30m", "1d")
SIDES = ("BUY", "SELL")
STAGES = ("champion", "champion", "shadow", "retired")
# Some are common and some are rare, so that a day may be the first or only day of a source.
STRATEGIES = ("breakout", "reversal") * 4 + ("carry", "grid", "gap", "all")
# Keys of signals, some of them alike; orders also carry others.
KEYS = (*(f"key {n}" for n in range(40)), "KEY 1", " key 2")
# Names of one account in several spellings; a currency that is rare has one account or several.
ACCOUNTS = (None, None, "spot", "spot", "bot ", "main", "")
CURRENCIES = (None, None, None, "USDT", "USDT", "BTC")
PATTERN_TYPES = ("engulfing", "pin bar") * 4 + ("doji", "harami")
# Equal values that are written in another way.
ZEROS = (0.0, -0.0)
# What a module says of its signal's prices, some of which lie in no bar.
CLAIMS = (
    *("{}",) * 4,
    '{"entry_price": 100}',
    '{"entry_price": "103.5", "exit_price": 96}',
    '{"outcome": "TAKE_PROFIT"}',
    '{"outcome": "STOP_LOSS", "exit_price": "none"}',
)
GENES = ("{}", '{"gene": 1.0}', '{"gene": 1.00}')
FAR_FUTURE = datetime(2199, 12, 31, tzinfo=UTC)
TABLES = (
    "ai_models",
    "ai_model_stages",
    "ai_trading_signals",
    "rl_training_episodes",
    "genetic_generations",
    "spectrum_analysis",
    "micro_patterns",
    "trade_plans",
    "trading_orders",
    "trading_stats",
)
UNUSABLE: tuple[tuple[str, dict[str, object]], ...] = (
    ("micro_patterns", {"symbol": " "}),
    ("micro_patterns", {"created_at": "1970-01-01Z"}),
    ("trade_plans", {"stop_loss_price": "NaN"}),
    ("trade_plans", {"created_at": "infinity"}),
    ("trading_orders", {"filled_price": "NaN"}),
    ("trading_orders", {"filled_quantity": 1, "filled_price": 0}),
    ("trading_orders", {"filled_at": "2125-06-01Z"}),
    ("trading_orders", {"symbol": "  "}),
    ("trading_orders", {"fee": "NaN"}),
    ("trading_orders", {"account": "all"}),
    ("trading_stats", {"currency": "x" * 65}),
    ("trading_stats", {"net_profit": "NaN"}),
)
USABLE: dict[str, dict[str, object]] = {
    "micro_patterns": {"symbol": "BTCUSD "},
    "trade_plans": {"stop_loss_price": 95},
    "trading_orders": {
        "symbol": "BTCUSD",
        "account": None,
        "filled_price": 101,
        "filled_at": None,
        "fee": None,
    },
}


class RowsThatCome:
    """Adds random rows through a connection to a primary; ``random`` decides on all of them."""

    def __init__(self, connection: Connection, random: Random) -> None:
        self.connection = connection
        self.random = random

    # --- rows that come ---------------------------------------------------------------------

    def add_model(self) -> None:
        kind = self.random.choice(
            ("reinforcement_learning", "genetic_optimization", "sparse_spectrum")
        )
        self._insert(
            "ai_models",
            model_type=kind,
            # Some are versions of one name, of which one is champion.
            model_name=f"model {self.random.choice((0, 1, self.random.randrange(10**9)))}",
            version=str(self.random.randrange(10**9)),
            created_at=self.random.choice((BEGIN, self._time())),
        )

    def add_stage(self) -> None:
        """Of a version, at any time."""
        self._insert(
            "ai_model_stages",
            model_id=self._pick("ai_models"),
            stage=self._choice(STAGES),
            since=self._time(),
            reason="a test",
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
            account=self._choice(ACCOUNTS),
            currency=self._choice(CURRENCIES),
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
            metadata=self.random.choice(CLAIMS),
            pattern_id=self._pick("micro_patterns") if self.random.random() < 0.7 else None,
            trade_plan_id=self._pick("trade_plans") if self.random.random() < 0.3 else None,
            idempotency_key=self._free_key() if self.random.random() < 0.7 else None,
            created_at=created_at,
            expires_at=self._expiry(created_at),
            imported_at=self._later(created_at, 72) if self.random.random() < 0.1 else None,
            stored_at=self._later(created_at, 2) if self.random.random() < 0.7 else None,
        )

    def add_order(self) -> None:
        quantity = self.random.randrange(1, 6)
        filled = self.random.choice((None, 0, quantity, quantity, quantity, quantity / 2))
        created_at = self._time()
        self._insert(
            "trading_orders",
            client_order_id=self._order_name(),
            trade_plan_id=self._pick("trade_plans") if self.random.random() < 0.5 else None,
            created_at=created_at,
            filled_at=self._later(created_at, 6) if filled else None,
            symbol=self._symbol(),
            account=self._choice(ACCOUNTS),
            currency=self._choice(CURRENCIES),
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
            account=self._choice(ACCOUNTS),
            currency=self._choice(CURRENCIES),
            net_profit=self.random.randrange(-50, 50),
            total_trades=3,
            winning_trades=2,
            losing_trades=1,
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

    def _free_key(self) -> str | None:
        """A key that no signal has, None where all are taken."""
        keys = self.connection.execute(
            "select key from unnest(%s::text[]) as key where not exists"
            " (select from ai_trading_signals where idempotency_key = key) order by key",
            (list(KEYS),),
        ).fetchall()
        return self.random.choice(keys)[0] if keys else None

    def _order_name(self) -> str:
        """A client order id: many begin with the key of a signal that there is, was, or will be."""
        key = self._choice(KEYS)
        if self.random.random() < 0.5:
            keys = self.connection.execute(
                "select idempotency_key from ai_trading_signals"
                " where idempotency_key is not null order by 1"
            ).fetchall()
            key = self.random.choice(keys)[0] if keys else key
        key = self._choice((key, key, key, f" {key}\t", "no key", ""))
        return f"{key}#{self.random.randrange(10**15)}"

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
