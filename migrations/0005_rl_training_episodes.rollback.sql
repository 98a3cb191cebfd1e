drop table public.rl_training_episodes;
