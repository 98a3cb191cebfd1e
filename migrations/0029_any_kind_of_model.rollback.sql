-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

do $$
begin
    perform public.limit_ai_rows(
        'public.ai_models',
        array[
            'config', 'ai_is_json',
            'model_name', 'ai_is_name',
            'model_type', 'ai_is_name',
            'version', 'ai_is_name',
            'created_at', 'ai_is_time',
            'updated_at', 'ai_is_time'
        ]
    );
end
$$;

drop function public.ai_is_word(text);

alter table public.ai_models add constraint ai_models_model_type_check check (
    model_type in ('reinforcement_learning', 'genetic_optimization', 'sparse_spectrum')
) not valid;

do $$
begin
    alter table public.ai_models validate constraint ai_models_model_type_check;
exception
    when check_violation then
        raise notice 'models of other kinds stay, and can no longer be updated';
end
$$;
