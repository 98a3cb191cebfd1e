{#
    A query that counts, for each row and each of its moments, the rows of `counted` in the same group that
    came before the moment. It sorts moments and counted rows into one sequence, without a join. At the same
    instant, the moment comes first.

    rows: a relation or CTE with the columns of group_by, key and moments.
    key: the columns that identify a row.
    moments: the count's name for each of its columns that hold a moment.
    counted: a relation or CTE with the columns of group_by, and counted_at.
    counted_at: its column with the time at which a row counts.
    group_by: the columns within which rows are counted, none of them NULL.

    Columns: the columns of group_by and key, and a count for each moment; NULL where the moment is NULL.
#}
{% macro counted_before(rows, key, moments, counted, counted_at, group_by) -%}
    {%- set groups = require_list('counted_before', 'group_by', group_by) | join(', ') -%}
    {%- set keys = require_list('counted_before', 'key', key) | join(', ') -%}
    with events as (

        select
            {{ groups }},
            {{ counted_at }} as event_at,
            1 as is_counted,
            {% for column in key -%}
                null as {{ column }},
            {% endfor -%}
            null as moment
        from {{ counted }}

        {% for count, moment in moments.items() %}
            union all

            select
                {{ groups }},
                {{ moment }} as event_at,
                0 as is_counted,
                {{ keys }},
                '{{ count }}' as moment
            from {{ rows }}
            where {{ moment }} is not null
        {% endfor %}

    ),

    counted_events as (

        select
            {{ groups }},
            {{ keys }},
            moment,
            is_counted,
            sum(is_counted) over (
                partition by {{ groups }}
                order by event_at asc, is_counted asc
                rows between unbounded preceding and current row
            ) as rows_before
        from events

    )

    select
        {{ groups }},
        {{ keys }}
        {%- for count in moments %},
        max(rows_before) filter (where moment = '{{ count }}') as {{ count }}
        {%- endfor %}
    from counted_events
    where is_counted = 0
    group by {{ groups }}, {{ keys }}
{%- endmacro %}
