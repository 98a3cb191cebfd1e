-- The indexes of a table of the primary: what follows its name in each definition. NULL: the definition is not known.
select
    indexes.index_name,
    indexes.is_unique,
    indexes.is_primary,
    indexes.is_valid and indexes.is_ready as is_valid,
    indexes.has_predicate as is_partial,
    indexes.key_columns,
    case
        when starts_with(definitions.definition, heads.head)
            then substr(definitions.definition, length(heads.head) + 1)
    end as tail
from signal_marts.observed_indexes as indexes
inner join signal_marts.observed_servers as servers
    on indexes.sample_id = servers.sample_id and indexes.side = servers.side
left join signal_marts.index_definitions as definitions
    on
        indexes.side = definitions.side
        and servers.system_identifier = definitions.system_identifier
        and servers.database_id = definitions.database_id
        and indexes.index_id = definitions.index_id
cross join lateral (
    select
        format(
            'CREATE %%sINDEX %%I ON %%I.%%I ',
            case when indexes.is_unique then 'UNIQUE ' end,
            indexes.index_name,
            indexes.schema_name,
            indexes.table_name
        ) as head
) as heads
where
    indexes.sample_id = %(sample_id)s
    and indexes.side = 'primary'
    and indexes.schema_name = %(schema)s
    and indexes.table_name = %(table)s
order by indexes.index_id
