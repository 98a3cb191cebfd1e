{#
    A number for a key of the platform: the key itself, or 60 bits of a hash of a text. Two texts of the same
    number are less likely than one in a million among a million of them, and dbt's tests find them.

    key: the column.
    data_type: its type, bigint or text.
#}
{% macro number_of_key(key, data_type) -%}
    {{ return(key if data_type == 'bigint' else adapter.dispatch('number_of_text')(key)) }}
{%- endmacro %}

{% macro default__number_of_text(key) -%}
    cast(cast('x' || left(md5({{ key }}), 15) as bit(60)) as bigint)
{%- endmacro %}

{% macro spark__number_of_text(key) -%}
    cast(conv(left(md5({{ key }}), 15), 16, 10) as bigint)
{%- endmacro %}
