"""A stand-in for the trading platform's database, with weeks of trading from before the AI came."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from decimal import Decimal
from importlib import resources
from random import Random

from runner.client.records import Bar
from runner.demo import books, writer
from runner.demo.history import History
from runner.demo.journal import Journal
from runner.demo.market import ASSETS, STARTED_AT, synthetic_market
from runner.demo.orders import TICK, price_decimals
from runner.demo.traders import CAPITAL, Desk, flatten
from runner.servers.database import Connection

EARLIER_DAYS = 28
_SEED = 1

# Symbols traded earlier: more would only take longer.
_MOST_SYMBOLS = 5
_SIGNIFICANT_DIGITS = 6


def create_platform(
    connection: Connection,
    *,
    until: datetime = STARTED_AT,
    prices: Mapping[str, Decimal] | None = None,
    days: int = EARLIER_DAYS,
) -> None:
    """Create the platform's four tables and its trading of the ``days`` before ``until``.

    The account is flat at the end, so that no later trade depends on it; the same arguments give
    the same rows. The caller owns the transaction.

    Args:
        connection: a login that may create tables in ``public``.
        until: when the earlier trading ends (UTC), such as the opening of the first bar to replay.
        prices: symbols traded earlier (the first five by name), each with the price at which its
            market ended; those of :func:`first_prices`. By default, those of the demo's market.
        days: length of the earlier trading, in days of 24 hours; 0 for empty tables.

    Raises:
        psycopg.errors.DuplicateTable: a table of that name exists (or DuplicateObject: a type).
    """
    ddl = resources.files("runner.demo").joinpath("platform.sql").read_text("utf-8")
    connection.execute(ddl.encode())
    if days:
        # Whole UTC days: no day of statistics belongs both to this trading and to the replay.
        midnight = until.replace(hour=0, minute=0, second=0, microsecond=0)
        _trade_earlier(connection, _earlier_bars(prices, midnight, days), midnight)


def first_prices(bars: Iterable[Bar]) -> dict[str, Decimal]:
    """The opening price of each symbol's first bar; ``bars`` in order of time."""
    prices: dict[str, Decimal] = {}
    for bar in bars:
        prices.setdefault(bar.symbol, bar.open)
    return prices


def _earlier_bars(prices: Mapping[str, Decimal] | None, until: datetime, days: int) -> list[Bar]:
    """A made-up market whose symbols lead to ``prices``, in order of time."""
    if prices is None:
        prices = {asset.symbol: Decimal(repr(asset.first_price)) for asset in ASSETS}
    walks: dict[str, list[Bar]] = {}
    for bar in synthetic_market(_SEED, days, until - timedelta(days=days)):
        walks.setdefault(bar.symbol, []).append(bar)
    led = [
        bar
        for (symbol, price), walk in zip(
            sorted(prices.items())[:_MOST_SYMBOLS], walks.values(), strict=False
        )
        for bar in _leading_to(walk, symbol, price)
    ]
    # The last hour is left out, since a fill at midnight would belong to the next day.
    return sorted(
        (bar for bar in led if bar.closed_at < until), key=lambda bar: (bar.closed_at, bar.symbol)
    )


def _leading_to(walk: list[Bar], symbol: str, price: Decimal) -> list[Bar]:
    """The bars of ``walk`` under another name, scaled to end at ``price``."""
    factor = price / walk[-1].close
    tick = max(TICK, Decimal(1).scaleb(price.adjusted() + 1 - _SIGNIFICANT_DIGITS))

    def scaled(value: Decimal) -> Decimal:
        return max(tick, (value * factor).quantize(tick))

    return [
        replace(
            bar,
            symbol=symbol,
            open=scaled(bar.open),
            high=scaled(bar.high),
            low=scaled(bar.low),
            close=scaled(bar.close),
            volume=(bar.volume / factor).quantize(TICK),
        )
        for bar in walk
    ]


def _trade_earlier(connection: Connection, bars: list[Bar], until: datetime) -> None:
    random = Random(f"{_SEED} platform")  # noqa: S311 - a market, not a secret
    desk, history = Desk(price_decimals(bars), random), History()
    for bar in bars:
        history.append(bar)
        desk.on_close([bar], history)
    flatten(desk, bars)
    journal = Journal(connection)
    journal.write(desk.drain(), until)
    trades, _ = books.close_trades(journal.orders)
    opened = {bar.opened_at.date() for bar in bars}
    writer.write_stats(connection, books.daily_stats(trades, opened))
    writer.update_balances(connection, CAPITAL)
