-- Grain: a trial and a stretch of its days, with the evidence up to its end. Days are
-- UTC.

{% set bets = trial_bets() %}
{% set stakes = [] %}
{% for bet in bets %}
    {% do stakes.append(exp_or_zero('least(log_wealth_' ~ loop.index ~ ', 600)')) %}
{% endfor %}

{{ config(
    unique_key=['challenger_stage_id', 'champion_stage_id', 'block_number'],
    meta={'follows': 'whole'}
) }}

with scores as (

    select * from {{ ref('int_trial_scores') }}

),

shares as (

    select
        *,
        cast(
            case when scale > 0 then score / scale else 0 end as {{ type_double() }}
        ) as share
    from scores

),

-- What a stake of 1 has become that was put, each time, on the challenger: some part of
-- it on a score above 0, for several parts at once.
wealth as (

    select
        {% for bet in bets %}
            sum(ln(1 + {{ bet }} * share)) over so_far as log_wealth_{{ loop.index }},
        {% endfor %}
        *
    from shares
    window
        so_far as (
            partition by challenger_stage_id, champion_stage_id
            order by block_number
            rows between unbounded preceding and current row
        )

),

int_trial_clusters as (

    select
        challenger_stage_id,
        champion_stage_id,
        block_number,
        end_date,
        challenger_forecasts,
        champion_forecasts,
        loss_difference,
        share,
        ({{ stakes | join(' + ') }}) / {{ bets | length }} as e_value
    from wealth

)

select * from int_trial_clusters
