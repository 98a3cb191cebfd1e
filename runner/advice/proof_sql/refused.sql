-- Why a statement must not be planned or run: what it reads, uses or calls, as the server has parsed it. The statement
-- is the body of a temporary function, which keeps the object identifiers that it means, however it writes them.
with body as (
    select
        procs.oid,
        cast(procs.prosqlbody as text) as tree
    from pg_proc as procs
    where procs.pronamespace = pg_my_temp_schema() and procs.proname = %(name)s
),

named (part, id) as (
    select
        found.parts[1],
        cast(found.parts[2] as oid)
    from body
    cross join lateral
        regexp_matches(body.tree, ':(relid|funcid|opfuncid|aggfnoid|winfnoid) (\d+)', 'g') as found (parts)
),

refused (place, why) as (
    select
        1,
        'it reads ' || classes.relnamespace::regnamespace || '.' || classes.relname || ', which has no scratch copy'
    from named
    inner join pg_class as classes on named.id = classes.oid
    where named.part = 'relid' and classes.relnamespace <> pg_my_temp_schema()
    union all
    -- PostgreSQL notes no dependency on parts of its own.
    select
        2,
        'it uses ' || pg_describe_object(used.refclassid, used.refobjid, 0) || ', which is no part of PostgreSQL'
    from body
    inner join pg_depend as used on used.classid = 'pg_proc'::regclass and body.oid = used.objid
    left join pg_class as classes on used.refclassid = 'pg_class'::regclass and used.refobjid = classes.oid
    left join pg_type as types on used.refclassid = 'pg_type'::regclass and used.refobjid = types.oid
    where
        used.refobjid <> pg_my_temp_schema()
        and coalesce(classes.relnamespace, types.typnamespace, 0) <> pg_my_temp_schema()
    union all
    select
        3,
        'it calls ' || procs.proname || case procs.provolatile
            when 'v' then ', which may have an effect of its own' else ', which may read something else'
        end
    from named
    inner join pg_proc as procs on named.id = procs.oid
    where
        named.part <> 'relid'
        and procs.provolatile <> 'i'
        and (
            procs.provolatile = 'v'
            or not (
                procs.oid in (select casts.castfunc from pg_cast as casts)
                or procs.oid in (select operators.oprcode from pg_operator as operators)
                or procs.proname = any(
                    '{
                        now, statement_timestamp, transaction_timestamp,
                        age, date_add, date_part, date_subtract, date_trunc, extract, make_timestamptz, overlaps,
                        timezone, to_char, to_date, to_number, to_timestamp, generate_series,
                        array_to_string, concat, concat_ws, convert_from, convert_to, format,
                        quote_literal, quote_nullable,
                        array_to_json, json_agg, json_build_array, json_build_object, json_object_agg,
                        jsonb_agg, jsonb_build_array, jsonb_build_object, jsonb_object_agg,
                        row_to_json, to_json, to_jsonb,
                        phraseto_tsquery, plainto_tsquery, to_tsquery, to_tsvector, websearch_to_tsquery
                    }'::name []
                )
            )
        )
)

select refused.why
from refused
order by refused.place, refused.why
limit 1
