{#
    Statements that fail if a model above, at any distance, is outdated: it was not built since one of its
    parents changed. The parents would then not all stand for the same rows of staging. Runs with the
    parents locked (hold_versions), so they no longer change.

    parents: names of models in the books, as SQL literals.
#}
{% macro refuse_older_parents(parents) -%}
    do $check$
    declare
        older text;
    begin
        with recursive above (relation) as (
            select unnest(cast(array[{{ parents | join(', ') }}] as text[]))

            union

            select reads.relation
            from above
            inner join {{ changes_table('reads') }} as reads
                on above.relation = reads.reader
        )

        select string_agg(distinct reads.reader, ', ')
        into older
        from above
        inner join {{ changes_table('reads') }} as reads
            on above.relation = reads.reader
        left join {{ changes_table('relations') }} as relations
            on reads.relation = relations.relation
        where relations.version is distinct from reads.version;
        if older is not null then
            raise exception
                '{{ model.name }} needs %, not built since what it reads changed', older
                using hint = 'signal-marts build --select {{ model.name }} builds that too,'
                    ' and so does dbt build --select +{{ model.name }}';
        end if;
    end
    $check$;
{%- endmacro %}
