-- The platform's pattern that a signal is compared with.
-- depends: 0016_reserve_ai_ids

-- The symbol's latest pattern that was known `at` that time, and not older than `within` before it;
-- no row where there is none. SM006: the platform has no micro_patterns of the names that we know.
create function public.find_related_pattern(
    symbol text,
    at timestamptz default now(),
    within interval default null
)
returns table (
    pattern_id bigint,
    pattern_type text,
    signal text,
    confidence double precision,
    created_at timestamptz
)
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
    return query
    select
        patterns.id::bigint,
        patterns.pattern_type::pg_catalog.text,
        patterns.signal::pg_catalog.text,
        patterns.confidence::double precision,
        patterns.created_at
    from public.micro_patterns as patterns
    where
        patterns.symbol = find_related_pattern.symbol
        and patterns.created_at <= find_related_pattern.at
        and patterns.created_at >= coalesce(
            find_related_pattern.at - find_related_pattern.within,
            '-infinity'::timestamp with time zone
        )
    order by patterns.created_at desc, patterns.id desc
    limit 1;
exception
    when undefined_table or undefined_column or insufficient_privilege then
        raise exception using
            errcode = 'SM006',
            message = 'patterns cannot be looked up here: ' || sqlerrm,
            hint = 'the platform calls its micro_patterns otherwise: look the pattern up there, '
                'and store its id with the signal';
end
$$;

revoke execute on function public.find_related_pattern(text, timestamptz, interval) from public;
grant execute on function public.find_related_pattern(text, timestamptz, interval) to ai_writer;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.find_related_pattern(text, timestamptz, interval) owner to ai_functions;
revoke create on schema public from ai_functions;
