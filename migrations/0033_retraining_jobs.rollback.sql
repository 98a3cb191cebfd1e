-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

drop function public.register_trained_ai_model(
    text, text, jsonb, jsonb, text, jsonb, timestamptz, text, text
);
drop function public.running_ai_retrial(text);
drop function public.ai_model_artifact(text, text);
revoke update (reason, evidence, data_cut, code_hash, artifact_hash)
on public.ai_model_stages from ai_functions;
revoke usage on schema retraining from ai_functions;
drop table retraining.artifacts;
drop table retraining.jobs;
