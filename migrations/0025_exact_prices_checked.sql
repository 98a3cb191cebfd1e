-- The CHECKs of the widened tables hold for every row.
-- depends: 0024_exact_prices

-- They did before. Proving it keeps no writer out.
do $$
declare
    unproven record;
begin
    for unproven in
        select conrelid::regclass as relation, conname
        from pg_catalog.pg_constraint
        where
            conrelid in (
                to_regclass('public.ai_trading_signals'),
                to_regclass('public.rl_training_episodes'),
                to_regclass('public.market_bars')
            )
            and contype = 'c' and not convalidated
            and pg_get_userbyid(
                (select relowner from pg_catalog.pg_class where oid = conrelid)
            ) = 'migrator'
        order by 1, 2
    loop
        execute format(
            'alter table %s validate constraint %I', unproven.relation, unproven.conname
        );
    end loop;
end
$$;
