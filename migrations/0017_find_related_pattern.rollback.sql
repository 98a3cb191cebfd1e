drop function public.find_related_pattern(text, timestamptz, interval);
