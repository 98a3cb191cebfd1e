-- Bringing a module's old store in: which rows were imported, when, and from where.
-- depends: 0021_missing_ai_references

-- The columns take a moment, but a reader in their way must not make all later readers wait.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- An imported row keeps the created_at that its store had; nobody here knew it before imported_at.
-- NULL in all other rows.
alter table public.ai_trading_signals add column imported_at timestamptz;
alter table public.rl_training_episodes add column imported_at timestamptz;
alter table public.genetic_generations add column imported_at timestamptz;
alter table public.spectrum_analysis add column imported_at timestamptz;

-- The server's clock is in it, by import_ai_rows() alone: ai_writer inserts all columns but this one.
revoke insert on
    public.ai_trading_signals,
    public.rl_training_episodes,
    public.genetic_generations,
    public.spectrum_analysis
from ai_writer;
grant insert (
    id, model_id, symbol, signal_type, confidence, price_target, stop_loss, take_profit, metadata,
    pattern_id, trade_plan_id, status, idempotency_key, expires_at, created_at, updated_at
) on public.ai_trading_signals to ai_writer;
grant insert (
    id, model_id, episode_number, total_reward, episode_length, average_loss, portfolio_value,
    sharpe_ratio, training_data, created_at
) on public.rl_training_episodes to ai_writer;
grant insert (
    id, model_id, generation_number, best_fitness, average_fitness, population_diversity,
    best_individual, created_at
) on public.genetic_generations to ai_writer;
grant insert (
    id, model_id, symbol, analysis_type, dominant_frequencies, pattern_confidence, anomaly_score,
    analysis_data, created_at
) on public.spectrum_analysis to ai_writer;

-- What names an imported row in its store, so that it is stored once.
create table public.ai_imported_records (
    table_name text not null,
    record_id bigint not null,
    source_name text not null,
    record_key text not null,
    digest bytea not null,
    constraint ai_imported_records_pkey primary key (table_name, record_id),
    constraint ai_imported_records_record_key_key unique (record_key, source_name, table_name),
    constraint ai_imported_records_source_name_check check (source_name <> ''),
    constraint ai_imported_records_record_key_check check (record_key <> '')
);

alter table public.ai_imported_records owner to migrator;
grant select, insert, delete on public.ai_imported_records to ai_functions;
grant insert on
    public.rl_training_episodes,
    public.genetic_generations,
    public.spectrum_analysis
to ai_functions;

-- Stores rows of a source, each under the key that names it there, and returns what became of each,
-- by its key: stored, already there (imported before, the same in everything), changed (imported
-- before with other values: the first stay) or taken (the table holds another row of its idempotency
-- key, or of its model and number). `entries` is an array of objects with key and row, no key twice;
-- a row has the columns of the table but its id, and is stored as the columns' types have it: a price
-- of more than eight decimals is rounded.
create function public.import_ai_rows(table_name text, source_name text, entries jsonb) returns jsonb
language plpgsql
security definer
set search_path = ''
set lock_timeout = '5s'
-- The table of imports grows while a session imports: a plan for the empty one would not do.
set plan_cache_mode = 'force_custom_plan'
as $$
declare
    columns pg_catalog.text;
    outcomes pg_catalog.jsonb;
begin
    columns := case import_ai_rows.table_name
        when 'ai_trading_signals' then
            'model_id, idempotency_key, symbol, signal_type, confidence, price_target, stop_loss, '
            'take_profit, metadata, pattern_id, trade_plan_id, status, expires_at, created_at, '
            'updated_at'
        when 'rl_training_episodes' then
            'model_id, episode_number, total_reward, episode_length, average_loss, '
            'portfolio_value, sharpe_ratio, training_data, created_at'
        when 'genetic_generations' then
            'model_id, generation_number, best_fitness, average_fitness, population_diversity, '
            'best_individual, created_at'
        when 'spectrum_analysis' then
            'model_id, symbol, analysis_type, dominant_frequencies, pattern_confidence, '
            'anomaly_score, analysis_data, created_at'
    end;
    if columns is null then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = pg_catalog.format(
                '%L is no table that takes imported rows', import_ai_rows.table_name
            ),
            hint = 'ai_trading_signals, rl_training_episodes, genetic_generations and '
                'spectrum_analysis are';
    end if;

    -- What somebody deleted may be imported again.
    execute pg_catalog.format(
        $delete$
        delete from public.ai_imported_records as imported
        using pg_catalog.jsonb_array_elements($3) as given (entry)
        where
            imported.record_key = given.entry ->> 'key'
            and imported.source_name = $2
            and imported.table_name = $1
            and not exists (select from public.%I as rows where rows.id = imported.record_id)
        $delete$,
        import_ai_rows.table_name
    ) using import_ai_rows.table_name, import_ai_rows.source_name, import_ai_rows.entries;

    execute pg_catalog.format(
        $insert$
        with given as materialized (
            select
                entry ->> 'key' as record_key,
                entry -> 'row' as content,
                pg_catalog.sha256(
                    pg_catalog.convert_to((entry -> 'row')::pg_catalog.text, 'UTF8')
                ) as digest
            from pg_catalog.jsonb_array_elements($3) as elements (entry)
        ),

        -- It waits for another session that is importing the same rows.
        claimed as (
            insert into public.ai_imported_records as imported (
                table_name, record_id, source_name, record_key, digest
            )
            select $1, pg_catalog.nextval($4), $2, given.record_key, given.digest
            from given
            on conflict on constraint ai_imported_records_record_key_key do nothing
            returning imported.record_key, imported.record_id
        ),

        stored as (
            insert into public.%1$I as rows (id, imported_at, %2$s)
            select claimed.record_id, $5, %2$s
            from claimed
            inner join given on claimed.record_key = given.record_key
            cross join lateral pg_catalog.jsonb_populate_record(null::public.%1$I, given.content)
            on conflict do nothing
            returning rows.id
        )

        select
            pg_catalog.jsonb_object_agg(
                given.record_key,
                case
                    when stored.id is not null then 'stored'
                    when claimed.record_id is not null then 'taken'
                    when imported.digest = given.digest then 'already there'
                    when imported.digest is not null then 'changed'
                    else 'unknown'
                end
            )
        from given
        left join claimed on given.record_key = claimed.record_key
        left join stored on claimed.record_id = stored.id
        left join public.ai_imported_records as imported
            on
                given.record_key = imported.record_key
                and imported.source_name = $2
                and imported.table_name = $1
        $insert$,
        import_ai_rows.table_name, columns
    ) into outcomes
    using
        import_ai_rows.table_name,
        import_ai_rows.source_name,
        import_ai_rows.entries,
        pg_catalog.pg_get_serial_sequence('public.' || import_ai_rows.table_name, 'id')
            ::pg_catalog.regclass,
        pg_catalog.clock_timestamp();

    if exists (
        select from pg_catalog.jsonb_each_text(outcomes) as told where told.value = 'unknown'
    ) then
        raise exception using
            errcode = 'serialization_failure',
            message = 'another session was importing the same rows',
            hint = 'try again';
    end if;
    delete from public.ai_imported_records as imported
    using pg_catalog.jsonb_each_text(outcomes) as told
    where
        told.value = 'taken'
        and imported.record_key = told.key
        and imported.source_name = import_ai_rows.source_name
        and imported.table_name = import_ai_rows.table_name;
    return coalesce(outcomes, '{}');
end
$$;

-- Returns the id of the version that imported rows belong to. One that is not registered is, as by
-- register_ai_model(); one that is stays as it is: what a retired one said makes it no active one.
create function public.import_ai_model(
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

revoke execute on function
    public.import_ai_rows(text, text, jsonb),
    public.import_ai_model(text, text, text, jsonb)
from public;
grant execute on function
    public.import_ai_rows(text, text, jsonb),
    public.import_ai_model(text, text, text, jsonb)
to ai_writer;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.import_ai_rows(text, text, jsonb) owner to ai_functions;
alter function public.import_ai_model(text, text, text, jsonb) owner to ai_functions;
revoke create on schema public from ai_functions;
