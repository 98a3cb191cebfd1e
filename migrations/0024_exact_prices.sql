-- Prices and quantities of any number of decimals: a token may cost 0.0000000000085.
-- depends: 0023_change_column_types

-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- numeric(20, 8) becomes numeric without a rewrite. CHECKs of these columns would be read again for
-- every row under the same lock: they are put back unproven, and the next migration proves them
-- while the tables are written to. How many decimals are kept is one of the limits that follow.
--
-- A table is out of the publication for that moment, and nothing is copied again.
do $$
declare
    wide record;
    actions text;
begin
    for wide in
        select
            to_regclass('public.' || prices.table_name) as relation,
            prices.names
        from (
            values
                ('ai_trading_signals', array['price_target', 'stop_loss', 'take_profit']),
                ('rl_training_episodes', array['portfolio_value']),
                ('market_bars', array['open', 'high', 'low', 'close', 'volume'])
        ) as prices (table_name, names)
        where
            -- A platform that has its own bars keeps them as they are.
            prices.table_name <> 'market_bars'
            or obj_description(to_regclass('public.market_bars'), 'pg_class')
            = 'made by signal-marts'
    loop
        with checks as (
            select conname, pg_get_constraintdef(oid) as definition
            from pg_catalog.pg_constraint
            where conrelid = wide.relation and contype = 'c'
        )

        select string_agg(action, ', ' order by place)
        into actions
        from (
            select 1 as place, format('drop constraint %I', conname) as action from checks
            union all
            select 2, format('alter column %I type numeric', name)
            from unnest(wide.names) as names (name)
            union all
            select 3, format('add constraint %I %s not valid', conname, definition) from checks
        ) as parts;

        perform public.withdraw_from_publication(wide.relation);
        execute format('alter table %s %s', wide.relation, actions);
        perform public.return_to_publication(wide.relation);
    end loop;
end
$$;
