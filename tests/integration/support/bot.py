"""A bot's tables as freqtrade 2026.9 makes them, with rows as it writes them when trading live."""

from __future__ import annotations

from runner.servers.database import Connection

TABLES = """
create type tradingmode as enum ('SPOT', 'MARGIN', 'FUTURES');
create table trades (
    id serial primary key,
    exchange varchar not null default 'binance',
    pair varchar not null,
    base_currency varchar,
    stake_currency varchar default 'USDT',
    is_open boolean not null default false,
    fee_open double precision not null default 0.001,
    fee_close double precision not null default 0.001,
    open_rate double precision not null default 0,
    realized_profit double precision,
    close_profit_abs double precision,
    stake_amount double precision not null default 0,
    amount double precision not null default 0,
    open_date timestamp not null,
    close_date timestamp,
    stop_loss double precision,
    exit_reason varchar,
    strategy varchar default 'Sample',
    enter_tag varchar,
    trading_mode tradingmode default 'SPOT',
    leverage double precision default 1,
    is_short boolean not null default false,
    funding_fees double precision
);
create table orders (
    id serial primary key,
    ft_trade_id integer not null references trades (id),
    ft_order_side varchar not null,
    ft_pair varchar not null,
    ft_is_open boolean not null default false,
    order_id varchar not null default md5(random()::text),
    status varchar,
    symbol varchar,
    order_type varchar default 'limit',
    side varchar,
    price double precision,
    average double precision,
    amount double precision,
    filled double precision,
    remaining double precision,
    order_date timestamp,
    order_filled_date timestamp,
    order_update_date timestamp,
    funding_fee double precision,
    ft_fee_base double precision,
    ft_order_tag varchar
);
"""

# What each pair is for, and the net profit of its trade worked out by hand.
PROFITS = {
    "BTC/USDT": "97.9",  # 10 at 100, sold at 110: 100 - 1 - 1.1
    "ETH/USDT": "24.595",  # bought at 100 and 90, sold at 110 and 105: 25 - 0.405
    "SOL/USDT:USDT": "20.21",  # a short of 2 from 50 to 40: 20 - 0.09, and 0.3 of funding received
    "XRP/USDT": "-10.28",  # 5 at 20, stopped on the exchange at 18: -10 - 0.1 - 0.18
    "ADA/USDT": "97.8011",  # 1 at 1000, of which 0.001 was the fee; 0.999 at 1100
    "PEPE/USDT": "2",  # a thousand million at 0.000000406, sold at 0.000000408, without fees
}


def make(connection: Connection) -> None:
    """The tables, and a trade of each kind."""
    connection.execute(TABLES)
    connection.execute(
        """
        insert into trades
            (id, pair, is_open, fee_open, fee_close, open_date, close_date, close_profit_abs,
            exit_reason, enter_tag, is_short, leverage, trading_mode)
        values
        (1, 'BTC/USDT', false, 0.001, 0.001, '2026-01-05 10:00', '2026-01-06 10:00', 97.9,
            'roi', 'dip', false, 1, 'SPOT'),
        (2, 'ETH/USDT', false, 0.001, 0.001, '2026-01-05 11:00', '2026-01-06 12:00', 24.595,
            'exit_signal', 'dip', false, 1, 'SPOT'),
        (3, 'SOL/USDT:USDT', false, 0.0005, 0.0005, '2026-01-05 12:00', '2026-01-06 13:00', 20.21,
            'roi', 'fade', true, 3, 'FUTURES'),
        (4, 'XRP/USDT', false, 0.001, 0.002, '2026-01-05 13:00', '2026-01-06 14:00', -10.28,
            'stoploss_on_exchange', 'dip', false, 1, 'SPOT'),
        (5, 'LTC/USDT', true, 0.001, 0.001, '2026-01-06 15:00', null, null,
            null, '', false, 1, 'SPOT'),
        (6, 'ADA/USDT', false, 0.001, 0.001, '2026-01-05 16:00', '2026-01-06 17:00', 97.8011,
            'roi', null, false, 1, 'SPOT'),
        (7, 'PEPE/USDT', false, 0, 0, '2026-01-05 17:00', '2026-01-06 18:00', 2,
            'roi', 'dip', false, 1, 'SPOT')
        """
    )
    connection.execute(
        """
        insert into orders
            (id, ft_trade_id, ft_order_side, ft_pair, status, average, amount, filled, order_date,
            order_filled_date, order_update_date, funding_fee, ft_fee_base, ft_order_tag)
        values
        (1, 1, 'buy', 'BTC/USDT', 'closed', 100, 10, 10,
            '2026-01-05 10:00', '2026-01-05 10:01', null, null, null, null),
        (2, 1, 'sell', 'BTC/USDT', 'closed', 110, 10, 10,
            '2026-01-06 10:00', '2026-01-06 10:00', null, null, null, 'roi'),
        (3, 2, 'buy', 'ETH/USDT', 'closed', 100, 1, 1,
            '2026-01-05 11:00', '2026-01-05 11:00', null, 0, 0, null),
        (4, 2, 'buy', 'ETH/USDT', 'closed', 90, 1, 1,
            '2026-01-05 11:30', '2026-01-05 11:30', null, 0, 0, null),
        (5, 2, 'sell', 'ETH/USDT', 'closed', 110, 1, 1,
            '2026-01-06 11:00', '2026-01-06 11:00', null, 0, 0, 'partial_exit'),
        (6, 2, 'sell', 'ETH/USDT', 'closed', 105, 1, 1,
            '2026-01-06 12:00', '2026-01-06 12:00', null, 0, 0, null),
        (7, 3, 'sell', 'SOL/USDT:USDT', 'closed', 50, 2, 2,
            '2026-01-05 12:00', '2026-01-05 12:00', null, 0, null, null),
        (8, 3, 'buy', 'SOL/USDT:USDT', 'closed', 40, 2, 2,
            '2026-01-06 13:00', '2026-01-06 13:00', null, 0.3, null, null),
        (9, 4, 'buy', 'XRP/USDT', 'closed', 20, 5, 5,
            '2026-01-05 13:00', '2026-01-05 13:00', null, null, null, null),
        (10, 4, 'stoploss', 'XRP/USDT', 'closed', 18, 5, 5,
            '2026-01-05 13:01', '2026-01-06 14:00', null, null, null, null),
        (11, 5, 'buy', 'LTC/USDT', 'open', 50, 10, 3,
            '2026-01-06 15:00', null, '2026-01-06 15:05', null, null, null),
        (12, 5, 'buy', 'LTC/USDT', 'canceled', null, 10, 0,
            '2026-01-06 14:00', null, '2026-01-06 14:30', null, null, null),
        (13, 5, 'buy', 'LTC/USDT', 'expired', null, 10, null,
            '2026-01-06 13:00', null, '2026-01-06 13:30', null, null, null),
        (14, 5, 'buy', 'LTC/USDT', 'rejected', null, 10, 0,
            '2026-01-06 12:00', null, '2026-01-06 12:30', null, null, null),
        (15, 6, 'buy', 'ADA/USDT', 'closed', 1000, 1, 1,
            '2026-01-05 16:00', '2026-01-05 16:00', null, null, 0.001, null),
        (16, 6, 'sell', 'ADA/USDT', 'closed', 1100, 0.999, 0.999,
            '2026-01-06 17:00', '2026-01-06 17:00', null, null, null, null),
        (17, 7, 'buy', 'PEPE/USDT', 'closed', 0.000000406, 1e9, 1e9,
            '2026-01-05 17:00', '2026-01-05 17:00', null, null, null, null),
        (18, 7, 'sell', 'PEPE/USDT', 'closed', 0.000000408, 1e9, 1e9,
            '2026-01-06 18:00', '2026-01-06 18:00', null, null, null, null)
        """
    )
