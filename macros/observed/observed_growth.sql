{#
    A query for the rows of an observed table with what its counters have grown by since the row's
    sample before, as <counter>_growth, and the time between, as began_at and growth_seconds.

    The growth is NULL where it is not known: in the first sample, after the statistics were reset or
    lost, on another server or database, where a counter of the row went down, and where the row was
    not in the sample before and may have begun anew since.

    table: name of the table in the source `observed`.
    key: columns that identify a row of a sample and side.
    counters: columns that only grow.
    counted_since: the moment from which on the counters of a row count, of observed (the row) or
        servers.
    others: further columns of a row.
    is_own_since: whether a row that began anew shows it by counted_since.
#}
{% macro observed_growth(
    table, key, counters, counted_since, others=[], is_own_since='true'
) -%}
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
                and (is_own_since or sample_before = last_sample_id)
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
                {{ is_own_since }} as is_own_since,
                lag(observed.sample_id) over same_row as sample_before,
                first_value(observed.sample_id) over (
                    partition by observed.side
                    order by observed.sample_id
                    groups between 1 preceding and 1 preceding
                ) as last_sample_id,
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
