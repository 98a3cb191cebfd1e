drop function public.last_ai_training_number(bigint);
drop function public.register_ai_model(text, text, text, jsonb, timestamptz);
