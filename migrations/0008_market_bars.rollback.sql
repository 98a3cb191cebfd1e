-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

do $$
begin
    if obj_description('public.market_bars'::regclass, 'pg_class') = 'made by signal-marts' then
        drop table public.market_bars;
    end if;
end
$$;
