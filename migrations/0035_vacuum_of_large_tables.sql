-- Tables that only grow are vacuumed and analysed after a hundredth of their rows, not after a fifth.
-- depends: 0034_idx_procrastinate_jobs_worker

-- docs/decisions/0029-growth.md has the figures. The lock is one that readers and writers do not
-- meet. A signal is changed once in its life, which leaves a dead row and moves index entries, and
-- vacuum then reads all indexes: that comes less often.
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
            -- A platform that has its own bars keeps them as they are.
            and (
                tables.oid is distinct from to_regclass('public.market_bars')
                or obj_description(tables.oid, 'pg_class') = 'made by signal-marts'
            )
    loop
        execute format(
            'alter table %s set ('
            'autovacuum_vacuum_insert_scale_factor = 0.01, '
            'autovacuum_vacuum_scale_factor = 0.05, '
            'autovacuum_analyze_scale_factor = 0.01)',
            relation
        );
    end loop;
end
$$;
