{#
    The sums by which a model version's days are compared, with their types: added up over a span of days,
    they give every figure of health.
#}
{% macro health_sums() -%}
    {%- set sums = [('signals', 'bigint')] -%}
    {%- for bin in range(1, 11) -%}
        {%- do sums.append(('signals_' ~ bin, 'bigint')) -%}
    {%- endfor -%}
    {%- do sums.extend([
        ('buy_signals', 'bigint'),
        ('sell_signals', 'bigint'),
        ('hold_signals', 'bigint'),
        ('outcomes', 'bigint'), ('squared_errors', 'numeric(38, 24)'),
    ]) -%}
    {%- for bin in range(1, 11) -%}
        {%- do sums.append(('missed_' ~ bin, 'numeric(38, 12)')) -%}
    {%- endfor -%}
    {%- do sums.extend([
        ('forecasts', 'bigint'), ('excess_loss', 'numeric(38, 15)')
    ]) -%}
    {{ return(sums) }}
{%- endmacro %}
