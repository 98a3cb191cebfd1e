{#
    For a raw row that is later than a rule allows (latest_moment): the time that the primary's newest token
    must reach until the row can be used, as an SQL expression. NULL for other rows, and if it never can.
#}
{% macro rule_usable_from(rule) -%}
    {%- set moment = rule[2] or rule[0] -%}
    {%- if rule[1] in ('moment', 'day') -%}
        {%- set latest = latest_moment() if rule[1] == 'moment' else utc_date(latest_moment()) -%}
        case
            when {{ moment }} > {{ latest }} and {{ moment }} < {{ end_of_time() }}
                then cast({{ moment }} as timestamp with time zone) - {{ future_limit() }}
        end
    {%- else -%}
        cast(null as timestamp with time zone)
    {%- endif -%}
{%- endmacro %}
