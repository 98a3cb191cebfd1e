{#
    A query for where a walk over the ensemble's days begins: the day before the first one that is to be
    computed, a row an expert, as stored. It needs the CTEs `experts` and `days`.

    carried: the columns that the walk carries from a day to the next, with their types.
#}
{% macro ensemble_start(carried) -%}
    {%- set columns = [] -%}
    {%- for column, type in carried.items() -%}
        {%- do columns.append(
            'stored.' ~ column if is_from_changes()
            else 'cast(null as ' ~ type ~ ') as ' ~ column
        ) -%}
    {%- endfor -%}
    select
        {{ 'affected.from_weight_date - 1' if is_from_changes() else 'days.day_before' }}
            as weight_date,
        experts.expert_number,
        {{ 'coalesce(stored.is_deciding, false)' if is_from_changes() else 'false' }}
            as is_deciding,
        {{ columns | join(', ') }}
    from experts
    {% if is_from_changes() -%}
        cross join affected
        left join {{ this }} as stored
            on
                affected.from_weight_date - 1 = stored.weight_date
                and experts.expert_number = stored.expert_number
    {%- else -%}
        cross join days
    {%- endif %}
{%- endmacro %}
