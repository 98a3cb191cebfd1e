-- The first of two steps to public.market_bars in partitions by month: docs/growth.md.
-- Until the second, no bar may open two months ahead. Writers wait for a moment at the first
-- statement, and not at all for the second, which reads the whole table.

set timezone = 'UTC';
-- No function of somebody else's stands in for one of PostgreSQL's own.
set search_path = pg_catalog;
set lock_timeout = '2s';

do $$
begin
    execute format(
        'alter table public.market_bars add constraint market_bars_past_check '
        'check (opened_at < %L) not valid',
        date_trunc('month', now()) + interval '2 months'
    );
end
$$;

alter table public.market_bars validate constraint market_bars_past_check;
