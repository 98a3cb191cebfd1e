drop table public.ai_trading_signals;
