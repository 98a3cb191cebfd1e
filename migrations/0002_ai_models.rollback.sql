drop table public.ai_models;
drop function public.ai_set_updated_at();
