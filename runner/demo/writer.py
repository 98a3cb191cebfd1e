"""Everything that the demo writes to the primary, and nothing but the writing.

The caller owns the transaction. Rows are copied in bulk with ids drawn from the tables' own
sequences, so that the platform and the AI modules can go on inserting afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg import sql
from psycopg.types.json import Jsonb

from runner.database import Connection
from runner.demo.books import DayStats
from runner.demo.execution import Order, Plan
from runner.demo.patterns import Pattern
from runner.records import Bar, Episode, Generation, Model, Signal, SpectrumResult


def write_bars(connection: Connection, bars: Iterable[Bar]) -> None:
    """Append closed bars to market_bars."""
    columns = ("symbol", "timeframe", "opened_at", "open", "high", "low", "close", "volume")
    _copy(
        connection,
        "market_bars",
        columns,
        ([getattr(bar, column) for column in columns] for bar in bars),
    )


def register_model(connection: Connection, model: Model, at: datetime) -> int:
    """Id of a model version, which is registered at ``at`` unless it was before."""
    row = connection.execute(
        """
        insert into public.ai_models (
            model_type, model_name, version, config, created_at, updated_at
        )
        values (%s, %s, %s, %s, %s, %s)
        on conflict (model_name, version) do update set is_active = true
        returning id
        """,
        (model.model_type, model.model_name, model.version, Jsonb(dict(model.config)), at, at),
    ).fetchone()
    if row is None:
        raise LookupError(f"{model.model_name} {model.version} was not registered")
    return int(row[0])


def next_training_number(connection: Connection, model_id: int) -> int:
    """The number after the model's last episode or generation; 1 for a new model."""
    row = connection.execute(
        """
        select greatest(
            (select max(episode_number) from public.rl_training_episodes where model_id = %(id)s),
            (select max(generation_number) from public.genetic_generations where model_id = %(id)s)
        )
        """,
        {"id": model_id},
    ).fetchone()
    return 1 + (row[0] if row and row[0] is not None else 0)


def write_patterns(connection: Connection, patterns: Sequence[Pattern]) -> list[int]:
    """Insert micro patterns; return their ids, in order."""
    columns = (
        "symbol", "timeframe", "pattern_type", "signal", "confidence", "strength", "created_at",
    )  # fmt: skip
    return _insert(
        connection,
        "micro_patterns",
        columns,
        [[getattr(pattern, column) for column in columns] for pattern in patterns],
    )


def write_plans(connection: Connection, plans: Sequence[Plan]) -> list[int]:
    """Insert trade plans; return their ids, in order."""
    columns = (
        "symbol", "timeframe", "strategy", "direction", "entry_price_target", "stop_loss_price",
        "take_profit_1_price", "position_size", "max_holding_bars", "signal_details", "created_at",
    )  # fmt: skip
    rows = [
        (
            plan.symbol,
            plan.timeframe,
            plan.strategy,
            "LONG" if plan.side == "BUY" else "SHORT",
            plan.entry_price,
            plan.stop_loss,
            plan.take_profit,
            plan.quantity,
            plan.hold_bars,
            Jsonb(dict(plan.details)),
            plan.created_at,
        )
        for plan in plans
    ]
    return _insert(connection, "trade_plans", columns, rows)


def write_orders(
    connection: Connection, orders: Sequence[Order], plan_ids: Mapping[Plan, int]
) -> list[int]:
    """Insert orders as they are now; return their ids, in order."""
    columns = (
        "trade_plan_id", "symbol", "order_type", "side", "status", "reason", "price", "quantity",
        "filled_price", "filled_quantity", "fee", "filled_at", "created_by", "created_at",
    )  # fmt: skip
    rows = [
        (
            plan_ids[order.plan] if order.plan is not None else None,
            order.symbol,
            order.kind,
            order.side,
            order.status,
            order.reason,
            order.price,
            order.quantity,
            *_execution(order),
            "trader" if order.plan is None else "strategy-engine",
            order.created_at,
        )
        for order in orders
    ]
    # The platform names an order by its id, as its exchange does.
    ids = _reserve(connection, "trading_orders", len(rows))
    named = ((id_, f"SM-{id_}", f"X{id_:010d}", *row) for id_, row in zip(ids, rows, strict=True))
    names = ("id", "client_order_id", "exchange_order_id", *columns)
    _copy(connection, "trading_orders", names, named)
    return ids


def update_orders(connection: Connection, orders: Mapping[int, Order]) -> None:
    """Bring orders (by id) to what they are now."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            update public.trading_orders
            set
                filled_price = %s,
                filled_quantity = %s,
                fee = %s,
                filled_at = %s,
                status = %s
            where id = %s
            """,
            [(*_execution(order), order.status, id_) for id_, order in orders.items()],
        )


def write_signals(
    connection: Connection,
    signals: Sequence[tuple[int, str, Signal, int | None, int | None]],
) -> list[int]:
    """Insert signals, each with model id, idempotency key, pattern id and plan id; return ids.

    A signal with a plan is EXECUTED, any other ACTIVE.
    """
    columns = (
        "model_id", "idempotency_key", "symbol", "signal_type", "confidence", "price_target",
        "stop_loss", "take_profit", "metadata", "pattern_id", "trade_plan_id", "status",
        "expires_at", "created_at", "updated_at",
    )  # fmt: skip
    rows = [
        (
            model_id,
            key,
            signal.symbol,
            signal.signal_type,
            signal.confidence,
            signal.price_target,
            signal.stop_loss,
            signal.take_profit,
            Jsonb(dict(signal.metadata)),
            pattern_id,
            plan_id,
            "ACTIVE" if plan_id is None else "EXECUTED",
            signal.expires_at,
            signal.created_at,
            signal.created_at,
        )
        for model_id, key, signal, pattern_id, plan_id in signals
    ]
    return _insert(connection, "ai_trading_signals", columns, rows)


def expire_signals(connection: Connection, model_ids: Sequence[int], at: datetime) -> int:
    """Mark the models' active signals that are past their time at ``at``; return how many.

    A signal without ``expires_at`` is active until something is done about it.
    """
    return connection.execute(
        """
        update public.ai_trading_signals
        set status = 'EXPIRED'
        where model_id = any(%s) and status = 'ACTIVE' and expires_at <= %s
        """,
        (list(model_ids), at),
    ).rowcount


def write_episodes(connection: Connection, model_id: int, episodes: Iterable[Episode]) -> None:
    """Insert a model's training episodes."""
    columns = (
        "episode_number", "total_reward", "episode_length", "average_loss", "portfolio_value",
        "sharpe_ratio", "training_data", "created_at",
    )  # fmt: skip
    _copy_records(connection, "rl_training_episodes", columns, model_id, episodes)


def write_generations(
    connection: Connection, model_id: int, generations: Iterable[Generation]
) -> None:
    """Insert a model's generations."""
    columns = (
        "generation_number", "best_fitness", "average_fitness", "population_diversity",
        "best_individual", "created_at",
    )  # fmt: skip
    _copy_records(connection, "genetic_generations", columns, model_id, generations)


def write_spectrum(
    connection: Connection, model_id: int, results: Iterable[SpectrumResult]
) -> None:
    """Insert a model's spectral analyses."""
    columns = (
        "symbol", "analysis_type", "dominant_frequencies", "pattern_confidence", "anomaly_score",
        "analysis_data", "created_at",
    )  # fmt: skip
    _copy_records(connection, "spectrum_analysis", columns, model_id, results)


def write_stats(connection: Connection, days: Sequence[DayStats]) -> None:
    """Add days to trading_stats; a day that is there already gains what is new."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into public.trading_stats as stats (
                date, net_profit, total_trades, winning_trades, losing_trades, financing_fee,
                updated_at
            )
            values (%s, %s, %s, %s, %s, %s, %s::date + interval '1 day')
            on conflict (date) do update
            set
                net_profit = stats.net_profit + excluded.net_profit,
                total_trades = stats.total_trades + excluded.total_trades,
                winning_trades = stats.winning_trades + excluded.winning_trades,
                losing_trades = stats.losing_trades + excluded.losing_trades,
                financing_fee = stats.financing_fee + excluded.financing_fee
            """,
            [
                (
                    day.date,
                    day.net_profit,
                    day.total_trades,
                    day.winning_trades,
                    day.losing_trades,
                    day.financing_fee,
                    day.date,
                )
                for day in days
            ],
        )


def update_balances(connection: Connection, capital: Decimal) -> None:
    """Set each day's closing balance: the capital and all profits up to that day."""
    connection.execute(
        """
        update public.trading_stats
        set balance = totals.balance
        from (
            select
                id,
                %s::numeric + sum(net_profit) over (order by date) as balance
            from public.trading_stats
        ) as totals
        where
            trading_stats.id = totals.id
            and trading_stats.balance is distinct from totals.balance
        """,
        (capital,),
    )


def _execution(order: Order) -> tuple[Any, Any, Any, datetime | None]:
    """Price, quantity, fee and time of what was filled: all null before the first fill."""
    if not order.filled_quantity:
        return None, None, None, None
    return order.filled_price, order.filled_quantity, order.fee, order.filled_at


def _copy_records(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    model_id: int,
    records: Iterable[Episode | Generation | SpectrumResult],
) -> None:
    rows = (
        (model_id, *(_as_json(getattr(record, column)) for column in columns)) for record in records
    )
    _copy(connection, table, ("model_id", *columns), rows)


def _as_json(value: object) -> object:
    if isinstance(value, Mapping):
        return Jsonb(dict(value))
    if isinstance(value, tuple):
        return Jsonb([dict(item) for item in value])
    return value


def _insert(
    connection: Connection, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]
) -> list[int]:
    ids = _reserve(connection, table, len(rows))
    numbered = ((id_, *row) for id_, row in zip(ids, rows, strict=True))
    _copy(connection, table, ("id", *columns), numbered)
    return ids


def _reserve(connection: Connection, table: str, count: int) -> list[int]:
    """Draw ``count`` ids from the sequence of ``table``, in order."""
    rows = connection.execute(
        """
        select nextval(sequence.name)
        from (select pg_get_serial_sequence(%s, 'id')::regclass as name) as sequence
        cross join generate_series(1, %s)
        """,
        (f"public.{table}", count),
    )
    return sorted(id_ for (id_,) in rows)


def _copy(
    connection: Connection, table: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]
) -> None:
    statement = sql.SQL("copy {} ({}) from stdin").format(
        sql.Identifier("public", table), sql.SQL(", ").join(map(sql.Identifier, columns))
    )
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
