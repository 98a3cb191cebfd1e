-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

drop table public.ai_decision_deliveries;
drop table public.ai_ensemble_decisions;
