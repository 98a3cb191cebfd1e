{#
    An argument of a macro or test, once it is sure to be a list with an entry: otherwise the
    compilation stops.

    macro_name: name of the macro or test.
    argument: name of the argument.
    value: what was passed.
#}
{% macro require_list(macro_name, argument, value) -%}
    {%- if value is string or value is not sequence or not value -%}
        {{ exceptions.raise_compiler_error(
            macro_name ~ ": " ~ argument ~ " must be a list that is not empty, got " ~ value
        ) }}
    {%- endif -%}
    {{ return(value) }}
{%- endmacro %}
