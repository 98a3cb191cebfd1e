drop function public.find_ai_signals(text[]);
drop function public.store_ai_signal(
    bigint, text, text, double precision, numeric, numeric, numeric, jsonb, bigint, text,
    timestamptz, timestamptz
);
