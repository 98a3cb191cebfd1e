"""Random changes of a trading platform and its AI modules: rows that come, change, move and go.

Everything happens on a primary with its constraints, in hours of a few days, with few symbols, so
that rows meet.
"""

from __future__ import annotations

from collections.abc import Callable

import psycopg
from market_rows import (
    ACCOUNTS,
    CLAIMS,
    CURRENCIES,
    GENES,
    HOURS,
    KEYS,
    PATTERN_TYPES,
    SIDES,
    STAGES,
    STRATEGIES,
    SYMBOLS,
    TABLES,
    TIMEFRAMES,
    UNUSABLE,
    USABLE,
    ZEROS,
    RowsThatCome,
)
from psycopg import sql


class RandomMarket(RowsThatCome):
    """Makes random changes through a connection to a primary; ``random`` decides on all of them."""

    def change(self) -> None:
        """Make one change; rows that constraints protect, or another transaction locks, stay."""
        made = self.random.choices(tuple(_WEIGHTS), weights=tuple(_WEIGHTS.values()))[0]
        self._try(lambda: made(self))

    def _try(self, change: Callable[[], None]) -> None:
        try:
            with self.connection.transaction():
                change()
        except (
            psycopg.errors.IntegrityError,
            psycopg.errors.LockNotAvailable,
            psycopg.errors.DeadlockDetected,
        ):
            pass
        except psycopg.DatabaseError as error:
            if error.sqlstate != "SM012":  # a forecast in shadow becomes no plan
                raise

    def begin(self) -> None:
        """Enough rows for the first changes."""
        for _ in range(4):
            self.add_model()
        self.add_stage()
        # The last symbol is traded before it has bars.
        for symbol in SYMBOLS[:-1]:
            for hour in range(HOURS // 2):
                self._add_bar(symbol, hour, TIMEFRAMES[0])
        for add in (self.add_pattern, self.add_plan, self.add_signal, self.add_order):
            for _ in range(12):
                self._try(add)

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
                    {"stored_at": self._later(created_at, 2)},
                    {"metadata": self._choice(CLAIMS)},
                    {"take_profit": None},
                    # Refused where another signal has it: a key leaves one, and comes to another.
                    {"idempotency_key": None},
                    {"idempotency_key": self._choice(KEYS)},
                    {"idempotency_key": self._free_key()},
                    {"signal_type": "HOLD", "stop_loss": None, "take_profit": None},
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
                    {"tag": "dip", "exit_reason": "manual", "leverage": 2},
                    {"filled_price": self._price()},
                    {"filled_at": self._time()},
                    {"trade_plan_id": self._pick("trade_plans")},
                    {"trade_plan_id": None},
                    {"symbol": self._symbol()},
                    {"account": self._choice(ACCOUNTS)},
                    {"currency": self._choice(CURRENCIES)},
                    {"side": self.random.choice(SIDES)},
                    {"created_at": self._time()},
                    {"quantity": self.random.randrange(1, 6)},
                    {"client_order_id": self._order_name()},
                    {"client_order_id": self._order_name()},
                )
            ),
        )

    def change_another(self) -> None:
        table, values = self._choice(
            (
                ("ai_models", {"model_name": f"model {self.random.randrange(10**9)}"}),
                ("ai_models", {"is_active": False}),
                ("ai_models", {"created_at": self._time()}),
                ("ai_model_stages", {"stage": self._choice(STAGES)}),
                ("ai_model_stages", {"since": self._time()}),
                ("ai_model_stages", {"model_id": self._pick("ai_models")}),
                ("micro_patterns", {"signal": self.random.choice((*SIDES, "HOLD"))}),
                ("micro_patterns", {"pattern_type": self._choice(PATTERN_TYPES)}),
                ("micro_patterns", {"symbol": self._symbol()}),
                ("micro_patterns", {"created_at": self._time()}),
                ("trade_plans", {"strategy": self.random.choice(STRATEGIES)}),
                ("trade_plans", {"symbol": self._symbol()}),
                ("trade_plans", {"created_at": self._time()}),
                ("trade_plans", {"account": self._choice(ACCOUNTS)}),
                ("trading_stats", {"account": self._choice(ACCOUNTS)}),
                ("trading_stats", {"currency": self._choice(CURRENCIES)}),
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
                ("trading_orders", "account"),
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
        self._update(*self._choice(UNUSABLE))

    def mend(self) -> None:
        """Correct all faults of a row of a table."""
        table = self._choice(tuple(USABLE))
        self._update(table, {"created_at": self._time()} | USABLE[table])

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


_WEIGHTS: dict[Callable[[RandomMarket], None], int] = {
    RandomMarket.add_bar: 12,
    RandomMarket.add_bars: 2,
    RandomMarket.add_signal: 12,
    RandomMarket.add_order: 16,
    RandomMarket.add_pattern: 5,
    RandomMarket.add_plan: 3,
    RandomMarket.add_model: 1,
    RandomMarket.add_stage: 3,
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
