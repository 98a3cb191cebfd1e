-- Grain: a UTC day and an expert, every one from the day on which the expert joined.

{{ config(
    unique_key=['weight_date', 'expert_number'],
    meta={
        'affected_from': 'weight_date',
        'follows': {
            'int_ensemble_calendar': 'trading_date',
            'int_ensemble_experts': 'joined_date',
            'int_ensemble_losses': 'resolved_date + 1',
            'int_model_stages': 'counts_from_date'
        }
    }
) }}

with experts as (

    select * from {{ ref('int_ensemble_experts') }}

),

calendar as (

    select * from {{ ref('int_ensemble_calendar') }}

),

losses as (

    select * from {{ ref('int_ensemble_losses') }}

),

stages as (

    {{ stage_spans() }}

),

{# In a build from changes, all losses resolved before the affected days are one sum,
dated the day before them. #}
{% set resolved_date %}
    {%- if is_from_changes() -%}
        greatest(
            losses.resolved_date, (select affected.from_weight_date - 1 from affected)
        )
    {%- else -%}
        losses.resolved_date
    {%- endif -%}
{% endset %}

-- Whether its forecast of the day counted for a decision.
dated_losses as (

    select
        losses.*,
        experts.model_id is null or coalesce(stages.stage = 'champion', false)
            as was_deciding
    from losses
    inner join experts
        on losses.expert_number = experts.expert_number
    left join stages
        on
            {{ is_in_span(
                'experts.model_id', 'losses.decided_date', 'stages', 'date'
            ) | indent(12) }}

),

resolved_losses as (

    select
        losses.expert_number,
        {{ resolved_date }} as resolved_date,
        sum(losses.forecasts) as forecasts,
        sum(losses.excess_loss) as excess_loss,
        sum(losses.excess_loss) filter (
            where
            losses.was_deciding
            and losses.resolved_date = {{ resolved_date }}
        ) as decided_loss
    from dated_losses as losses
    group by losses.expert_number, {{ resolved_date }}

),

-- Only rounds that were resolved before the day began: an outcome known at midnight
-- counts from the next day.
summed as (

    select
        calendar.trading_date,
        calendar.rounds_resolved,
        experts.expert_number,
        experts.expert_id,
        experts.expert_name,
        stages.stage,
        experts.model_id is null or coalesce(stages.stage = 'champion', false)
            as is_deciding,
        coalesce(sum(resolved_losses.forecasts) over days_before, 0)
            as forecasts_resolved,
        coalesce(sum(resolved_losses.excess_loss) over days_before, 0) as excess_loss,
        coalesce(
            lag(resolved_losses.decided_loss) over (
                partition by experts.expert_number
                order by calendar.trading_date
            ),
            0
        ) as new_loss
    from calendar
    inner join experts
        on calendar.trading_date >= experts.joined_date
    left join resolved_losses
        on
            experts.expert_number = resolved_losses.expert_number
            and calendar.trading_date = resolved_losses.resolved_date
    left join stages
        on
            {{ is_in_span(
                'experts.model_id', 'calendar.trading_date', 'stages', 'date'
            ) | indent(12) }}
    {% if is_from_changes() %}
        where calendar.trading_date >= (
            select affected.from_weight_date - 1 from affected
        )
    {% endif %}
    window
        days_before as (
            partition by experts.expert_number
            order by calendar.trading_date
            rows between unbounded preceding and 1 preceding
        )

),

int_ensemble_standings as (

    select
        trading_date as weight_date,
        expert_number,
        expert_id,
        expert_name,
        stage,
        is_deciding,
        count(*) filter (where is_deciding) over (partition by trading_date)
            as experts,
        rounds_resolved,
        cast(forecasts_resolved as bigint) as forecasts_resolved,
        cast(excess_loss as numeric(38, 15)) as excess_loss,
        cast(new_loss as numeric(38, 15)) as new_loss,
        row_number() over (
            partition by trading_date
            order by case when is_deciding then 0 else 1 end, excess_loss, expert_id
        ) as weight_rank
    from summed
    {% if is_from_changes() %}
        where trading_date >= (select affected.from_weight_date from affected)
    {% endif %}

)

select * from int_ensemble_standings
