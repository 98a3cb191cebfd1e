{#
    A query for the training steps of all kinds that have a value, in one shape: model_id, run_kind,
    block_number, step_at (NULL for steps with a number), step_number, step_value, created_at and
    available_at. In a run, they are ordered by step_at and step_number.

    blocks: a relation or CTE with model_id, run_kind and block_number of the blocks that are wanted,
        each once; none for all.
#}
{% macro training_steps(blocks=none) -%}
    {%- for run_kind, steps, number, value in training_kinds() -%}
        {%- set block = training_block(number, 'steps.') -%}
        {%- set step_at = 'steps.created_at' if number.endswith('_id')
            else 'cast(null as ' ~ type_moment() ~ ')' -%}
        select
            steps.model_id,
            '{{ run_kind }}' as run_kind,
            {{ block }} as block_number,
            {{ step_at }} as step_at,
            cast(steps.{{ number }} as bigint) as step_number,
            steps.{{ value }} as step_value,
            steps.created_at,
            steps.available_at
        from {{ ref(steps) }} as steps
        {% if blocks -%}
            inner join {{ blocks }} as blocks
                on
                    steps.model_id = blocks.model_id
                    and {{ block }} = blocks.block_number
                    and blocks.run_kind = '{{ run_kind }}'
        {% endif -%}
        where steps.{{ value }} is not null
        {% if not loop.last %}
            union all

        {% endif -%}
    {%- endfor -%}
{%- endmacro %}
