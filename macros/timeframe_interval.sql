{#
    The length of a bar's timeframe, such as 15m, 4h, 1d or 1w, as an interval. NULL for an unknown unit.

    Days are 24 hours and weeks 168: an interval of a day follows the session's daylight saving.
#}
{% macro timeframe_interval(timeframe) -%}
    cast(substr({{ timeframe }}, 1, length({{ timeframe }}) - 1) as integer)
    * case substr({{ timeframe }}, length({{ timeframe }}), 1)
        when 'm' then interval '1 minute'
        when 'h' then interval '1 hour'
        when 'd' then interval '24 hours'
        when 'w' then interval '168 hours'
    end
{%- endmacro %}
