-- Grain: an expert, the day of its forecasts and the day on which their outcomes were
-- known. Days are UTC.

{# The outcomes of the closes are those of the forecasts, and change with them. #}
{{ config(
    unique_key=['expert_number', 'decided_date', 'resolved_date'],
    meta={
        'affected_by': 'decided_date',
        'follows': {
            'int_ensemble_forecasts_live':
                'case when went_up is not null then decided_date end',
            'int_ensemble_bars': none
        }
    },
    indexes=[{'columns': ['expert_number', 'resolved_date']}]
) }}

-- depends_on: {{ ref('int_ensemble_bars') }}
with live_forecasts as (

    select *
    from {{ ref('int_ensemble_forecasts_live') }}
    {% if is_from_changes() %}
        where (symbol, decided_at) in (
            select
                int_ensemble_bars.symbol,
                int_ensemble_bars.decided_at
            from {{ followed('int_ensemble_bars') }}
        )
    {% endif %}

),

-- Silence is a forecast of 0.5 and always loses 0.25: only the loss of a forecast
-- beyond 0.25 is summed, so a close at which an expert was silent needs no row.
int_ensemble_losses as (

    select
        expert_number,
        decided_date,
        resolved_date,
        count(*) as forecasts,
        {{ sum_exactly(
            '(probability_up - went_up) * (probability_up - went_up) - 0.25'
        ) }} as excess_loss,
        {{ sum_exactly(
            'abs(probability_up - 0.5) * (1 + abs(probability_up - 0.5))'
        ) }} as most_excess_loss
    from live_forecasts
    where went_up is not null
    group by expert_number, decided_date, resolved_date

)

select * from int_ensemble_losses
