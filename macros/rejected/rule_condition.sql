{#
    The condition that a raw row keeps a rule: true or false, never NULL. A missing value keeps all rules
    except `present`. No value of the raw column makes it fail with an error.

    relation: the raw table.
    rule: a list of the raw column, the kind of rule and its arguments:

    present: there is a value.
    symbol: it is not blank, and at most 64 characters.
    label, key: at most 200 characters, as an index can hold.
    name: at most 64 characters, and not 'all', which stands for all accounts (name_or_main).
    word: it is known; a mapping of words to their other spellings (known_word).
    money, double: it is a number that the marts can compute with.
    share: it is between 0 and 1.
    not_negative: it is 0 or more.
    moment, day: it is neither before earliest_moment() nor later than latest_moment(); an
        expression, if another value than the column is compared.
    expiry: it is not before earliest_moment(); a far date, or infinity, means never.
    holds: a condition on the row, broken if it is NULL, and the reason to give.
    first_spelling: no other row has the same key apart from blanks around the column, which is the first
        of the key, or this row goes first; the key's other columns.
    first: a rule that compares rows, not evaluated here (rows_before).
#}
{% macro rule_condition(relation, rule) -%}
    {%- set column, kind = rule[0], rule[1] -%}
    {%- if kind in ('moment', 'day') -%}
        {%- set column = rule[2] or column -%}
    {%- endif -%}
    {%- if kind == 'present' -%}
        {{ column }} is not null
    {%- elif kind == 'holds' -%}
        ({{ column }} is null or coalesce({{ rule[2] }}, false))
    {%- elif kind == 'first_spelling' -%}
        ({{ is_first_spelling(relation, column, rule[2]) }})
    {%- else -%}
        ({{ column }} is null or
        {%- if kind == 'symbol' %} length({{ trimmed(column) }}) between 1 and 64
        {%- elif kind == 'label' %} length({{ column }}) <= 200
        {%- elif kind == 'key' %} length(cast({{ column }} as {{ dbt.type_string() }})) between 1 and 200
        {%- elif kind == 'name' %} length({{ trimmed(column) }}) <= 64 and {{ trimmed(column) }} <> 'all'
        {%- elif kind == 'word' %} {{ known_word(column, rule[2]) }} is not null
        {%- elif kind == 'money' %} abs({{ column }}) < {{ money_limit() }}
        {%- elif kind == 'double' %} {{ is_sane_double(column) }}
        {%- elif kind == 'share' %} ({{ column }} <= 1 and {{ is_sane_double(column) }} and {{ column }} >= 0)
        {%- elif kind == 'not_negative' %} {{ column }} >= 0
        {%- elif kind == 'moment' %} {{ column }} between {{ earliest_moment() }} and {{ latest_moment() }}
        {%- elif kind == 'day' %} {{ column }} between {{ utc_date(earliest_moment()) }} and {{ utc_date(latest_moment()) }}
        {%- elif kind == 'expiry' %} {{ column }} >= {{ earliest_moment() }}
        {%- else -%}
            {{ exceptions.raise_compiler_error('no kind of rule: ' ~ kind) }}
        {%- endif -%}
        )
    {%- endif -%}
{%- endmacro %}
