drop function public.record_ai_signal_execution(bigint, bigint, timestamptz);
drop function public.expire_ai_signals(timestamptz, bigint[]);
