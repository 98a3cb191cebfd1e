{#
    The lower or upper end of Wilson's 95% interval of a proportion, as a double; NULL without
    trials. Wilson 1927, without continuity correction.

    successes, trials: counts, as doubles or integers.
    side: 'lower' or 'upper'.
#}
{% macro wilson_bound(successes, trials, side) -%}
    {%- if side not in ['lower', 'upper'] -%}
        {{ exceptions.raise_compiler_error(
            "wilson_bound: side must be 'lower' or 'upper', got " ~ side
        ) }}
    {%- endif -%}
    {%- set z = z_of_95_percent() -%}
    {%- set n = 'cast(nullif(' ~ trials ~ ', 0) as ' ~ type_double() ~ ')' -%}
    {%- set k = 'cast(' ~ successes ~ ' as ' ~ type_double() ~ ')' -%}
    {%- set sign = '-' if side == 'lower' else '+' -%}
    (
        {{ k }} + {{ z * z / 2 }} {{ sign }} {{ z }} * sqrt(
            {{ k }} * ({{ n }} - {{ k }}) / {{ n }} + {{ z * z / 4 }}
        )
    ) / ({{ n }} + {{ z * z }})
{%- endmacro %}
