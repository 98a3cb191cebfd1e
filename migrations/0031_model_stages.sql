-- One champion a model's name decides; other versions forecast in shadow, or are retired.
-- depends: 0030_platform_keys

-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- What a version was, from when on, and why. Rows are added and never changed; a version's first row
-- holds for the time before it as well.
create table public.ai_model_stages (
    id bigint generated always as identity primary key,
    model_id bigint not null references public.ai_models (id) on delete cascade,
    stage text not null,
    since timestamptz not null,
    reason text not null,
    evidence jsonb not null default '{}',
    data_cut timestamptz,
    code_hash text,
    artifact_hash text,
    created_at timestamptz not null default clock_timestamp(),
    constraint ai_model_stages_stage_check check (stage in ('champion', 'shadow', 'retired')),
    constraint ai_model_stages_reason_check check (reason <> ''),
    constraint ai_model_stages_evidence_check check (jsonb_typeof(evidence) = 'object')
);

create index idx_ai_model_stages_model on public.ai_model_stages (model_id, since, id);

alter table public.ai_model_stages owner to migrator;
do $$
begin
    perform public.limit_ai_rows(
        'public.ai_model_stages',
        array[
            'evidence', 'ai_is_json',
            'since', 'ai_is_time',
            'data_cut', 'ai_is_time',
            'created_at', 'ai_is_time'
        ]
    );
end
$$;

-- The stage of now.
alter table public.ai_models add column stage text
constraint ai_models_stage_check check (stage in ('champion', 'shadow', 'retired'));

-- Of the versions of before, all counted; from now on the newest that runs does.
update public.ai_models as models
set
    stage = case
        when not models.is_active then 'retired'
        when exists (
            select
            from public.ai_models as others
            where
                others.model_name = models.model_name
                and others.is_active
                and (others.created_at, others.id) > (models.created_at, models.id)
        ) then 'shadow'
        else 'champion'
    end;

insert into public.ai_model_stages (model_id, stage, since, reason)
select
    id,
    'champion',
    least(created_at, now()),
    'registered, when all versions counted'
from public.ai_models
where public.ai_is_time(created_at)
order by id;

insert into public.ai_model_stages (model_id, stage, since, reason)
select
    id,
    stage,
    now(),
    'one champion a name, from here on'
from public.ai_models
where stage <> 'champion'
order by id;

-- A row a version: it takes a moment.
-- squawk-ignore require-concurrent-index-creation
create unique index ai_models_champion_key on public.ai_models (model_name)
where stage = 'champion';

grant select on public.ai_model_stages to ai_functions;
grant insert on public.ai_model_stages to ai_functions;
grant update (stage) on public.ai_models to ai_functions;

-- The first version of a name is its champion, a later one begins in shadow, whatever it was stored
-- with, and even if the champion was retired. It begins by our clock, or earlier: a stage of the
-- future would hold up all that follow.
create function public.ai_begin_stage() returns trigger
language plpgsql
security definer
set search_path = ''
as $$
begin
    if tg_relid <> 'public.ai_models'::pg_catalog.regclass then
        raise exception using
            errcode = 'insufficient_privilege',
            message = 'this trigger is of public.ai_models';
    end if;
    if tg_when = 'AFTER' then
        insert into public.ai_model_stages (model_id, stage, since, reason)
        values (
            new.id, new.stage, least(new.created_at, pg_catalog.clock_timestamp()), 'registered'
        );
        return null;
    end if;
    -- Of two that are the first at once, one waits. Any login can hold this lock, so nothing else
    -- waits for it.
    if not exists (
        select from public.ai_models as models where models.model_name = new.model_name
    ) then
        perform pg_catalog.pg_advisory_xact_lock(
            pg_catalog.hashtextextended('ai_models ' || new.model_name, 0)
        );
    end if;
    new.stage := case
        when exists (
            select from public.ai_models as models where models.model_name = new.model_name
        ) then 'shadow'
        else 'champion'
    end;
    return new;
end
$$;

create trigger ai_models_begin_stage
before insert on public.ai_models
for each row execute function public.ai_begin_stage();

create trigger ai_models_note_stage
after insert on public.ai_models
for each row execute function public.ai_begin_stage();

-- Makes a version champion, in which case the champion of its name goes into shadow, or puts it into
-- shadow or retires it. Returns whether anything changed. The reason, the evidence, the time up to
-- which data were looked at, and the hashes of code and artifact are kept. Whoever decided some time
-- ago says what was so then: `was` is the version's stage, `replaces` the champion. SM013: there is no
-- such model. SM015: it is no longer so.
create function public.set_ai_model_stage(
    model_id bigint,
    stage text,
    reason text,
    evidence jsonb default '{}',
    data_cut timestamptz default null,
    code_hash text default null,
    artifact_hash text default null,
    was text default null,
    replaces bigint default null
) returns boolean
language plpgsql
security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
    model pg_catalog.record;
    moment timestamp with time zone;
    former bigint;
begin
    select models.model_name, models.version, models.stage
    into model
    from public.ai_models as models
    where models.id = set_ai_model_stage.model_id;
    if not found then
        raise exception using
            errcode = 'SM013',
            message = pg_catalog.format('there is no model %s', model_id),
            hint = 'give the id that registering the model returned';
    end if;
    -- Another session may have set it meanwhile. Plans of signals wait for the end.
    perform
    from public.ai_models as models
    where models.model_name = model.model_name
    order by models.id
    for no key update;
    select models.stage
    into model.stage
    from public.ai_models as models
    where models.id = set_ai_model_stage.model_id;
    if model.stage = set_ai_model_stage.stage then
        return false;
    end if;
    if model.stage <> set_ai_model_stage.was
        or (
            set_ai_model_stage.replaces is not null
            and not exists (
                select
                from public.ai_models as models
                where
                    models.id = set_ai_model_stage.replaces
                    and models.model_name = model.model_name
                    and models.stage = 'champion'
            )
        )
    then
        raise exception using
            errcode = 'SM015',
            message = pg_catalog.format(
                'stages of %s changed since this was decided', model.model_name
            ),
            hint = 'look again: signal-marts models';
    end if;

    -- Later than the last one, though the clock may have gone back.
    select greatest(pg_catalog.max(stages.since), pg_catalog.clock_timestamp())
    into moment
    from public.ai_model_stages as stages
    inner join public.ai_models as models on stages.model_id = models.id
    where models.model_name = model.model_name;

    if set_ai_model_stage.stage = 'champion' then
        update public.ai_models as models
        set stage = 'shadow'
        where models.model_name = model.model_name and models.stage = 'champion'
        returning models.id into former;
    end if;
    update public.ai_models as models
    set stage = set_ai_model_stage.stage
    where models.id = set_ai_model_stage.model_id;
    insert into public.ai_model_stages (
        model_id, stage, since, reason, evidence, data_cut, code_hash, artifact_hash
    )
    select
        models.id,
        models.stage,
        moment,
        case when models.id = former then 'replaced by version ' || model.version || ': ' else '' end
        || set_ai_model_stage.reason,
        set_ai_model_stage.evidence,
        set_ai_model_stage.data_cut,
        set_ai_model_stage.code_hash,
        set_ai_model_stage.artifact_hash
    from public.ai_models as models
    where models.id in (former, set_ai_model_stage.model_id)
    order by models.id = set_ai_model_stage.model_id;
    return true;
end
$$;

-- As before. A version that is new here counted in its store, until now.
create or replace function public.import_ai_model(
    model_type text,
    model_name text,
    version text,
    config jsonb default '{}'
) returns bigint
language plpgsql
security definer
set search_path = ''
as $$
declare
    model_id bigint;
begin
    select models.id
    into model_id
    from public.ai_models as models
    where
        models.model_name = import_ai_model.model_name
        and models.version = import_ai_model.version
        and models.model_type = import_ai_model.model_type;
    if found then
        return model_id;
    end if;
    model_id := public.register_ai_model(model_type, model_name, version, config);
    insert into public.ai_model_stages (model_id, stage, since, reason)
    select models.id, 'champion', '1971-01-01 00:00:00+00', 'imported, as it counted in its store'
    from public.ai_models as models
    where
        models.id = model_id
        and not exists (
            select
            from public.ai_model_stages as stages
            where stages.model_id = models.id and stages.since < models.created_at
        );
    return model_id;
end
$$;

-- A signal becomes a plan, or is executed, only if its version decides. Rows of an old store tell
-- what happened before. SM012: it is a forecast in shadow.
create function public.ai_refuse_execution() returns trigger
language plpgsql
security definer
set search_path = ''
set lock_timeout = '5s'
as $$
declare
    model pg_catalog.record;
begin
    if tg_relid <> 'public.ai_trading_signals'::pg_catalog.regclass then
        raise exception using
            errcode = 'insufficient_privilege',
            message = 'this trigger is of public.ai_trading_signals';
    end if;
    -- A change of its stage that is under way comes first.
    select models.model_name, models.version, models.stage
    into model
    from public.ai_models as models
    where models.id = new.model_id
    for share;
    if found and model.stage is distinct from 'champion' then
        raise exception using
            errcode = 'SM012',
            message = pg_catalog.format(
                'signal %s is of %s version %s, whose stage is %s: it becomes no plan',
                new.id, model.model_name, model.version, model.stage
            ),
            hint = 'plans are made from the champion''s signals; signal-marts stage makes a version champion';
    end if;
    return new;
end
$$;

create trigger ai_trading_signals_refuse_execution
before insert on public.ai_trading_signals
for each row
when ((new.trade_plan_id is not null or new.status = 'EXECUTED') and new.imported_at is null)
execute function public.ai_refuse_execution();

create trigger ai_trading_signals_refuse_later_execution
before update of trade_plan_id, status on public.ai_trading_signals
for each row
when (
    (new.trade_plan_id is not null and old.trade_plan_id is null)
    or (new.status = 'EXECUTED' and old.status <> 'EXECUTED')
)
execute function public.ai_refuse_execution();

revoke execute on function
    public.ai_begin_stage(),
    public.ai_refuse_execution(),
    public.set_ai_model_stage(
        bigint, text, text, jsonb, timestamptz, text, text, text, bigint
    )
from public;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.ai_begin_stage() owner to ai_functions;
alter function public.ai_refuse_execution() owner to ai_functions;
alter function public.set_ai_model_stage(
    bigint, text, text, jsonb, timestamptz, text, text, text, bigint
) owner to ai_functions;
revoke create on schema public from ai_functions;
