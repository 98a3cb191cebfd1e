{#
    Returns an argument of a macro or test if it is a list with at least one entry; otherwise the compilation
    stops.

    macro_name: name of the macro or test.
    argument: name of the argument.
    value: the value that was passed.
#}
{% macro require_list(macro_name, argument, value) -%}
    {%- if value is string or value is not sequence or not value -%}
        {{ exceptions.raise_compiler_error(
            macro_name ~ ": " ~ argument ~ " must be a list that is not empty, got " ~ value
        ) }}
    {%- endif -%}
    {{ return(value) }}
{%- endmacro %}
