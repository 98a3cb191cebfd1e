-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- Nothing is rounded: rows that do not fit go. `signal-marts rollback` asks before it does that.
do $$
declare
    wide record;
    proving text;
begin
    for wide in
        select
            to_regclass('public.' || prices.table_name) as relation,
            string_agg(
                format('alter column %I type %s', prices.name, prices.narrow), ', '
            ) as actions,
            string_agg(
                format(
                    '%1$I <> round(%1$I, 8) or abs(%1$I) >= %2$s', prices.name, prices.bound
                ),
                ' or '
            ) as beyond
        from (
            values
                ('ai_trading_signals', 'price_target', 'numeric(20, 8)', '1e12'),
                ('ai_trading_signals', 'stop_loss', 'numeric(20, 8)', '1e12'),
                ('ai_trading_signals', 'take_profit', 'numeric(20, 8)', '1e12'),
                ('rl_training_episodes', 'portfolio_value', 'numeric(20, 8)', '1e12'),
                ('market_bars', 'open', 'numeric(20, 8)', '1e12'),
                ('market_bars', 'high', 'numeric(20, 8)', '1e12'),
                ('market_bars', 'low', 'numeric(20, 8)', '1e12'),
                ('market_bars', 'close', 'numeric(20, 8)', '1e12'),
                ('market_bars', 'volume', 'numeric(28, 8)', '1e20')
        ) as prices (table_name, name, narrow, bound)
        where
            prices.table_name <> 'market_bars'
            or obj_description(to_regclass('public.market_bars'), 'pg_class')
            = 'made by signal-marts'
        group by prices.table_name
    loop
        select string_agg(format('validate constraint %I', conname), ', ')
        into proving
        from pg_catalog.pg_constraint
        where conrelid = wide.relation and contype = 'c';

        execute format('delete from %s where %s', wide.relation, wide.beyond);
        perform public.withdraw_from_publication(wide.relation);
        execute format('alter table %s %s', wide.relation, wide.actions);
        execute format('alter table %s %s', wide.relation, proving);
        perform public.return_to_publication(wide.relation);
    end loop;
end
$$;
