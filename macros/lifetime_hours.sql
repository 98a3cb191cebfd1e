{#
    Hours that a signal lives, rounded up: of few values, so that an index of them is small and what
    comes goes where it is warm. Of one that never expires, whatever stands for never, a thousand
    years, which can be taken from any time.
#}
{% macro lifetime_hours() -%}
    {%- set ended_at -%}
        least(
            valid_until_at,
            cast('9999-12-31 00:00:00+00' as timestamp with time zone)
        )
    {%- endset -%}
    {%- set hours = seconds_between('created_at', ended_at) ~ ' / 3600' -%}
    {{ return('least(ceil(' ~ hours ~ '), 8760000)') }}
{%- endmacro %}
