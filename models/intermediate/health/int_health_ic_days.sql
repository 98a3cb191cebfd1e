-- Grain: a model version and a UTC day on which a return after its signals was known.

{{ config(
    unique_key=['model_id', 'health_date'],
    meta={
        'follows': {
            'int_signal_forward_returns': 'model_id, ' ~ utc_date('known_at')
        }
    }
) }}

with forward_returns as (

    select
        model_id,
        symbol,
        signal_date,
        score,
        forward_return,
        {{ utc_date('known_at') }} as health_date
    from {{ followed(
        'int_signal_forward_returns',
        where='stored.model_id = affected.model_id and stored.horizon_number = 0 and '
            ~ is_on_date('stored.known_at', 'affected.health_date')
    ) }}
    where horizon_number = 0

),

-- The returns of a day that are known later are ranked by themselves: they change
-- nothing that was known.
{% set sample = ['model_id', 'signal_date', 'health_date'] %}

ranked as (

    select
        *,
        {{ doubled_rank('score', sample) }} as score_rank,
        {{ doubled_rank('forward_return', sample) }} as return_rank
    from forward_returns

),

daily_ics as (

    select
        model_id,
        signal_date,
        health_date,
        min(symbol) as first_symbol,
        max(symbol) as last_symbol,
        {{ rank_correlation('score_rank', 'return_rank') }} as rank_ic
    from ranked
    group by model_id, signal_date, health_date

),

int_health_ic_days as (

    select
        model_id,
        health_date,
        min(first_symbol) as first_symbol,
        max(last_symbol) as last_symbol,
        count(rank_ic) as rank_ics,
        coalesce({{ sum_exactly('rank_ic') }}, 0) as rank_ic_sum,
        coalesce({{ sum_exactly('rank_ic * rank_ic') }}, 0) as squared_rank_ic_sum
    from daily_ics
    group by model_id, health_date

)

select * from int_health_ic_days
