drop function public.stored_ai_ids(text, bigint[]);
drop function public.reserve_ai_ids(text, integer);
