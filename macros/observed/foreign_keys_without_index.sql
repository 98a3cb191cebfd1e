{#
    A query for the foreign keys that no index serves: those of the last sample that saw them, if it saw the
    indexes as well. An index serves a key whose columns it begins with, in any order, if it has all rows in
    which they are not NULL.

    indexes: a relation with a row an index, as index_usage has it.
    indexes_seen_at: a relation with the sample of each side that the indexes are of.
#}
{% macro foreign_keys_without_index(indexes, indexes_seen_at) -%}
    select
        foreign_keys.*,
        samples.taken_at
    from {{ source('observed', 'foreign_keys') }} as foreign_keys
    inner join (
        {{ last_seen('foreign_keys') }}
    ) as last_keys_seen
        on
            foreign_keys.side = last_keys_seen.side
            and foreign_keys.sample_id = last_keys_seen.sample_id
    -- Both were seen at once.
    inner join {{ indexes_seen_at }} as last_seen
        on
            foreign_keys.side = last_seen.side
            and foreign_keys.sample_id = last_seen.sample_id
    inner join {{ source('observed', 'samples') }} as samples
        on foreign_keys.sample_id = samples.id
    where not exists (
        select 1
        from {{ indexes }} as indexes
        where
            foreign_keys.side = indexes.side
            and foreign_keys.table_id = indexes.table_id
            and indexes.is_valid
            and indexes.access_method in ('btree', 'hash')
            and foreign_keys.columns
            @> indexes.key_columns[1:cardinality(foreign_keys.columns)]
            and foreign_keys.columns
            <@ indexes.key_columns[1:cardinality(foreign_keys.columns)]
            -- A check asks for values that are not NULL.
            and (
                not indexes.has_predicate
                or indexes.predicate is null
                or indexes.predicate in (
                    select format('(%I IS NOT NULL)', columns.name)
                    from unnest(foreign_keys.columns) as columns (name)
                )
            )
    )
{%- endmacro %}
