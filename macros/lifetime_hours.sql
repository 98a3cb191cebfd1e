{#
    The hours that a signal lives, rounded up: few distinct values, so an index on them is small and new
    entries go to cached pages. A signal that never expires gets a thousand years, a span that can be
    subtracted from any time.
#}
{% macro lifetime_hours() -%}
    {%- set ended_at -%}
        least(
            valid_until_at,
            cast('9999-12-31 00:00:00+00' as {{ type_moment() }})
        )
    {%- endset -%}
    {%- set hours = seconds_between('created_at', ended_at) ~ ' / 3600' -%}
    {{ return('least(ceil(' ~ hours ~ '), 8760000)') }}
{%- endmacro %}
