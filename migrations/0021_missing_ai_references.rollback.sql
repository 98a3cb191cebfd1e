drop function public.missing_ai_references(bigint[], bigint[]);
