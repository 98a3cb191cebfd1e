-- Limits of what an AI module may store, whoever writes it and however.
-- depends: 0025_exact_prices_checked

-- A reader must not make all later readers wait behind us.
do $$
begin
    perform set_config('lock_timeout', '2s', true) where current_setting('lock_timeout') = '0';
end
$$;

-- A function a limit; its comment is what a refusal says. NULL is within every limit.
-- runner/client/validation.py says the same to Python.
create function public.ai_is_time(value timestamptz) returns boolean
language sql immutable parallel safe set search_path = ''
return value >= '1970-01-01 00:00:00+00' and value < '2200-01-01 00:00:00+00';

create function public.ai_is_key(value text) returns boolean
language sql immutable parallel safe set search_path = ''
return char_length(value) between 1 and 200;

-- No blank at either end, no control and no invisible character anywhere.
create function public.ai_is_name(value text) returns boolean
language sql immutable parallel safe set search_path = ''
return char_length(value) between 1 and 200
and value !~ (
    '^[\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]'
    '|[\u0001-\u001f\u007f-\u009f\u200b-\u200f\u2028-\u202e\u2060\ufeff]'
    '|[\u0020\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]$'
);

create function public.ai_is_symbol(value text) returns boolean
language sql immutable parallel safe set search_path = ''
return char_length(value) <= 64;

-- More decimals than the 18 that are kept come of a division in SQL: the marts round them.
create function public.ai_is_amount(value numeric) returns boolean
language sql immutable parallel safe set search_path = ''
return abs(value) < '1e20' and scale(value) <= 100;

-- Squares and sums of such doubles neither overflow nor underflow.
create function public.ai_is_double(value double precision) returns boolean
language sql immutable parallel safe set search_path = ''
return value = 0 or abs(value) between '1e-100' and '1e100';

-- Depth comes first, since it stops at the level that is too deep. A numeric of a few bytes may be
-- 130,000 digits as text: numbers come before the text is made.
create function public.ai_is_json(value jsonb) returns boolean
language sql immutable parallel safe set search_path = ''
return case
    when jsonb_path_exists(value, 'strict $.**{65}') then false
    when jsonb_path_exists(
        value, 'strict $.** ? (@.type() == "number" && (@.double() >= 0) is unknown)'
    ) then false
    else octet_length(value::text) <= 65536
end;

-- The marts read numbers of it as doubles.
create function public.ai_is_spectrum(value jsonb) returns boolean
language sql immutable parallel safe set search_path = ''
return not jsonb_path_exists(
    value,
    'strict $.** ? (@.type() == "number" '
    '&& (@ > 1e100 || @ < -1e100 || (@ > -1e-100 && @ < 1e-100 && @ != 0)))'
);

comment on function public.ai_is_time is 'a time lies in the years 1970 to 2199';
comment on function public.ai_is_key is 'a key has 1 to 200 characters';
comment on function public.ai_is_name is
'a name has 1 to 200 characters, none of them invisible, and no blanks around it';
comment on function public.ai_is_symbol is 'a symbol has at most 64 characters';
comment on function public.ai_is_amount is 'an amount is below 1e20 and has at most 100 decimals';
comment on function public.ai_is_double is 'a double is 0, or from 1e-100 to 1e100 in magnitude';
comment on function public.ai_is_json is
'a JSON is at most 65536 bytes of text, 64 levels deep, and its numbers fit a double';
comment on function public.ai_is_spectrum is
'a number of frequencies is 0, or from 1e-100 to 1e100 in magnitude';

-- Refuses a row, naming the first column that is beyond its limit: the arguments are pairs of a
-- column and its limit's function.
create function public.ai_refuse_row() returns trigger
language plpgsql
set search_path = ''
as $$
declare
    is_within boolean;
begin
    for place in 0 .. tg_nargs - 2 by 2 loop
        execute pg_catalog.format('select public.%I(($1).%I)', tg_argv[place + 1], tg_argv[place])
        into is_within
        using new;
        if not is_within then
            raise exception using
                errcode = 'check_violation',
                schema = tg_table_schema,
                table = tg_table_name,
                column = tg_argv[place],
                constraint = tg_name,
                message = pg_catalog.format(
                    '%s of %s is beyond its limit: %s',
                    tg_argv[place],
                    tg_table_name,
                    (
                        select pg_catalog.obj_description(procedures.oid, 'pg_proc')
                        from pg_catalog.pg_proc as procedures
                        where
                            procedures.proname = tg_argv[place + 1]
                            and procedures.pronamespace = 'public'::pg_catalog.regnamespace
                    )
                );
        end if;
    end loop;
    return new;
end
$$;

-- A row that was there before the limits may break them. It can still expire, and lose its link to
-- a pattern that the platform deletes, since only what is written into these columns is looked at:
-- a CHECK, even one that is not valid yet, would refuse the platform its delete. The functions'
-- bodies are written out in the triggers, since calling them takes an INSERT longer than all else.
do $$
declare
    limits record;
begin
    for limits in
        select
            limited.table_name,
            string_agg(distinct names.name, ', ') as names,
            string_agg(
                regexp_replace(
                    regexp_replace(
                        pg_get_function_sqlbody(functions.oid), '^RETURN (.*)$', '(\1)'
                    ),
                    '\mvalue\M', 'new.' || names.name, 'g'
                ),
                ' and ' order by limited.rule, names.name
            ) as condition,
            string_agg(
                format('%L, %L', names.name, limited.rule), ', '
                order by limited.rule, names.name
            ) as arguments
        from (
            values
                ('ai_models', 'ai_is_name', 'model_type model_name version'),
                ('ai_models', 'ai_is_json', 'config'),
                ('ai_models', 'ai_is_time', 'created_at updated_at'),
                ('ai_trading_signals', 'ai_is_name', 'symbol'),
                ('ai_trading_signals', 'ai_is_symbol', 'symbol'),
                ('ai_trading_signals', 'ai_is_key', 'idempotency_key'),
                ('ai_trading_signals', 'ai_is_double', 'confidence'),
                ('ai_trading_signals', 'ai_is_amount', 'price_target stop_loss take_profit'),
                ('ai_trading_signals', 'ai_is_json', 'metadata'),
                ('ai_trading_signals', 'ai_is_time', 'created_at updated_at'),
                ('ai_trading_signals', 'ai_is_time', 'expires_at imported_at'),
                ('rl_training_episodes', 'ai_is_double', 'total_reward average_loss sharpe_ratio'),
                ('rl_training_episodes', 'ai_is_amount', 'portfolio_value'),
                ('rl_training_episodes', 'ai_is_json', 'training_data'),
                ('rl_training_episodes', 'ai_is_time', 'created_at imported_at'),
                ('genetic_generations', 'ai_is_double', 'best_fitness average_fitness'),
                ('genetic_generations', 'ai_is_double', 'population_diversity'),
                ('genetic_generations', 'ai_is_json', 'best_individual'),
                ('genetic_generations', 'ai_is_time', 'created_at imported_at'),
                ('spectrum_analysis', 'ai_is_name', 'symbol'),
                ('spectrum_analysis', 'ai_is_symbol', 'symbol'),
                ('spectrum_analysis', 'ai_is_double', 'pattern_confidence anomaly_score'),
                ('spectrum_analysis', 'ai_is_json', 'dominant_frequencies analysis_data'),
                ('spectrum_analysis', 'ai_is_spectrum', 'dominant_frequencies'),
                ('spectrum_analysis', 'ai_is_time', 'created_at imported_at'),
                ('market_bars', 'ai_is_name', 'symbol'),
                ('market_bars', 'ai_is_symbol', 'symbol'),
                ('market_bars', 'ai_is_amount', 'open high low close volume'),
                ('market_bars', 'ai_is_time', 'opened_at'),
                ('ai_imported_records', 'ai_is_key', 'source_name record_key')
        ) as limited (table_name, rule, names)
        cross join lateral regexp_split_to_table(limited.names, ' ') as names (name)
        inner join pg_catalog.pg_proc as functions
            on
                functions.proname = limited.rule
                and functions.pronamespace = 'public'::regnamespace
        where
            -- A platform that has its own bars keeps them as they are.
            limited.table_name <> 'market_bars'
            or obj_description(to_regclass('public.market_bars'), 'pg_class')
            = 'made by signal-marts'
        group by limited.table_name
    loop
        execute format(
            'create trigger %I before insert or update of %s on public.%I for each row '
            'when (not (%s)) execute function public.ai_refuse_row(%s)',
            limits.table_name || '_limits',
            limits.names,
            limits.table_name,
            limits.condition,
            limits.arguments
        );
    end loop;
end
$$;

-- Ids come from the sequences. A module that inserts them, as a bulk load does that is tried again,
-- draws them first: one that is still to be drawn would be in the way of whoever draws it.
create function public.ai_refuse_id() returns trigger
language plpgsql
set search_path = ''
as $$
begin
    -- A restore by the tables' owner brings the ids that it saved.
    if pg_catalog.pg_has_role('migrator', 'member') then
        return new;
    end if;
    raise exception using
        errcode = 'generated_always',
        schema = tg_table_schema,
        table = tg_table_name,
        column = 'id',
        message = pg_catalog.format('id %s of %s was not drawn', new.id, tg_table_name),
        hint = 'leave the id out, or draw ids with reserve_ai_ids() first';
end
$$;

do $$
declare
    table_name text;
    sequence text;
begin
    foreach table_name in array array[
        'ai_models', 'ai_trading_signals', 'rl_training_episodes', 'genetic_generations',
        'spectrum_analysis'
    ] loop
        sequence := pg_get_serial_sequence('public.' || table_name, 'id');
        execute format('grant select on sequence %s to ai_writer', sequence);
        -- A role that may not read the sequence was given its rights by the team itself.
        execute format(
            'create trigger %I before insert on public.%I for each row when ('
            'case when has_sequence_privilege(%L::regclass, ''select'') '
            'then new.id < 1 or new.id > coalesce(pg_sequence_last_value(%L::regclass), 0) end'
            ') execute function public.ai_refuse_id()',
            table_name || '_drawn_id', table_name, sequence, sequence
        );
    end loop;
end
$$;

alter function public.ai_is_time(timestamptz) owner to migrator;
alter function public.ai_is_key(text) owner to migrator;
alter function public.ai_is_name(text) owner to migrator;
alter function public.ai_is_symbol(text) owner to migrator;
alter function public.ai_is_amount(numeric) owner to migrator;
alter function public.ai_is_double(double precision) owner to migrator;
alter function public.ai_is_json(jsonb) owner to migrator;
alter function public.ai_is_spectrum(jsonb) owner to migrator;
alter function public.ai_refuse_row() owner to migrator;
alter function public.ai_refuse_id() owner to migrator;
