-- Grain: a source and a window of days that ends on the last closed day in the data.
-- Days are UTC.

{# The linter has no value for a var: the default is for it alone. #}
{% set periods = var('periods_per_year', 1) %}
{% set euler_gamma = 0.5772156649015329 %}
{% set e = 2.718281828459045 %}

{{ config(
    unique_key=['source_type', 'source_name', 'window_name'],
    meta={'follows': 'whole'}
) }}

-- Numbers sort faster than names.
with sources as (

    select
        *,
        row_number() over (
            order by source_type, source_name
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

    select *
    from {{ ref('source_performance_daily') }}
    where is_closed

),

streaks as (

    select * from {{ ref('int_source_streaks') }}

),

window_days as (

    select
        days.*,
        sources.source_number,
        windows.window_number,
        avg(days.daily_return) over whole_window as mean_return,
        first_value(days.start_equity) over whole_window as window_start_equity,
        last_value(days.equity) over whole_window as window_end_equity,
        max(days.equity) over days_so_far as window_peak_equity
    from days
    inner join sources
        on
            days.source_type = sources.source_type
            and days.source_name = sources.source_name
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

-- Sums over the days of a window. Those of powers are of deviations from the mean, so
-- that nothing cancels.
sums as (

    select
        source_number,
        window_number,
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
        {{ aggregate_in_order(
            'sum', 'power(daily_return - mean_return, 2)', 'trading_date'
        ) }} as sum_of_squares,
        {{ aggregate_in_order(
            'sum', 'power(daily_return - mean_return, 3)', 'trading_date'
        ) }} as sum_of_cubes,
        {{ aggregate_in_order(
            'sum', 'power(daily_return - mean_return, 4)', 'trading_date'
        ) }} as sum_of_fourths,
        sqrt({{ aggregate_in_order(
            'avg', 'power(least(daily_return, 0), 2)', 'trading_date'
        ) }}) as downside_deviation
    from window_days
    group by source_number, window_number

),

-- Returns are undefined from the day on that the equity is used up.
moments as (

    select
        *,
        cast(days as {{ type_double() }}) as n,
        case
            when start_equity > 0 then end_equity / start_equity - 1
        end as total_return,
        case
            when start_equity > 0 and end_equity > 0
                then {{ periods }} * ln(end_equity / start_equity) / days
        end as log_growth_a_year,
        case
            when days > 1 and return_days = days and not is_constant
                then mean_return / sqrt(sum_of_squares / (days - 1))
        end as sharpe_a_day
    from sums

),

shapes as (

    select
        *,
        case
            when days > 3 and sharpe_a_day is not null
                then
                    n * sqrt(n - 1) / (n - 2)
                    * sum_of_cubes / power(sum_of_squares, 1.5)
        end as skewness,
        case
            when days > 3 and sharpe_a_day is not null
                then
                    n * (n + 1) * (n - 1) / ((n - 2) * (n - 3))
                    * sum_of_fourths / power(sum_of_squares, 2)
                    - 3 * power(n - 1, 2) / ((n - 2) * (n - 3))
                    + 3
        end as kurtosis
    from moments

),

ratios as (

    select
        *,
        sharpe_a_day * sqrt({{ periods }}) as sharpe_ratio,
        case
            when return_days = days and has_loss
                then mean_return / downside_deviation * sqrt({{ periods }})
        end as sortino_ratio,
        case
            when return_days < days or max_drawdown >= 0 then null
            -- An e-fold of hundreds a year, as one good day gives: beyond a double.
            when log_growth_a_year > 300 then null
            when log_growth_a_year < -300 then -1 / abs(max_drawdown)
            else (exp(log_growth_a_year) - 1) / abs(max_drawdown)
        end as calmar_ratio,
        sqrt(
            (n - 1) / nullif(
                greatest(
                    1
                    - skewness * sharpe_a_day
                    + (kurtosis - 1) / 4 * power(sharpe_a_day, 2),
                    case when skewness is not null then 0 end
                ),
                0
            )
        ) as sharpe_precision
    from shapes

),

-- Every version and every strategy was a trial, whether it traded or not; a total was
-- not picked from anything.
trial_counts as (

    select
        source_type,
        cast(count(*) as {{ type_double() }}) as trials
    from sources
    where not is_total
    group by source_type

),

trials as (

    select
        sources.source_type,
        ratios.window_number,
        {{ aggregate_in_order(
            'stddev_samp', 'ratios.sharpe_a_day', 'ratios.source_number'
        ) }} as sharpe_deviation
    from ratios
    inner join sources
        on
            ratios.source_number = sources.source_number
            and not sources.is_total
    group by sources.source_type, ratios.window_number

),

trial_chances as (

    select
        source_type,
        trials,
        1 - 1 / trials as best_chance,
        1 - 1 / (trials * {{ e }}) as next_chance
    from trial_counts
    {{ kept_apart() }}

),

-- The Sharpe ratio a day that the best of so many trials without any skill would show.
benchmarks as (

    select
        trials.source_type,
        trials.window_number,
        case
            when trial_chances.trials = 1 then 0
            else trials.sharpe_deviation * (
                (1 - {{ euler_gamma }})
                * {{ normal_quantile('trial_chances.best_chance') }}
                + {{ euler_gamma }}
                * {{ normal_quantile('trial_chances.next_chance') }}
            )
        end as luck_sharpe_a_day
    from trials
    inner join trial_chances
        on trials.source_type = trial_chances.source_type

),

scored as (

    select
        ratios.*,
        ratios.sharpe_a_day * ratios.sharpe_precision as score,
        (ratios.sharpe_a_day - benchmarks.luck_sharpe_a_day)
        * ratios.sharpe_precision as deflated_score
    from ratios
    inner join sources
        on ratios.source_number = sources.source_number
    left join benchmarks
        on
            sources.source_type = benchmarks.source_type
            and ratios.window_number = benchmarks.window_number
    {{ kept_apart() }}

),

source_performance as (

    select
        sources.source_type,
        sources.source_name,
        windows.window_name,
        scored.first_date as window_first_date,
        windows.last_date as window_last_date,
        coalesce(scored.days, 0) as days,
        coalesce(scored.trades, 0) as trades,
        cast(
            coalesce(scored.net_profit, 0) as {{ type_money() }}
        ) as net_profit,
        cast(scored.winning_trades as {{ type_double() }})
        / nullif(scored.winning_trades + scored.losing_trades, 0) as hit_rate,
        scored.gross_profit / abs(nullif(scored.gross_loss, 0)) as profit_factor,
        cast(scored.net_profit as {{ type_double() }})
        / nullif(scored.trades, 0) as expectancy,
        scored.total_return,
        scored.sharpe_ratio,
        scored.sortino_ratio,
        scored.calmar_ratio,
        scored.max_drawdown,
        {{ normal_cdf('scored.score') }} as probabilistic_sharpe,
        case
            when not sources.is_total then {{ normal_cdf('scored.deflated_score') }}
        end as deflated_sharpe,
        coalesce(streaks.longest_win_streak, 0) as longest_win_streak,
        coalesce(streaks.longest_loss_streak, 0) as longest_loss_streak,
        cast(scored.exposed_days as {{ type_double() }}) / scored.days as exposure,
        {{ utc_midnight('windows.last_date + 1') }} as available_at
    from sources
    cross join windows
    left join scored
        on
            sources.source_number = scored.source_number
            and windows.window_number = scored.window_number
    left join streaks
        on
            sources.source_type = streaks.source_type
            and sources.source_name = streaks.source_name
            and windows.window_name = streaks.window_name

)

select * from source_performance
