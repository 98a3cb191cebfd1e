-- Which model or pattern a refused load named that does not exist.
-- depends: 0020_ai_writer_limits

-- PostgreSQL tells a role that may not read a table no key that it refused. These are the ids that
-- are not there, with the column that they stood in; a platform without micro_patterns misses none.
create function public.missing_ai_references(model_ids bigint[], pattern_ids bigint[])
returns table (field text, id bigint)
language plpgsql
stable
security definer
set search_path = ''
as $$
begin
    return query
    select 'model_id'::pg_catalog.text, given.id
    from pg_catalog.unnest(model_ids) as given (id)
    where not exists (select from public.ai_models as models where models.id = given.id);
    return query
    select 'pattern_id'::pg_catalog.text, given.id
    from pg_catalog.unnest(pattern_ids) as given (id)
    where not exists (select from public.micro_patterns as patterns where patterns.id = given.id);
exception
    when undefined_table or undefined_column or insufficient_privilege then
        return;
end
$$;

revoke execute on function public.missing_ai_references(bigint[], bigint[]) from public;
grant execute on function public.missing_ai_references(bigint[], bigint[]) to ai_writer;

-- A new owner must be able to create in the schema, at this moment alone.
grant create on schema public to ai_functions;
alter function public.missing_ai_references(bigint[], bigint[]) owner to ai_functions;
revoke create on schema public from ai_functions;
