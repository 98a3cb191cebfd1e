{#
    A query for the days of sources or accounts as their marts have them: the columns of equity, and what follows
    from them, such as drawdown, gross_exposure and rolling_sharpe_ratio.

    relation: int_source_equity or int_account_equity.
    keys: the columns, beside the day, that tell its rows apart, as a select list.
#}
{% macro performance_daily(relation, keys) -%}
    {%- set days = var('rolling_sharpe_days') | int(2) -%}
    with peaks as (

        select
            *,
            max(greatest(start_equity, equity)) over past as peak_equity,
            count(daily_return) over last_days as return_days,
            avg(daily_return) over last_days as mean_return,
            stddev_samp(daily_return) over last_days as return_deviation,
            min(daily_return) over last_days as lowest_return,
            max(daily_return) over last_days as highest_return
        from {{ relation }}
        window
            past as (
                partition by {{ keys }}
                order by trading_date
                rows between unbounded preceding and current row
            ),
            last_days as (
                partition by {{ keys }}
                order by trading_date
                rows between {{ days - 1 }} preceding and current row
            )

    )

    select
        {{ keys }},
        is_all_accounts,
        trading_date,
        trades,
        winning_trades,
        losing_trades,
        net_profit,
        gross_profit,
        gross_loss,
        start_equity,
        daily_return,
        equity,
        cast(equity - peak_equity as {{ type_double() }})
        / cast(peak_equity as {{ type_double() }}) as drawdown,
        -- Returns that differ by rounding alone are constant.
        case
            when
                return_days = {{ days }}
                and highest_return - lowest_return
                > 1e-9 * greatest(abs(highest_return), abs(lowest_return))
                then
                    mean_return / return_deviation * sqrt({{ var('periods_per_year') }})
        end as rolling_sharpe_ratio,
        has_open_position,
        open_value,
        case
            when equity > 0
                then
                    cast(open_value as {{ type_double() }})
                    / cast(equity as {{ type_double() }})
        end as gross_exposure,
        coalesce(trading_date <= last_closed.last_date, false) as is_closed,
        {{ utc_midnight('trading_date + 1') }} as available_at
    from peaks
    cross join (
        select max(last_date) as last_date
        from {{ ref('int_windows') }}
    ) as last_closed
{%- endmacro %}
