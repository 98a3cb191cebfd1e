-- Signals point at the platform's patterns and plans.
-- depends: 0003_ai_trading_signals

-- The lock on the platform's tables is held for a moment, since no signal exists yet; waiting for
-- it must not make the platform's own writers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- bigint references smallint, integer and bigint keys alike. A platform whose tables have other
-- names gets no foreign keys: its patterns and plans are checked by the relationship tests of dbt.
-- Deleting a pattern or a plan is the platform's right: the signal then loses its link.
do $$
begin
    if to_regclass('public.micro_patterns') is not null then
        alter table public.ai_trading_signals
            add constraint ai_trading_signals_pattern_id_fkey
            foreign key (pattern_id) references public.micro_patterns (id) on delete set null;
    else
        raise notice 'no public.micro_patterns: ai_trading_signals.pattern_id has no foreign key';
    end if;
    if to_regclass('public.trade_plans') is not null then
        alter table public.ai_trading_signals
            add constraint ai_trading_signals_trade_plan_id_fkey
            foreign key (trade_plan_id) references public.trade_plans (id) on delete set null;
    else
        raise notice 'no public.trade_plans: ai_trading_signals.trade_plan_id has no foreign key';
    end if;
end
$$;
