{#
    Statements that lock what a staging model reads until the transaction ends, a view with its tables, and
    fail if TRUNCATE or a rewrite replaced a landing table after the build's snapshot: to an older snapshot,
    PostgreSQL shows the new table as empty. The catalog names a table's file as of the snapshot, the
    function its file now.
#}
{% macro check_landing() -%}
    {%- set landing = landing_relation() -%}
    lock table {{ landing }} in access share mode;
    do $check$
    declare
        replaced text := (
            select string_agg(namespaces.nspname || '.' || classes.relname, ', ')
            from pg_class as classes
            inner join pg_namespace as namespaces on classes.relnamespace = namespaces.oid
            where
                (
                    namespaces.nspname || '.' || classes.relname = {{ relation_name(landing) }}
                    or namespaces.nspname || '.' || classes.relname in (
                        select table_name from signal_marts.mapped_tables
                        where relation = {{ relation_name(landing) }}
                    )
                )
                and classes.relkind = 'r'
                and pg_relation_filenode(classes.oid) is distinct from classes.relfilenode
        );
    begin
        if replaced is not null then
            raise exception 'the landing table % was emptied or rewritten while this build ran', replaced
                using hint = 'build again';
        end if;
    end
    $check$;
{%- endmacro %}
