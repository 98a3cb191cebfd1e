{#
    Everything from the first day on that is new or gone, on which a changed expert joins, or that
    follows one on which other outcomes were known.
#}
{% macro affected_expert_weights() %}
    select min(changed.from_date) as from_date
    from (
        select trading_date as from_date
        from {{ changes_of('int_ensemble_calendar') }} as calendar

        union all

        select joined_date as from_date
        from {{ changes_of('int_ensemble_experts') }} as experts

        union all

        select resolved_date + 1 as from_date
        from {{ changes_of('int_ensemble_losses') }} as losses

        union all

        select resolved_date + 1 as from_date
        from {{ changes_of('int_ensemble_rounds') }} as rounds
    ) as changed
{% endmacro %}
