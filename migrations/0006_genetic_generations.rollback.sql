drop table public.genetic_generations;
