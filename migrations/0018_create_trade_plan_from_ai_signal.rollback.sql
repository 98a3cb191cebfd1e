drop function public.create_trade_plan_from_ai_signal(bigint, timestamptz);
