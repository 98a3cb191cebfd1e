{#
    The columns that a day of int_trigger_days hands to the next one, as a select list.

    relation: a relation that has them; none for the day before the first.
#}
{% macro trigger_state(relation=none) -%}
    {%- set columns = [
        ('reference_first_date', 'date', none), ('reference_last_date', 'date', none),
        ('n', 'bigint', none), ('days', 'bigint', none),
        ('figure', type_double(), none), ('standard_error', type_double(), none),
        ('threshold', type_double(), none), ('breach_days', 'integer', 0),
        ('first_breach_date', 'date', none), ('is_alarm', 'boolean', false),
        ('alarm_date', 'date', none), ('is_open', 'boolean', false),
        ('is_cleared', 'boolean', false),
        ('most_loss', type_double(), 0),
    ] -%}
    {%- for bet in trial_bets() -%}
        {%- do columns.append(('wealth_' ~ loop.index, type_double(), 1)) -%}
    {%- endfor -%}
    {%- for name, type, first in columns %}
        {%- set value = 'null' if first is none else first %}
        cast({{ relation ~ '.' ~ name if relation else value }} as {{ type }}) as {{ name }}{{ "," if not loop.last }}
    {%- endfor %}
{%- endmacro %}
