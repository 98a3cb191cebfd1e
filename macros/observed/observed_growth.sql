{#
    A query for the rows of an observed table with what its counters have grown by since the row's
    sample before, as <counter>_growth, and the time between, as began_at and growth_seconds.

    The growth is NULL where it is not known: in the first sample, after the statistics were reset or
    lost, on another server or database, and where a counter of the row went down.

    table: name of the table in the source `observed`.
    key: columns that identify a row of a sample and side.
    counters: columns that only grow.
    counted_since: the moment from which on the counters of a row count, of observed (the row) or
        servers.
    others: further columns of a row.
#}
{% macro observed_growth(table, key, counters, counted_since, others=[]) -%}
    select
        *,
        {% for counter in require_list('observed_growth', 'counters', counters) -%}
            case when has_grown then {{ counter }} - {{ counter }}_before end
                as {{ counter }}_growth,
        {% endfor -%}
        case when has_grown then {{ seconds_between('began_at', 'taken_at') }} end
            as growth_seconds
    from (
        select
            *,
            coalesce(
                counted_since_at = counted_since_before
                {%- for counter in counters %}
                and {{ counter }} >= {{ counter }}_before
                {%- endfor %},
                false
            ) as has_grown
        from (
            select
                observed.sample_id,
                observed.side,
                {% for column in key + counters + others -%}
                    observed.{{ column }},
                {% endfor -%}
                samples.taken_at,
                servers.system_identifier,
                servers.database_id,
                {{ counted_since }} as counted_since_at,
                lag({{ counted_since }}) over same_row as counted_since_before,
                {% for counter in counters -%}
                    lag(observed.{{ counter }}) over same_row as {{ counter }}_before,
                {% endfor -%}
                lag(observed.sample_id) over same_row as sample_before,
                lag(samples.taken_at) over same_row as began_at
            from {{ source('observed', table) }} as observed
            inner join {{ source('observed', 'samples') }} as samples
                on observed.sample_id = samples.id
            inner join {{ source('observed', 'servers') }} as servers
                on
                    observed.sample_id = servers.sample_id
                    and observed.side = servers.side
            window same_row as (
                partition by
                    observed.side,
                    servers.system_identifier,
                    servers.database_id,
                    {% for column in require_list('observed_growth', 'key', key) -%}
                        observed.{{ column }}{{ ',' if not loop.last }}
                    {% endfor %}
                order by observed.sample_id
            )
        ) as paired
    ) as compared
{%- endmacro %}
