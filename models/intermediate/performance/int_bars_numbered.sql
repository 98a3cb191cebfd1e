-- Grain: a bar of a symbol's own timeframe, the shortest it has. Times are UTC.

{{ config(
    unique_key=['symbol', 'opened_at'],
    meta={
        'affected_where':
            'stored.symbol = affected.symbol'
            ~ ' and stored.opened_at between affected.from_at and affected.to_at'
    },
    indexes=[{'columns': ['symbol', 'bar_number']}]
) }}

with bars as (

    select *
    from {{ ref('stg_ai__market_bars') }}

),

timeframes as (

    select *
    from {{ followed('int_timeframes', by='symbol', keys='symbol') }}

),

-- Of two timeframes of one length, such as 60m and 1h, the first by name counts.
ranked_timeframes as (

    select
        symbol,
        timeframe,
        row_number() over (
            partition by symbol
            order by length_seconds, timeframe
        ) as timeframe_rank
    from timeframes

),

-- A range of bars to number: all bars of a symbol, or the affected ones, whose numbers
-- continue those of the bars before them.
stretches as (

    {% if is_from_changes() %}
        select
            ranked_timeframes.symbol,
            ranked_timeframes.timeframe,
            affected.from_at,
            affected.to_at,
            coalesce((
                select stored.bar_number + 1
                from {{ this }} as stored
                where
                    stored.symbol = affected.symbol
                    and stored.opened_at < affected.from_at
                order by stored.opened_at desc
                limit 1
            ), 0) as first_bar_number
        from ranked_timeframes
        inner join affected
            on ranked_timeframes.symbol = affected.symbol
        where ranked_timeframes.timeframe_rank = 1
    {% else %}
        select
            symbol,
            timeframe,
            cast(null as {{ type_moment() }}) as from_at,
            0 as first_bar_number
        from ranked_timeframes
        where timeframe_rank = 1
    {% endif %}

),

numbered as (

    select
        bars.symbol,
        bars.timeframe,
        stretches.first_bar_number + row_number() over (
            partition by bars.symbol, stretches.from_at
            order by bars.opened_at
        ) - 1 as bar_number,
        bars.open_price,
        bars.high_price,
        bars.low_price,
        bars.close_price,
        bars.opened_at,
        bars.closed_at,
        bars.available_at
    from bars
    inner join stretches
        on
            bars.symbol = stretches.symbol
            and bars.timeframe = stretches.timeframe
    {% if is_from_changes() %}
        where bars.opened_at between stretches.from_at and stretches.to_at
    {% endif %}

)

select * from numbered
