"""The platform's rows of the demo on the primary; AI modules write through runner.client.

The caller owns the transaction. Rows are copied in bulk with ids drawn from the tables' own
sequences, so that the platform can go on inserting afterwards.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import Any

from psycopg.types.json import Jsonb

from runner.client.operation import copy_into
from runner.client.records import PlatformKey
from runner.demo.books import DayStats
from runner.demo.orders import Order, Plan
from runner.demo.patterns import Pattern
from runner.servers.database import Connection


@contextmanager
def by_the_markets_clock(connection: Connection) -> Iterator[None]:
    """Meanwhile the primary does not note by its own clock when a signal is stored."""
    change = "alter table public.ai_trading_signals alter column stored_at "
    with connection.transaction():
        connection.execute(change + "drop default")
    try:
        yield
    finally:
        with connection.transaction():
            connection.execute(change + "set default clock_timestamp()")


def store_at_their_time(connection: Connection, signal_ids: Sequence[int]) -> None:
    """Note of signals that they were stored as soon as they were made."""
    connection.execute(
        "update public.ai_trading_signals set stored_at = created_at"
        " where id = any(%s) and stored_at is null",
        (list(signal_ids),),
    )


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
            _direction(plan),
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


def take_up_plans(connection: Connection, plans: Mapping[PlatformKey, Plan]) -> None:
    """Size plans (by id) that were made from signals, at the market as the engine finds it.

    A plan from a signal has the signal's prices, and enters where the model expects the price to
    go; the strategy engine enters at the market, and quotes in the symbol's ticks.
    """
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            update public.trade_plans
            set
                timeframe = %s,
                direction = %s,
                entry_price_target = %s,
                stop_loss_price = %s,
                take_profit_1_price = %s,
                position_size = %s,
                max_holding_bars = %s
            where id = %s
            """,
            [
                (
                    plan.timeframe,
                    _direction(plan),
                    plan.entry_price,
                    plan.stop_loss,
                    plan.take_profit,
                    plan.quantity,
                    plan.hold_bars,
                    id_,
                )
                for id_, plan in plans.items()
            ],
        )


def write_orders(
    connection: Connection,
    orders: Sequence[Order],
    plan_ids: Mapping[Plan, PlatformKey],
    signal_keys: Mapping[Plan, str],
) -> list[int]:
    """Insert orders as they are now; return their ids, in order.

    ``signal_keys`` are the keys of the signals that plans were made from.
    """
    columns = (
        "trade_plan_id", "symbol", "order_type", "side", "status", "tag", "exit_reason", "price",
        "quantity", "filled_price", "filled_quantity", "fee", "filled_at", "created_by",
        "created_at",
    )  # fmt: skip
    rows = [
        (
            plan_ids[order.plan] if order.plan is not None else None,
            order.symbol,
            order.kind,
            order.side,
            order.status,
            _tag(order),
            None if order.reason == "entry" else order.reason,
            order.price,
            order.quantity,
            *_execution(order),
            "trader" if order.plan is None else "strategy-engine",
            order.created_at,
        )
        for order in orders
    ]
    # The platform names an order by its id, as its exchange does; and by the signal it enters on.
    ids = _reserve(connection, "trading_orders", len(rows))
    named = (
        (id_, f"{_signal_key(order, signal_keys)}#{id_}", f"X{id_:010d}", *row)
        for id_, order, row in zip(ids, orders, rows, strict=True)
    )
    names = ("id", "client_order_id", "exchange_order_id", *columns)
    _copy(connection, "trading_orders", names, named)
    return ids


def update_orders(connection: Connection, orders: Mapping[int, Order]) -> None:
    """Update orders (by id) to their present state."""
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


def write_stats(connection: Connection, days: Sequence[DayStats]) -> None:
    """Add days to trading_stats; a stored day is increased by the new figures."""
    with connection.cursor() as cursor:
        cursor.executemany(
            """
            insert into public.trading_stats as stats (
                date, net_profit, total_trades, winning_trades, losing_trades, financing_fee,
                updated_at
            )
            values (
                %(date)s, %(net_profit)s, %(total_trades)s, %(winning_trades)s, %(losing_trades)s,
                %(financing_fee)s, %(date)s::date + interval '1 day'
            )
            on conflict (date, account, currency) do update
            set
                net_profit = stats.net_profit + excluded.net_profit,
                total_trades = stats.total_trades + excluded.total_trades,
                winning_trades = stats.winning_trades + excluded.winning_trades,
                losing_trades = stats.losing_trades + excluded.losing_trades,
                financing_fee = stats.financing_fee + excluded.financing_fee
            """,
            [asdict(day) for day in days],
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


def _direction(plan: Plan) -> str:
    return "LONG" if plan.side == "BUY" else "SHORT"


def _signal_key(order: Order, signal_keys: Mapping[Plan, str]) -> str:
    """The key of the signal that an order enters on, SM for any other order."""
    if order.plan is None or order.reason != "entry":
        return "SM"
    return signal_keys.get(order.plan, "SM")


def _tag(order: Order) -> str | None:
    """What an entry was made from: the type of a pattern, or a signal."""
    if order.plan is None or order.reason != "entry":
        return None
    tag: str | None = order.plan.details.get("pattern_type") or order.plan.details.get("source")
    return tag


def _execution(order: Order) -> tuple[Any, Any, Any, datetime | None]:
    """Price, quantity, fee and time of the fills: all null before the first fill."""
    if not order.filled_quantity:
        return None, None, None, None
    return order.filled_price, order.filled_quantity, order.fee, order.filled_at


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
    with connection.cursor() as cursor, cursor.copy(copy_into(table, columns)) as copy:
        for row in rows:
            copy.write_row(row)
