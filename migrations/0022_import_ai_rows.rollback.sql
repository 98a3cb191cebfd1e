-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

drop function public.import_ai_model(text, text, text, jsonb);
drop function public.import_ai_rows(text, text, jsonb);
revoke insert on
    public.rl_training_episodes,
    public.genetic_generations,
    public.spectrum_analysis
from ai_functions;
drop table public.ai_imported_records;
-- This takes the grants on single columns away as well.
revoke insert on
    public.ai_trading_signals,
    public.rl_training_episodes,
    public.genetic_generations,
    public.spectrum_analysis
from ai_writer;
grant insert on
    public.ai_trading_signals,
    public.rl_training_episodes,
    public.genetic_generations,
    public.spectrum_analysis
to ai_writer;
alter table public.ai_trading_signals drop column imported_at;
alter table public.rl_training_episodes drop column imported_at;
alter table public.genetic_generations drop column imported_at;
alter table public.spectrum_analysis drop column imported_at;
