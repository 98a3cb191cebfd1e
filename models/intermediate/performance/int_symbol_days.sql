-- Grain: a symbol and a UTC day on which a bar of its own timeframe closed. Times are
-- UTC.

{# The midnight at which a day ends is its last moment, not the first of the next. #}
{% set closed_on = utc_date("(closed_at - interval '1 microsecond')") %}

{{ config(
    unique_key=['symbol', 'trading_date'],
    meta={'follows': {'int_bars_numbered': 'symbol, ' ~ closed_on}}
) }}

with last_bars as (

    {% if is_from_changes() %}
        -- The last bar that closed by the end of the day, if it closed on the day.
        select
            affected.symbol,
            affected.trading_date,
            bars.close_price,
            bars.closed_at,
            bars.available_at
        from affected
        cross join
            lateral (
                select stored.*
                from {{ ref('int_bars_numbered') }} as stored
                where
                    stored.symbol = affected.symbol
                    and stored.opened_at
                    < {{ utc_midnight('affected.trading_date + 1') }}
                    and stored.closed_at
                    <= {{ utc_midnight('affected.trading_date + 1') }}
                order by stored.opened_at desc
                limit 1
            ) as bars
        where bars.closed_at > {{ utc_midnight('affected.trading_date') }}
    {% else %}
        select
            symbol,
            trading_date,
            close_price,
            closed_at,
            available_at
        from (
            select
                *,
                {{ closed_on }} as trading_date,
                row_number() over (
                    partition by symbol, {{ closed_on }}
                    order by opened_at desc
                ) as bar_rank
            from {{ ref('int_bars_numbered') }}
        ) as ranked_bars
        where bar_rank = 1
    {% endif %}

)

select * from last_bars
