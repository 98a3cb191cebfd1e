do $$
declare
    relation regclass;
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
    for relation in
        select tables.oid
        from pg_catalog.pg_class as tables
        where
            tables.oid in (
                to_regclass('public.ai_trading_signals'),
                to_regclass('public.rl_training_episodes'),
                to_regclass('public.genetic_generations'),
                to_regclass('public.spectrum_analysis'),
                to_regclass('public.market_bars')
            )
            and tables.relkind = 'r'
            and tables.reloptions @> array['autovacuum_vacuum_insert_scale_factor=0.01']
    loop
        execute format(
            'alter table %s reset (autovacuum_vacuum_insert_scale_factor, '
            'autovacuum_vacuum_scale_factor, autovacuum_analyze_scale_factor)',
            relation
        );
    end loop;
end
$$;
