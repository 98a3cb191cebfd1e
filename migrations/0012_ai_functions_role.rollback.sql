revoke all on sequence
    public.ai_trading_signals_id_seq,
    public.rl_training_episodes_id_seq,
    public.genetic_generations_id_seq,
    public.spectrum_analysis_id_seq
from ai_functions;
revoke all on
    public.ai_models,
    public.ai_trading_signals,
    public.rl_training_episodes,
    public.genetic_generations,
    public.spectrum_analysis
from ai_functions;
revoke all on schema public from ai_functions;

do $$
begin
    if shobj_description(to_regrole('ai_functions'), 'pg_authid') = 'made by signal-marts' then
        drop role ai_functions;
    end if;
exception
    when dependent_objects_still_exist then
        raise notice 'role ai_functions stays: another database of this server uses it';
end
$$;
