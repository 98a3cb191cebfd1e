"""Reads what the ensemble knew from the marts of the last build."""

from __future__ import annotations

from datetime import date

import numpy as np
import psycopg
from psycopg.rows import TupleRow

from runner.errors import UsageError
from runner.servers.database import Connection
from runner.tuning.ensemble import Past

_CLOSES = """
with series as (
    select
        symbol, timeframe, closed_at, close_price,
        (available_at at time zone 'UTC')::date as known_date,
        row_number() over by_time - 1 as place,
        count(*) over (partition by symbol, timeframe) as length,
        row_number() over (partition by symbol, timeframe order by closed_at) as number
    from staging.stg_ai__market_bars
    where close_price is not null and closed_at is not null
    window by_time as (order by symbol collate "C", timeframe collate "C", closed_at)
)

select
    series.place, series.place + series.length - series.number + 1, series.close_price::float8,
    series.known_date, bars.symbol, bars.decided_at, bars.decided_date
from series
left join intermediate.int_ensemble_bars as bars
    on
        series.symbol = bars.symbol
        and series.timeframe = bars.timeframe
        and series.closed_at = bars.decided_at
order by series.place
"""

# Later forecasts of an expert come later.
_FORECASTS = """
select
    forecasts.expert_number, forecasts.symbol, forecasts.probability_up,
    forecasts.first_bar_number, signals.expires_at
from intermediate.int_ensemble_forecasts as forecasts
left join staging.stg_ai__trading_signals as signals
    on forecasts.forecast_type = 'signal' and forecasts.forecast_id = signals.signal_id
order by
    forecasts.expert_number, forecasts.symbol, forecasts.available_at, forecasts.forecast_id
"""

_POOL = "select weight_date, expert_number, is_deciding from intermediate.int_ensemble_weights"


def read(replica: Connection) -> tuple[Past, date]:
    """What the ensemble knew, and the date of its first day.

    Raises UsageError before the first build, and where there is no close or no expert.
    """
    try:
        with replica.transaction():
            replica.execute("set transaction isolation level repeatable read read only")
            closes = replica.execute(_CLOSES).fetchall()
            forecasts = replica.execute(_FORECASTS).fetchall()
            pool = replica.execute(_POOL).fetchall()
    except (psycopg.errors.UndefinedTable, psycopg.errors.InvalidSchemaName) as error:
        raise UsageError("there are no marts to read yet: run signal-marts build") from error
    if not pool or not any(row[4] is not None for row in closes):
        raise UsageError("the ensemble has decided nothing yet: there is nothing to tune")
    return _past(closes, forecasts, pool)


def _past(
    series: list[TupleRow], forecasts: list[TupleRow], pool: list[TupleRow]
) -> tuple[Past, date]:
    closes = sorted((row for row in series if row[4] is not None), key=lambda row: (row[4], row[5]))
    symbols = sorted({row[4] for row in closes})
    number_of = {symbol: number for number, symbol in enumerate(symbols)}
    symbol = np.array([number_of[row[4]] for row in closes], dtype=np.int64)
    first_of = np.searchsorted(symbol, np.arange(len(symbols) + 1))
    moments = np.array([row[5].timestamp() for row in closes])

    experts = {number: place for place, number in enumerate(sorted({row[1] for row in pool}))}
    first = min(min(row[6] for row in closes), min(row[0] for row in pool))
    last = max(max(row[6] for row in closes), max(row[0] for row in pool))
    joined = np.zeros(((last - first).days + 1, len(experts)), dtype=np.bool_)
    decides = np.zeros_like(joined)
    for weight_date, expert, is_deciding in pool:
        place = (weight_date - first).days, experts[expert]
        joined[place], decides[place] = True, is_deciding

    said = [row for row in forecasts if row[0] in experts]
    begins = first_of[[number_of[row[1]] for row in said]]
    ends = first_of[[number_of[row[1]] + 1 for row in said]]
    first_close = begins + np.array([row[3] for row in said], dtype=np.int64) - 1
    expires = [
        int(end)
        if row[4] is None
        else int(begin + np.searchsorted(moments[begin:end], row[4].timestamp()))
        for row, begin, end in zip(said, begins, ends, strict=True)
    ]
    past = Past(
        symbol=symbol,
        day=np.array([(row[6] - first).days for row in closes], dtype=np.int64),
        price=np.array([row[2] for row in closes]),
        place=np.array([row[0] for row in closes], dtype=np.int64),
        series_price=np.array([row[2] for row in series]),
        series_day=np.array([(row[3] - first).days for row in series], dtype=np.int64),
        series_end=np.array([row[1] for row in series], dtype=np.int64),
        expert=np.array([experts[row[0]] for row in said], dtype=np.int64),
        probability=np.array([row[2] for row in said]),
        first_close=first_close,
        expires_close=np.array(expires, dtype=np.int64),
        joined=joined,
        decides=decides,
    )
    return past, first
