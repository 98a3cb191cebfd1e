-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

do $$
declare
    made record;
begin
    for made in
        select tgname, tgrelid::regclass as relation
        from pg_catalog.pg_trigger
        where
            tgfoid in (
                'public.ai_refuse_row()'::regprocedure, 'public.ai_refuse_id()'::regprocedure
            )
    loop
        execute format('drop trigger %I on %s', made.tgname, made.relation);
    end loop;
end
$$;

drop function public.ai_refuse_id();
drop function public.ai_refuse_row();
drop function public.ai_is_spectrum(jsonb);
drop function public.ai_is_json(jsonb);
drop function public.ai_is_double(double precision);
drop function public.ai_is_amount(numeric);
drop function public.ai_is_symbol(text);
drop function public.ai_is_name(text);
drop function public.ai_is_key(text);
drop function public.ai_is_time(timestamptz);

revoke select on sequence
    public.ai_models_id_seq,
    public.ai_trading_signals_id_seq,
    public.rl_training_episodes_id_seq,
    public.genetic_generations_id_seq,
    public.spectrum_analysis_id_seq
from ai_writer;
