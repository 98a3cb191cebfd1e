{#
    A way from changed rows to the keys of those that refer to them (keys_that_follow).

    model_name: the parent whose rows refer to a changed one; 'this' for the model as it is stored.
    by: its columns that refer, as a select list.
    of: the columns of the changed row that they refer to; by default of the same names.
    keys: its columns, or expressions on them, that are the keys; by default of the same names.
#}
{% macro through(model_name, by, of=none, keys=none) -%}
    {{ return({'through': model_name, 'by': by, 'of': of or by, 'keys': keys}) }}
{%- endmacro %}
