{#
    Statements that lock a landing table until the transaction ends, and fail if TRUNCATE or a rewrite
    replaced it after the build's snapshot: to an older snapshot, PostgreSQL shows the new table as empty.
    The catalog names the table's file as of the snapshot, the function its file now.
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
