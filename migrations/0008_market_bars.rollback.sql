do $$
begin
    if obj_description('public.market_bars'::regclass, 'pg_class') = 'made by signal-marts' then
        drop table public.market_bars;
    end if;
end
$$;
