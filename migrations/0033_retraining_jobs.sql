-- What a retraining is asked for and how it goes, artifacts, and the version that it registers.
-- depends: 0032_retraining_queue

-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- What procrastinate's row of a job has no place for. `deadline` is that of the present state: of
-- waiting until it starts, of running from then on.
create table retraining.jobs (
    id bigint primary key references retraining.procrastinate_jobs (id) on delete cascade,
    model_name text not null,
    reason text not null,
    as_of timestamptz,
    queued_at timestamptz not null default clock_timestamp(),
    since timestamptz not null default clock_timestamp(),
    deadline timestamptz not null,
    deaths integer not null default 0,
    done double precision not null default 0,
    doing text not null default '',
    outcome text,
    model_id bigint references public.ai_models (id) on delete set null,
    version text,
    constraint jobs_reason_check check (reason <> '')
);

create index idx_jobs_model on retraining.jobs (model_name, queued_at);
create index idx_jobs_model_id on retraining.jobs (model_id);

-- What a version's training made, by its content.
create table retraining.artifacts (
    sha256 text primary key,
    content bytea not null,
    created_at timestamptz not null default clock_timestamp(),
    constraint artifacts_size_check check (length(content) <= 67108864),
    constraint artifacts_sha256_check check (sha256 = encode(sha256(content), 'hex'))
);

-- Artifacts do not compress, and are read whole.
alter table retraining.artifacts alter column content set storage external;

grant select, insert, update, delete on retraining.jobs, retraining.artifacts to migrator;

-- A version's first stage says what it was trained on, in the transaction that registers it.
grant update (reason, evidence, data_cut, code_hash, artifact_hash)
on public.ai_model_stages to ai_functions;

-- The version of a model that retraining registered last and whose trial is not decided: in shadow
-- behind a champion, and never champion itself. NULL where there is none.
create function public.running_ai_retrial(model_name text) returns text
language sql
stable
security definer
set search_path = ''
as $$
    select models.version
    from public.ai_models as models
    where
        models.model_name = running_ai_retrial.model_name
        and models.stage = 'shadow'
        and exists (
            select
            from public.ai_models as others
            where others.model_name = models.model_name and others.stage = 'champion'
        )
        and exists (
            select
            from public.ai_model_stages as stages
            where stages.model_id = models.id and stages.evidence ? 'retraining_job'
        )
        and not exists (
            select
            from public.ai_model_stages as stages
            where stages.model_id = models.id and stages.stage = 'champion'
        )
    order by models.id desc
    limit 1
$$;

-- What a version's training made: for the module that runs it. NULL if nothing was stored for it.
create function public.ai_model_artifact(model_name text, version text) returns bytea
language sql
stable
security definer
set search_path = ''
as $$
    select artifacts.content
    from public.ai_models as models
    inner join public.ai_model_stages as stages on models.id = stages.model_id
    inner join retraining.artifacts as artifacts on stages.artifact_hash = artifacts.sha256
    where
        models.model_name = ai_model_artifact.model_name
        and models.version = ai_model_artifact.version
    order by stages.id
    limit 1
$$;

-- Registers what a training made, with its records, as the next version `<prefix>.<n>` of the name,
-- and returns its id and version. Its first stage gets the reason, the evidence, the time up to which
-- data were looked at, and the hashes. If a version has the same artifact and, but for its part
-- `retraining`, the same config, that one is returned, and nothing is written. `records` are rows of
-- the model's training table without model_id. SM013: there is no such model. SM016: a trial of the
-- name runs.
create function public.register_trained_ai_model(
    model_name text,
    prefix text,
    config jsonb,
    records jsonb,
    reason text,
    evidence jsonb,
    data_cut timestamptz,
    code_hash text,
    artifact_hash text,
    out model_id bigint,
    out version text,
    out is_new boolean
)
language plpgsql
security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
    model_type text;
    running text;
    number integer := 0;
begin
    -- Stages of the name wait for the end, and so does another retraining.
    perform
    from public.ai_models as models
    where models.model_name = register_trained_ai_model.model_name
    order by models.id
    for no key update;
    select models.model_type
    into model_type
    from public.ai_models as models
    where models.model_name = register_trained_ai_model.model_name
    order by models.id desc
    limit 1;
    if not found then
        raise exception using
            errcode = 'SM013',
            message = pg_catalog.format('there is no model %s', model_name),
            hint = 'register its first version';
    end if;

    is_new := false;
    select models.id, models.version
    into model_id, version
    from public.ai_models as models
    where
        models.model_name = register_trained_ai_model.model_name
        and models.config - 'retraining' = register_trained_ai_model.config - 'retraining'
        and exists (
            select
            from public.ai_model_stages as stages
            where
                stages.model_id = models.id
                and stages.artifact_hash = register_trained_ai_model.artifact_hash
        )
    order by models.id
    limit 1;
    if found then
        return;
    end if;

    running := public.running_ai_retrial(model_name);
    if running is not null then
        raise exception using
            errcode = 'SM016',
            message = pg_catalog.format('the trial of %s %s is not decided', model_name, running),
            hint = 'retrain when it is, or retire that version: signal-marts stage';
    end if;

    -- A version that a module registers at this moment is its own, and gets nothing of ours.
    loop
        number := number + 1;
        version := pg_catalog.format('%s.%s', prefix, number);
        continue when exists (
            select
            from public.ai_models as models
            where
                models.model_name = register_trained_ai_model.model_name
                and models.version = register_trained_ai_model.version
        );
        insert into public.ai_models (model_type, model_name, version, config)
        values (model_type, model_name, version, config)
        on conflict on constraint ai_models_name_version_key do nothing
        returning id into model_id;
        exit when found;
    end loop;
    is_new := true;
    update public.ai_model_stages as stages
    set
        reason = register_trained_ai_model.reason,
        evidence = register_trained_ai_model.evidence,
        data_cut = register_trained_ai_model.data_cut,
        code_hash = register_trained_ai_model.code_hash,
        artifact_hash = register_trained_ai_model.artifact_hash
    where stages.model_id = register_trained_ai_model.model_id;

    if model_type = 'reinforcement_learning' then
        insert into public.rl_training_episodes (
            model_id, episode_number, total_reward, episode_length, average_loss, portfolio_value,
            sharpe_ratio, training_data, created_at
        )
        select
            register_trained_ai_model.model_id, given.episode_number, given.total_reward,
            given.episode_length, given.average_loss, given.portfolio_value, given.sharpe_ratio,
            given.training_data, given.created_at
        from pg_catalog.jsonb_populate_recordset(null::public.rl_training_episodes, records) as given;
    elsif model_type = 'genetic_optimization' then
        insert into public.genetic_generations (
            model_id, generation_number, best_fitness, average_fitness, population_diversity,
            best_individual, created_at
        )
        select
            register_trained_ai_model.model_id, given.generation_number, given.best_fitness,
            given.average_fitness, given.population_diversity, given.best_individual,
            given.created_at
        from pg_catalog.jsonb_populate_recordset(null::public.genetic_generations, records) as given;
    elsif model_type = 'sparse_spectrum' then
        insert into public.spectrum_analysis (
            model_id, symbol, analysis_type, dominant_frequencies, pattern_confidence,
            anomaly_score, analysis_data, created_at
        )
        select
            register_trained_ai_model.model_id, given.symbol, given.analysis_type,
            given.dominant_frequencies, given.pattern_confidence, given.anomaly_score,
            given.analysis_data, given.created_at
        from pg_catalog.jsonb_populate_recordset(null::public.spectrum_analysis, records) as given;
    end if;
end
$$;

grant usage on schema retraining to ai_functions;
grant select on retraining.artifacts to ai_functions;

revoke execute on function
    public.ai_model_artifact(text, text),
    public.running_ai_retrial(text),
    public.register_trained_ai_model(
        text, text, jsonb, jsonb, text, jsonb, timestamptz, text, text
    )
from public;
grant execute on function public.ai_model_artifact(text, text) to ai_writer;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.ai_model_artifact(text, text) owner to ai_functions;
alter function public.running_ai_retrial(text) owner to ai_functions;
alter function public.register_trained_ai_model(
    text, text, jsonb, jsonb, text, jsonb, timestamptz, text, text
) owner to ai_functions;
revoke create on schema public from ai_functions;
