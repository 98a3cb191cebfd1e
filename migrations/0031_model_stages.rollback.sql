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
    bigint, text, text, jsonb, timestamptz, text, text, text, bigint
);
drop trigger ai_models_note_stage on public.ai_models;
drop trigger ai_models_begin_stage on public.ai_models;
drop function public.ai_begin_stage();
-- As migration 0022 has it.
create or replace function public.import_ai_model(
    model_type text,
    model_name text,
    version text,
    config jsonb default '{}'
) returns bigint
language sql
security definer
set search_path = ''
as $$
    select coalesce(
        (
            select models.id
            from public.ai_models as models
            where
                models.model_name = import_ai_model.model_name
                and models.version = import_ai_model.version
                and models.model_type = import_ai_model.model_type
        ),
        public.register_ai_model(model_type, model_name, version, config)
    )
$$;

drop table public.ai_model_stages;
alter table public.ai_models drop column stage;
