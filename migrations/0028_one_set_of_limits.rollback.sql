-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

create or replace function public.ai_is_time(value timestamptz) returns boolean
language sql immutable parallel safe set search_path = ''
return value >= '1970-01-01 00:00:00+00' and value < '2200-01-01 00:00:00+00';

create or replace function public.ai_is_amount(value numeric) returns boolean
language sql immutable parallel safe set search_path = ''
return abs(value) < '1e20' and scale(value) <= 100;

comment on function public.ai_is_time is 'a time lies in the years 1970 to 2199';
comment on function public.ai_is_amount is 'an amount is below 1e20 and has at most 100 decimals';

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
                '%s is %s: it must lie in the years 1970 to 2199', argument, value
            );
    end if;
    return value;
end
$$;

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

drop function public.limit_ai_rows(regclass, text []);
