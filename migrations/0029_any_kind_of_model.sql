-- A model is of any kind that is a word; three kinds have training tables of their own.
-- depends: 0028_one_set_of_limits

-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- runner/client/limits.py says the same to Python.
create function public.ai_is_word(value text) returns boolean
language sql immutable parallel safe set search_path = ''
return value ~ '^[a-z][a-z0-9_]{0,63}$';

comment on function public.ai_is_word is
'a word has 1 to 64 lower-case letters, digits and underscores, and begins with a letter';

alter function public.ai_is_word(text) owner to migrator;

alter table public.ai_models drop constraint ai_models_model_type_check;

-- A limit, as the others are, and no CHECK: a model of before keeps its kind, and can be retired.
do $$
begin
    perform public.limit_ai_rows(
        'public.ai_models',
        array[
            'config', 'ai_is_json',
            'model_name', 'ai_is_name',
            'version', 'ai_is_name',
            'created_at', 'ai_is_time',
            'updated_at', 'ai_is_time',
            'model_type', 'ai_is_word'
        ]
    );
end
$$;
