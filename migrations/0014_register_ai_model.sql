-- Registering a version of an AI module, as often as the module likes.
-- depends: 0013_ai_functions_on_platform

-- Returns the id of the version, which is active afterwards; its config and its time are those of
-- the first call. SM008: it is registered with another model_type.
create function public.register_ai_model(
    model_type text,
    model_name text,
    version text,
    config jsonb default '{}',
    at timestamptz default now()
) returns bigint
language plpgsql
security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
    model pg_catalog.record;
begin
    insert into public.ai_models (model_type, model_name, version, config, created_at, updated_at)
    select
        register_ai_model.model_type,
        register_ai_model.model_name,
        register_ai_model.version,
        register_ai_model.config,
        register_ai_model.at,
        register_ai_model.at
    -- An insert that meets the version would draw an id for nothing.
    where not exists (
        select
        from public.ai_models as models
        where
            models.model_name = register_ai_model.model_name
            and models.version = register_ai_model.version
    )
    on conflict on constraint ai_models_name_version_key do nothing;

    select models.id, models.model_type, models.is_active
    into model
    from public.ai_models as models
    where
        models.model_name = register_ai_model.model_name
        and models.version = register_ai_model.version;
    if model.model_type <> register_ai_model.model_type then
        raise exception using
            errcode = 'SM008',
            message = pg_catalog.format(
                'model %s version %s is registered as %s, not %s',
                model_name, version, model.model_type, register_ai_model.model_type
            ),
            hint = 'give the new kind of model another name or version';
    end if;
    if not model.is_active then
        update public.ai_models as models set is_active = true where models.id = model.id;
    end if;
    return model.id;
end
$$;

-- The number of a model's last episode or generation, 0 before the first, so that a training that
-- was interrupted goes on counting.
create function public.last_ai_training_number(model_id bigint) returns integer
language sql
stable
security definer
set search_path = ''
as $$
    select coalesce(
        greatest(
            (
                select max(episodes.episode_number)
                from public.rl_training_episodes as episodes
                where episodes.model_id = last_ai_training_number.model_id
            ),
            (
                select max(generations.generation_number)
                from public.genetic_generations as generations
                where generations.model_id = last_ai_training_number.model_id
            )
        ),
        0
    )
$$;

revoke execute on function
    public.register_ai_model(text, text, text, jsonb, timestamptz),
    public.last_ai_training_number(bigint)
from public;
grant execute on function
    public.register_ai_model(text, text, text, jsonb, timestamptz),
    public.last_ai_training_number(bigint)
to ai_writer;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.register_ai_model(text, text, text, jsonb, timestamptz) owner to ai_functions;
alter function public.last_ai_training_number(bigint) owner to ai_functions;
revoke create on schema public from ai_functions;
