-- Signals point at the platform's patterns and plans.
-- depends: 0003_ai_trading_signals

-- The lock on the platform's tables is held for a moment, since no signal exists yet; waiting for
-- it must not make the platform's own writers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- bigint references smallint, integer and bigint keys alike; other keys follow in migration 0030. A
-- platform whose tables have other names, or no unique id (as when they are partitioned by time),
-- gets no foreign keys: its patterns and plans are checked by the relationship tests of dbt.
-- Deleting a pattern or a plan is the platform's right: the signal then loses its link.
do $$
begin
    if exists (
        select from pg_catalog.pg_index as i
        inner join pg_catalog.pg_attribute as a
            on i.indrelid = a.attrelid and i.indkey[0] = a.attnum
        where
            i.indrelid = to_regclass('public.micro_patterns') and a.attname = 'id'
            and i.indisunique and i.indisvalid and i.indimmediate
            and i.indnkeyatts = 1 and i.indpred is null
    ) then
        begin
            alter table public.ai_trading_signals
                add constraint ai_trading_signals_pattern_id_fkey
                foreign key (pattern_id) references public.micro_patterns (id) on delete set null;
        exception
            when datatype_mismatch then
                raise notice 'public.micro_patterns (id) is no integer: pattern_id has no foreign key';
        end;
    else
        raise notice 'no public.micro_patterns (id): pattern_id has no foreign key';
    end if;
    if exists (
        select from pg_catalog.pg_index as i
        inner join pg_catalog.pg_attribute as a
            on i.indrelid = a.attrelid and i.indkey[0] = a.attnum
        where
            i.indrelid = to_regclass('public.trade_plans') and a.attname = 'id'
            and i.indisunique and i.indisvalid and i.indimmediate
            and i.indnkeyatts = 1 and i.indpred is null
    ) then
        begin
            alter table public.ai_trading_signals
                add constraint ai_trading_signals_trade_plan_id_fkey
                foreign key (trade_plan_id) references public.trade_plans (id) on delete set null;
        exception
            when datatype_mismatch then
                raise notice 'public.trade_plans (id) is no integer: trade_plan_id has no foreign key';
        end;
    else
        raise notice 'no public.trade_plans (id): trade_plan_id has no foreign key';
    end if;
end
$$;
