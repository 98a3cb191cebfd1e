{#
    A query for the bytes of each table in each sample: table_bytes (with TOAST) and index_bytes, NULL
    where one of them was not seen.
#}
{% macro observed_sizes() -%}
    select
        tables.sample_id,
        tables.side,
        tables.table_id,
        sizes.bytes as table_bytes,
        case
            when
                count(parts.part) > 0
                and count(indexes.index_id) = count(index_sizes.bytes)
                then cast(coalesce(sum(index_sizes.bytes), 0) as bigint)
        end as index_bytes
    from {{ source('observed', 'tables') }} as tables
    left join {{ source('observed', 'sizes') }} as sizes
        on
            tables.sample_id = sizes.sample_id
            and tables.side = sizes.side
            and tables.table_id = sizes.relation_id
    left join {{ source('observed', 'sample_parts') }} as parts
        on
            tables.sample_id = parts.sample_id
            and tables.side = parts.side
            and parts.part = 'indexes'
            and parts.relation = ''
            and parts.is_seen
    left join {{ source('observed', 'indexes') }} as indexes
        on
            tables.sample_id = indexes.sample_id
            and tables.side = indexes.side
            and tables.table_id = indexes.table_id
    left join {{ source('observed', 'sizes') }} as index_sizes
        on
            indexes.sample_id = index_sizes.sample_id
            and indexes.side = index_sizes.side
            and indexes.index_id = index_sizes.relation_id
    group by tables.sample_id, tables.side, tables.table_id, sizes.bytes
{%- endmacro %}
