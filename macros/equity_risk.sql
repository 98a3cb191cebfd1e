{#
    A query for days of equity with what follows from them: peak_equity, drawdown, gross_exposure and
    rolling_sharpe_ratio beside the columns that are there.

    relation: a relation with trading_date, start_equity, equity, daily_return and open_value.
    keys: the columns, beside the day, that tell its rows apart, as a select list.
#}
{% macro equity_risk(relation, keys) -%}
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

    -- Returns that differ by rounding alone are constant.
    select
        *,
        cast(equity - peak_equity as {{ type_double() }})
        / cast(peak_equity as {{ type_double() }}) as drawdown,
        case
            when equity > 0
                then
                    cast(open_value as {{ type_double() }})
                    / cast(equity as {{ type_double() }})
        end as gross_exposure,
        case
            when
                return_days = {{ days }}
                and highest_return - lowest_return
                > 1e-9 * greatest(abs(highest_return), abs(lowest_return))
                then
                    mean_return / return_deviation * sqrt({{ var('periods_per_year') }})
        end as rolling_sharpe_ratio
    from peaks
{%- endmacro %}
