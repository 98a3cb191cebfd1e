{#
    Why a raw row that breaks a rule cannot be used, as an SQL expression (rule_condition).
#}
{% macro rule_reason(rule) -%}
    {%- set kind = rule[1] -%}
    {%- set reasons = {
        'present': 'missing',
        'symbol': 'blank, or longer than 64 characters',
        'label': 'longer than 200 characters',
        'key': 'empty, or longer than 200 characters',
        'name': 'longer than 64 characters, or the name of all accounts together',
        'money': 'not a number, infinite, or ' ~ money_limit() ~ ' or more',
        'double': 'not a number, infinite, or beyond 1e-100 to 1e100',
        'share': 'not between 0 and 1, or closer to 0 than 1e-100',
        'first_spelling': 'the same row is there with other blanks',
        'not_negative': 'negative, or not a number',
        'expiry': 'before 1971',
    } -%}
    {%- if kind in ('moment', 'day') -%}
        {%- set latest = latest_moment() if kind == 'moment' else utc_date(latest_moment()) -%}
        case
            when {{ rule[2] or rule[0] }} > {{ latest }} then {{ too_late() }}
            else {{ dbt.string_literal(reasons.expiry) }}
        end
    {%- elif kind == 'word' -%}
        {{ dbt.string_literal('none of ' ~ rule[2].keys() | join(', ')) }}
    {%- elif kind in ('holds', 'first') -%}
        {{ dbt.string_literal(dbt.escape_single_quotes(rule[-1])) }}
    {%- else -%}
        {{ dbt.string_literal(reasons[kind]) }}
    {%- endif -%}
{%- endmacro %}
