{#
    The price under a key of a JSON document, written as a number or as a text of digits, as money. NULL if
    the key does not exist or holds anything else: a document that a module wrote must not stop a build.
#}
{% macro json_price(document, key) -%}
    {{ return(adapter.dispatch('json_price')(document, key)) }}
{%- endmacro %}

{% macro default__json_price(document, key) -%}
    case
        when {{ json_text(document, key) }} ~ '^[0-9]{1,15}([.][0-9]{1,100})?$'
            then cast({{ json_text(document, key) }} as {{ type_money() }})
    end
{%- endmacro %}

{% macro spark__json_price(document, key) -%}
    case
        when {{ json_text(document, key) }} rlike '^[0-9]{1,15}([.][0-9]{1,100})?$'
            then cast({{ json_text(document, key) }} as {{ type_money() }})
    end
{%- endmacro %}
