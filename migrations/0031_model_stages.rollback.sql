-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

drop trigger ai_trading_signals_refuse_later_execution on public.ai_trading_signals;
drop trigger ai_trading_signals_refuse_execution on public.ai_trading_signals;
drop function public.ai_refuse_execution();
drop function public.set_ai_model_stage(
    bigint, text, text, jsonb, timestamptz, text, text, text, bigint, timestamptz
);
drop trigger ai_models_note_stage on public.ai_models;
drop trigger ai_models_begin_stage on public.ai_models;
drop function public.ai_begin_stage();
drop table public.ai_model_stages;
alter table public.ai_models drop column stage;
