-- Grain: a source in an account and a window of days that has a day of it. Days are
-- UTC.

{% set euler_gamma = 0.5772156649015329 %}
{% set e = 2.718281828459045 %}

{{ config(
    unique_key=['source_type', 'source_name', 'account', 'currency', 'window_name'],
    meta={'follows': 'whole'}
) }}

-- The distribution of a Sharpe ratio can be estimated from four days on.
with returns as (

    select
        *,
        case
            when days > 3 and sharpe_a_day is not null
                then cast(days as {{ type_double() }})
        end as n
    from {{ ref('int_source_returns') }}

),

shapes as (

    select
        *,
        n * sqrt(n - 1) / (n - 2)
        * sum_of_cubes / power(sum_of_squares, 1.5) as skewness,
        n * (n + 1) * (n - 1) / ((n - 2) * (n - 3))
        * sum_of_fourths / power(sum_of_squares, 2)
        - 3 * power(n - 1, 2) / ((n - 2) * (n - 3))
        + 3 as kurtosis
    from returns

),

ratios as (

    select
        *,
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

-- Every version and every strategy of the currency counts as a trial, whether it traded
-- in the account or not. A total is no trial: it was not chosen.
trial_counts as (

    select
        source_type,
        currency,
        cast(count(*) as {{ type_double() }}) as trials
    from {{ ref('int_sources') }}
    where
        is_all_accounts
        and not is_total
    group by source_type, currency

),

trial_chances as (

    select
        source_type,
        currency,
        trials,
        1 - 1 / trials as best_chance,
        1 - 1 / (trials * {{ e }}) as next_chance
    from trial_counts
    {{ kept_apart() }}

),

trials as (

    select
        source_type,
        account,
        currency,
        window_name,
        {{ aggregate_in_order('stddev_samp', 'sharpe_a_day', 'source_name') }}
            as sharpe_deviation
    from ratios
    where not is_total
    group by source_type, account, currency, window_name

),

-- The Sharpe ratio a day that the best of so many trials without any skill would show.
benchmarks as (

    select
        trials.source_type,
        trials.account,
        trials.currency,
        trials.window_name,
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
        on
            trials.source_type = trial_chances.source_type
            and trials.currency = trial_chances.currency

),

scored as (

    select
        ratios.source_type,
        ratios.source_name,
        ratios.account,
        ratios.currency,
        ratios.window_name,
        ratios.is_total,
        ratios.sharpe_a_day * ratios.sharpe_precision as score,
        (ratios.sharpe_a_day - benchmarks.luck_sharpe_a_day)
        * ratios.sharpe_precision as deflated_score
    from ratios
    left join benchmarks
        on
            ratios.source_type = benchmarks.source_type
            and ratios.account = benchmarks.account
            and ratios.currency = benchmarks.currency
            and ratios.window_name = benchmarks.window_name
    {{ kept_apart() }}

),

source_sharpes as (

    select
        source_type,
        source_name,
        account,
        currency,
        window_name,
        {{ normal_cdf('score') }} as probabilistic_sharpe,
        case
            when not is_total then {{ normal_cdf('deflated_score') }}
        end as deflated_sharpe
    from scored

)

select * from source_sharpes
