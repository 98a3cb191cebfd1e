{#
    All days from the first one on that came or went, on which a source came or traded or no longer
    did, or that is closed now or no longer: equity is carried on.
#}
{% macro affected_source_performance_daily() %}
    select min(changed.from_date) as from_date
    from (
        select trading_date as from_date
        from {{ changes_of('int_source_days') }} as source_days

        union all

        select trading_date as from_date
        from {{ changes_of('int_calendar') }} as calendar

        union all

        select first_date as from_date
        from {{ changes_of('int_sources') }} as sources

        union all

        {# An odd number of images: there was none closed before, or is none any more. #}
        select
            case
                when mod(count(*), 2) = 0 then min(last_date) + 1
                else cast('-infinity' as date)
            end as from_date
        from {{ changes_of('int_windows') }} as windows
        where window_name = 'all'
    ) as changed
{% endmacro %}
