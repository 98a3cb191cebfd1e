{#
    A way from changed rows to the keys of the rows that refer to them (keys_that_follow).

    model_name: the parent whose rows refer to a changed row; 'this' for the model's own stored rows.
    by: the referring columns of model_name, as a select list.
    of: the columns of the changed row that `by` refers to; by default of the same names.
    keys: the key columns of model_name, or expressions on its columns; by default of the same names.
#}
{% macro through(model_name, by, of=none, keys=none) -%}
    {{ return({'through': model_name, 'by': by, 'of': of or by, 'keys': keys}) }}
{%- endmacro %}
