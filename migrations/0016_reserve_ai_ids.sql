-- Ids drawn before the rows, by which a bulk load that lost its connection can be tried again.
-- depends: 0015_store_ai_signal

-- ai_writer copies rows but reads none, so that it learns no id by `returning`. It draws the ids
-- first: rows that are tried again under the same ids are stored once.
create function public.reserve_ai_ids(table_name text, how_many integer) returns setof bigint
language plpgsql
security definer
set search_path = ''
as $$
declare
    sequence pg_catalog.regclass;
begin
    if table_name in (
        'ai_trading_signals', 'rl_training_episodes', 'genetic_generations', 'spectrum_analysis'
    ) then
        sequence := pg_catalog.pg_get_serial_sequence('public.' || table_name, 'id');
    else
        raise exception using
            errcode = 'invalid_parameter_value',
            message = pg_catalog.format('%L is no table that takes rows in bulk', table_name),
            hint = 'ai_trading_signals, rl_training_episodes, genetic_generations and '
                'spectrum_analysis are';
    end if;
    if how_many is null or how_many not between 1 and 1000000 then
        raise exception using
            errcode = 'invalid_parameter_value',
            message = pg_catalog.format('%s ids cannot be reserved', how_many),
            hint = 'ask for 1 to 1000000 at a time';
    end if;
    return query
    select pg_catalog.nextval(sequence)
    from pg_catalog.generate_series(1, how_many);
end
$$;

-- Which of these ids are stored: after a lost connection, whether the rows were.
create function public.stored_ai_ids(table_name text, ids bigint[]) returns setof bigint
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
    if table_name in (
        'ai_trading_signals', 'rl_training_episodes', 'genetic_generations', 'spectrum_analysis'
    ) then
        return query execute pg_catalog.format(
            'select stored.id from public.%I as stored where stored.id = any($1)', table_name
        ) using ids;
    else
        raise exception using
            errcode = 'invalid_parameter_value',
            message = pg_catalog.format('%L is no table that takes rows in bulk', table_name),
            hint = 'ai_trading_signals, rl_training_episodes, genetic_generations and '
                'spectrum_analysis are';
    end if;
end
$$;

revoke execute on function
    public.reserve_ai_ids(text, integer),
    public.stored_ai_ids(text, bigint[])
from public;
grant execute on function
    public.reserve_ai_ids(text, integer),
    public.stored_ai_ids(text, bigint[])
to ai_writer;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.reserve_ai_ids(text, integer) owner to ai_functions;
alter function public.stored_ai_ids(text, bigint[]) owner to ai_functions;
revoke create on schema public from ai_functions;
