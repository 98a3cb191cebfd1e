{#
    A scalar subquery for the column names of the model's table, quoted, in order, joined by commas; NULL
    where there is no table.
#}
{% macro columns_of_table() -%}
    (
        select string_agg(quote_ident(attname), ',' order by attnum)
        from pg_attribute
        where
            attrelid = to_regclass('{{ this }}')
            and attnum > 0
            and not attisdropped
    )
{%- endmacro %}
