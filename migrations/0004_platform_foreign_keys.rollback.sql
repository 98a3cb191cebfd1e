do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

alter table public.ai_trading_signals
    drop constraint if exists ai_trading_signals_trade_plan_id_fkey,
    drop constraint if exists ai_trading_signals_pattern_id_fkey;
