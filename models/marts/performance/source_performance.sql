-- Grain: a source in an account and a window of days that ends on the last closed day
-- in the data. Days are UTC.

{# The linter has no value for a var: the default is for it alone. #}
{% set periods = var('periods_per_year', 1) %}

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency', 'window_name'],
    meta={'follows': 'whole'}
) }}

with sources as (

    select * from {{ ref('int_sources') }}

),

windows as (

    select * from {{ ref('int_windows') }}

),

sharpes as (

    select * from {{ ref('int_source_sharpes') }}

),

streaks as (

    select * from {{ ref('int_source_streaks') }}

),

drawdowns as (

    select * from {{ ref('int_source_drawdowns') }}

),

-- Returns are undefined from the day on that the equity is used up.
returns as (

    select
        *,
        case
            when start_equity > 0 then end_equity / start_equity - 1
        end as total_return,
        case
            when start_equity > 0 and end_equity > 0
                then {{ periods }} * ln(end_equity / start_equity) / days
        end as log_growth_a_year
    from {{ ref('int_source_returns') }}

),

source_performance as (

    select
        sources.source_type,
        sources.source_name,
        sources.account,
        sources.currency,
        sources.is_all_accounts,
        windows.window_name,
        returns.first_date as window_first_date,
        windows.last_date as window_last_date,
        coalesce(returns.days, 0) as days,
        coalesce(returns.trades, 0) as trades,
        cast(
            coalesce(returns.net_profit, 0) as {{ type_money() }}
        ) as net_profit,
        {{ hit_rate('returns.winning_trades', 'returns.losing_trades') }} as hit_rate,
        {{ profit_factor('returns.gross_profit', 'returns.gross_loss') }}
            as profit_factor,
        {{ mean_profit('returns.net_profit', 'returns.trades') }} as expectancy,
        returns.total_return,
        returns.sharpe_a_day * sqrt({{ periods }}) as sharpe_ratio,
        case
            when returns.return_days = returns.days and returns.has_loss
                then
                    returns.mean_return
                    / returns.downside_deviation
                    * sqrt({{ periods }})
        end as sortino_ratio,
        case
            when returns.return_days < returns.days or returns.max_drawdown >= 0
                then null
            -- A growth of e^300 or more a year, as one good day may give, is beyond a
            -- double.
            when returns.log_growth_a_year > 300 then null
            when returns.log_growth_a_year < -300 then -1 / abs(returns.max_drawdown)
            else (exp(returns.log_growth_a_year) - 1) / abs(returns.max_drawdown)
        end as calmar_ratio,
        returns.max_drawdown,
        drawdowns.max_drawdown_by_trade,
        sharpes.probabilistic_sharpe,
        sharpes.deflated_sharpe,
        coalesce(streaks.longest_win_streak, 0) as longest_win_streak,
        coalesce(streaks.longest_loss_streak, 0) as longest_loss_streak,
        cast(returns.exposed_days as {{ type_double() }}) / returns.days as exposure,
        {{ utc_midnight('windows.last_date + 1') }} as available_at
    from sources
    cross join windows
    {% for relation in ['returns', 'sharpes', 'streaks', 'drawdowns'] %}
        left join {{ relation }}
            on
                {{ same_source('sources', relation) }}
                and windows.window_name = {{ relation }}.window_name
    {% endfor %}

)

select * from source_performance
