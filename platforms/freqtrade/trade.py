"""Trades that freqtrade makes itself: its tables, and rows through its own models.

It runs in the bot's environment. The first argument is the database's URL, the second a seed. What
the bot says of each closed trade is written to stdout as JSON: id, pair and profit.
"""

from __future__ import annotations

import json
import random
import sys
from datetime import UTC, datetime, timedelta

from freqtrade.enums import TradingMode
from freqtrade.persistence import Order, Trade, init_db

PAIRS = (("BTC/USDT", 60_000.0), ("ETH/USDT", 3_000.0), ("PEPE/USDT", 0.0000085))
START = datetime(2026, 1, 1, tzinfo=UTC)


def order(
    trade: Trade,
    side: str,
    at: datetime,
    price: float,
    amount: float,
    *,
    filled: float,
    status: str = "closed",
) -> Order:
    made = Order(
        ft_trade_id=trade.id,
        ft_order_side=side,
        ft_pair=trade.pair,
        ft_is_open=status == "open",
        ft_amount=amount,
        ft_price=price,
        order_id=f"{trade.id}-{len(trade.orders)}",
        status=status,
        symbol=trade.pair,
        order_type="limit",
        side="sell" if side == "stoploss" else side,
        price=price,
        average=price if filled else None,
        amount=amount,
        filled=filled,
        remaining=amount - filled,
        cost=price * filled,
        order_date=at,
        order_filled_date=at if filled else None,
    )
    trade.orders.append(made)
    return made


def live(chance: random.Random, number: int) -> None:
    pair, around = PAIRS[number % len(PAIRS)]
    is_future = chance.random() < 0.3
    is_short = is_future and chance.random() < 0.5
    at = START + timedelta(hours=3 * number)
    price = around * chance.uniform(0.9, 1.1)
    amount = 100.0 / price
    trade = Trade(
        pair=f"{pair}:USDT" if is_future else pair,
        base_currency=pair.split("/")[0],
        stake_currency="USDT",
        exchange="binance",
        is_open=True,
        is_short=is_short,
        leverage=chance.choice([2.0, 5.0]) if is_future else 1.0,
        trading_mode=TradingMode.FUTURES if is_future else TradingMode.SPOT,
        fee_open=0.001,
        fee_close=chance.choice([0.001, 0.0006]),
        open_rate=price,
        amount=amount,
        stake_amount=100.0,
        open_date=at,
        strategy=chance.choice(["Fast", "Slow"]),
        enter_tag=chance.choice(["dip", "breakout", None]),
        amount_precision=8,
        price_precision=12,
        precision_mode=2,
        precision_mode_price=2,
        contract_size=1.0,
    )
    Trade.session.add(trade)
    Trade.session.flush()
    entry, out = trade.entry_side, trade.exit_side
    if chance.random() < 0.3:
        order(trade, entry, at, price, amount, filled=0.0, status="canceled")
    trade.update_trade(order(trade, entry, at, price, amount, filled=amount))
    held = amount
    if chance.random() < 0.3:  # bought more of it, as it fell
        more = order(trade, entry, at + timedelta(hours=1), 0.97 * price, amount, filled=amount)
        trade.update_trade(more)
        held += amount
    if chance.random() < 0.15:
        order(trade, out, at + timedelta(hours=2), price, held, filled=0.0, status="open")
        Trade.commit()
        return
    if is_future:
        trade.funding_fee_running = chance.uniform(-0.1, 0.1)
    end = price * chance.uniform(0.9, 1.15)
    if chance.random() < 0.3:
        part = order(trade, out, at + timedelta(hours=2), end, held / 2, filled=held / 2)
        trade.update_trade(part)
        held -= held / 2
    side = "stoploss" if chance.random() < 0.2 else out
    trade.exit_reason = "stop_loss" if side == "stoploss" else "roi"
    trade.close_date = at + timedelta(hours=3)
    trade.update_trade(order(trade, side, at + timedelta(hours=3), 1.01 * end, held, filled=held))


def main() -> None:
    url, seed = sys.argv[1:]
    init_db(url)
    chance = random.Random(int(seed))  # noqa: S311 - not for secrets
    for number in range(90):
        live(chance, number)
    Trade.commit()
    closed = Trade.get_trades([Trade.is_open.is_(False)]).all()
    told = [{"id": t.id, "pair": t.pair, "profit": t.realized_profit} for t in closed]
    sys.stdout.write(json.dumps(told))


if __name__ == "__main__":
    main()
