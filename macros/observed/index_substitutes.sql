{#
    A query for the best index, for each index that has such a one, that does the same (is_duplicate), or that does
    more: its key begins with the other's. What a constraint, a foreign key or a replica identity needs
    has no substitute.

    indexes: a relation with a row an index, as index_usage has it.
#}
{% macro index_substitutes(indexes) -%}
    select distinct on (weaker.side, weaker.index_id)
        weaker.side,
        weaker.index_id,
        stronger.index_name,
        weaker.key_parts = stronger.key_parts
        and weaker.included_columns = stronger.included_columns as is_duplicate
    from {{ indexes }} as weaker
    inner join {{ indexes }} as stronger
        on
            weaker.side = stronger.side
            and weaker.table_id = stronger.table_id
            and weaker.index_id <> stronger.index_id
            and weaker.access_method = stronger.access_method
            and coalesce(weaker.predicate, '') = coalesce(stronger.predicate, '')
            and coalesce(weaker.expressions, '')
            = coalesce(stronger.expressions, '')
    where
        not (weaker.is_obscure or stronger.is_obscure)
        and stronger.is_valid
        and stronger.is_ready
        -- A unique index is needed, unless another one is as unique.
        and weaker.constraint_name is null
        and not weaker.is_referenced
        and not weaker.is_replica_identity
        and not weaker.is_part_of_index
        and (
            (
                weaker.key_parts = stronger.key_parts
                and weaker.included_columns = stronger.included_columns
                and (
                    not weaker.is_unique
                    or (
                        stronger.is_unique
                        -- One NULL at most.
                        and stronger.is_nulls_not_distinct
                        >= weaker.is_nulls_not_distinct
                        -- Not only at the end of a transaction.
                        and stronger.is_immediate >= weaker.is_immediate
                    )
                )
                and (
                    stronger.constraint_name is not null,
                    stronger.is_needed,
                    stronger.is_unique,
                    -stronger.index_id
                ) > (
                    weaker.constraint_name is not null,
                    weaker.is_needed,
                    weaker.is_unique,
                    -weaker.index_id
                )
            )
            or (
                weaker.access_method = 'btree'
                and not weaker.is_unique
                and not weaker.has_expressions
                and (
                    cardinality(weaker.key_parts) < cardinality(stronger.key_parts)
                    or weaker.included_columns <> stronger.included_columns
                )
                and weaker.key_parts
                = stronger.key_parts[1:cardinality(weaker.key_parts)]
                and weaker.included_columns
                <@ (stronger.key_columns || stronger.included_columns)
            )
        )
    order by
        weaker.side asc,
        weaker.index_id asc,
        is_duplicate desc,
        stronger.is_needed desc,
        cardinality(stronger.key_parts) asc,
        stronger.index_id asc
{%- endmacro %}
