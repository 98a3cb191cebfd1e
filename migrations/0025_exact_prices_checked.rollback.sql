-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

do $$
declare
    actions text;
    relation regclass;
begin
    for relation, actions in
        select
            conrelid::regclass,
            string_agg(format('drop constraint %I', conname), ', ')
            || ', '
            || string_agg(
                format('add constraint %I %s not valid', conname, pg_get_constraintdef(oid)), ', '
            )
        from pg_catalog.pg_constraint
        where
            conrelid in (
                to_regclass('public.ai_trading_signals'),
                to_regclass('public.rl_training_episodes'),
                to_regclass('public.market_bars')
            )
            and contype = 'c' and convalidated
            and pg_get_userbyid(
                (select relowner from pg_catalog.pg_class where oid = conrelid)
            ) = 'migrator'
        group by conrelid
    loop
        execute format('alter table %s %s', relation, actions);
    end loop;
end
$$;
