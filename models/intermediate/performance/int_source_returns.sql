-- Grain: a source in an account and a window of days that has a day of it. Days are
-- UTC.

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency', 'window_name'],
    meta={'follows': 'whole'}
) }}

-- Numbers sort faster than names.
with sources as (

    select
        *,
        row_number() over (
            order by source_type, source_name, account, currency
        ) as source_number
    from {{ ref('int_sources') }}

),

windows as (

    select
        *,
        row_number() over (
            order by window_name
        ) as window_number
    from {{ ref('int_windows') }}

),

days as (

    select * from {{ ref('int_source_equity') }}

),

window_days as (

    select
        days.*,
        sources.is_total,
        sources.source_number,
        windows.window_name,
        windows.window_number,
        avg(days.daily_return) over whole_window as mean_return,
        first_value(days.start_equity) over whole_window as window_start_equity,
        last_value(days.equity) over whole_window as window_end_equity,
        max(days.equity) over days_so_far as window_peak_equity
    from days
    inner join sources
        on
            {{ same_source('days', 'sources') }}
    inner join windows
        on days.trading_date between windows.first_date and windows.last_date
    window
        whole_window as (
            partition by sources.source_number, windows.window_number
            order by days.trading_date
            rows between unbounded preceding and unbounded following
        ),
        days_so_far as (
            partition by sources.source_number, windows.window_number
            order by days.trading_date
            rows between unbounded preceding and current row
        )

),

-- Sums over the days of a window. Powers are of deviations from the mean, so that no
-- digits are lost.
sums as (

    select
        source_type,
        source_name,
        account,
        currency,
        is_total,
        window_name,
        min(trading_date) as first_date,
        count(*) as days,
        count(daily_return) as return_days,
        cast(sum(trades) as bigint) as trades,
        cast(sum(winning_trades) as bigint) as winning_trades,
        cast(sum(losing_trades) as bigint) as losing_trades,
        cast(sum(net_profit) as {{ type_money() }}) as net_profit,
        cast(sum(gross_profit) as {{ type_double() }}) as gross_profit,
        cast(sum(gross_loss) as {{ type_double() }}) as gross_loss,
        count(*) filter (where has_open_position) as exposed_days,
        cast(min(window_start_equity) as {{ type_double() }}) as start_equity,
        cast(min(window_end_equity) as {{ type_double() }}) as end_equity,
        case
            when min(window_start_equity) > 0
                then min(
                    cast(
                        equity
                        - greatest(window_start_equity, window_peak_equity)
                        as {{ type_double() }}
                    ) / cast(
                        greatest(window_start_equity, window_peak_equity)
                        as {{ type_double() }}
                    )
                )
        end as max_drawdown,
        min(mean_return) as mean_return,
        -- Returns that differ by rounding alone are constant.
        max(daily_return) - min(daily_return)
        <= 1e-9 * greatest(abs(max(daily_return)), abs(min(daily_return)))
            as is_constant,
        min(daily_return) < 0 as has_loss,
        {% for name, exponent in [('squares', 2), ('cubes', 3), ('fourths', 4)] -%}
            {{ aggregate_in_order(
                'sum',
                'power(daily_return - mean_return, ' ~ exponent ~ ')',
                'trading_date'
            ) }} as sum_of_{{ name }},
        {% endfor -%}
        sqrt({{ aggregate_in_order(
            'avg', 'power(least(daily_return, 0), 2)', 'trading_date'
        ) }}) as downside_deviation
    from window_days
    group by
        source_number,
        window_number,
        source_type,
        source_name,
        account,
        currency,
        is_total,
        window_name

),

source_returns as (

    select
        *,
        case
            when days > 1 and return_days = days and not is_constant
                then mean_return / sqrt(sum_of_squares / (days - 1))
        end as sharpe_a_day
    from sums

)

select * from source_returns
