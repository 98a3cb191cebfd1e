{#
    A query for the indexes of the last sample that saw them: what is stored of them, with their definitions and
    sizes, since when their scans count (NULL where it is not known), whether a part of the definition was not
    seen (is_obscure), and whether more than queries needs them (is_needed).

    last_seen: a relation with the sample of each side.
#}
{% macro indexes_seen(last_seen) -%}
    select
        observed.*,
        samples.taken_at,
        sizes.bytes,
        definitions.definition,
        definitions.predicate,
        definitions.expressions,
        definitions.first_seen_at,
        -- NULL where either is not known.
        case
            when servers.statistics_since > definitions.first_seen_at
                then servers.statistics_since
            when servers.statistics_since is not null
                then definitions.first_seen_at
        end as counted_since_at,
        -- What a text must say that is not seen.
        (observed.has_predicate and definitions.predicate is null)
        or (observed.has_expressions and definitions.expressions is null)
            as is_obscure,
        observed.is_unique
        or observed.constraint_name is not null
        or observed.is_referenced
        or observed.is_replica_identity
        or observed.is_part_of_index as is_needed
    from {{ source('observed', 'indexes') }} as observed
    inner join {{ last_seen }} as last_seen
        on
            observed.side = last_seen.side
            and observed.sample_id = last_seen.sample_id
    inner join {{ source('observed', 'samples') }} as samples
        on observed.sample_id = samples.id
    inner join {{ source('observed', 'servers') }} as servers
        on
            observed.side = servers.side
            and observed.sample_id = servers.sample_id
    left join {{ source('observed', 'sizes') }} as sizes
        on
            observed.side = sizes.side
            and observed.sample_id = sizes.sample_id
            and observed.index_id = sizes.relation_id
    left join {{ source('observed', 'index_definitions') }} as definitions
        on
            observed.side = definitions.side
            and servers.system_identifier = definitions.system_identifier
            and servers.database_id = definitions.database_id
            and observed.index_id = definitions.index_id
{%- endmacro %}
