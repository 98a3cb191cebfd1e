{#
    Statements that hold a landing table as it is until the transaction ends, and stop where it was
    emptied by TRUNCATE or rewritten after the moment that the build is of: to a transaction of
    before, PostgreSQL then shows no row. The catalog as of the moment names the table's file of then,
    the function that of now.
#}
{% macro check_landing() -%}
    {%- set landing = landing_relation() -%}
    lock table {{ landing }} in access share mode;
    do $check$
    begin
        if pg_relation_filenode('{{ landing }}') is distinct from (
            select relfilenode from pg_class where oid = '{{ landing }}'::regclass
        ) then
            raise exception 'the landing table {{ landing }} was emptied or rewritten while this build ran'
                using hint = 'build again';
        end if;
    end
    $check$;
{%- endmacro %}
