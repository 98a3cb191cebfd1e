-- Limits that the marts have as well: amounts below 1e15, times from 1971 on.
-- depends: 0027_ai_function_arguments

-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- runner/client/limits.py has the same values, and tests hold both to what staging sets aside. A row
-- beyond them was stored and then set aside: no model could be built with it.
create or replace function public.ai_is_time(value timestamptz) returns boolean
language sql immutable parallel safe set search_path = ''
return value >= '1971-01-01 00:00:00+00' and value < '2200-01-01 00:00:00+00';

create or replace function public.ai_is_amount(value numeric) returns boolean
language sql immutable parallel safe set search_path = ''
return abs(value) < '1e15' and scale(value) <= 100;

comment on function public.ai_is_time is 'a time lies in the years 1971 to 2199';
comment on function public.ai_is_amount is 'an amount is below 1e15 and has at most 100 decimals';

create or replace function public.ai_checked_time(argument text, value timestamptz)
returns timestamptz
language plpgsql
immutable
set search_path = ''
as $$
begin
    if not public.ai_is_time(value) then
        raise exception using
            errcode = 'datetime_field_overflow',
            message = pg_catalog.format(
                '%s is %s: it must lie in the years 1971 to 2199', argument, value
            );
    end if;
    return value;
end
$$;

-- Gives a table its limits, or gives it those again that were changed: pairs of a column and the
-- limit's function. The functions' bodies are written out in the trigger, since calling them takes
-- an INSERT longer than all else.
create function public.limit_ai_rows(relation regclass, limits text [])
returns void
language plpgsql
set search_path = ''
as $$
declare
    condition text;
    arguments text;
    columns text;
    table_name text;
    unknown text;
begin
    select classes.relname into table_name
    from pg_catalog.pg_class as classes where classes.oid = relation;
    select
        pg_catalog.string_agg(distinct pg_catalog.quote_ident(limits[place]), ', '),
        pg_catalog.string_agg(
            pg_catalog.regexp_replace(
                pg_catalog.regexp_replace(
                    pg_catalog.pg_get_function_sqlbody(functions.oid), '^RETURN (.*)$', '(\1)'
                ),
                '\mvalue\M', pg_catalog.format('new.%I', limits[place]), 'g'
            ),
            ' and ' order by place
        ),
        pg_catalog.string_agg(
            pg_catalog.format('%L, %L', limits[place], limits[place + 1]), ', ' order by place
        ),
        pg_catalog.string_agg(coalesce(limits[place + 1], '(none)'), ', ')
            filter (where functions.oid is null)
    into columns, condition, arguments, unknown
    from pg_catalog.generate_series(1, pg_catalog.cardinality(limits), 2) as places (place)
    left join pg_catalog.pg_proc as functions
        on
            functions.proname = limits[place + 1]
            and functions.pronamespace = 'public'::pg_catalog.regnamespace;
    if unknown is not null then
        raise exception 'no limit of rows is called %', unknown
            using errcode = 'undefined_function';
    end if;
    execute pg_catalog.format(
        'create or replace trigger %I before insert or update of %s on %s for each row '
        'when (not (%s)) execute function public.ai_refuse_row(%s)',
        table_name || '_limits', columns, relation, condition, arguments
    );
end
$$;

revoke execute on function public.limit_ai_rows(regclass, text []) from public;
alter function public.limit_ai_rows(regclass, text []) owner to migrator;

do $$
declare
    limited record;
begin
    for limited in
        select
            tgrelid::regclass as relation,
            string_to_array(
                trim(trailing ',' from replace(encode(tgargs, 'escape'), '\000', ',')), ','
            ) as limits
        from pg_catalog.pg_trigger
        where tgfoid = 'public.ai_refuse_row()'::regprocedure
    loop
        perform public.limit_ai_rows(limited.relation, limited.limits);
    end loop;
end
$$;
