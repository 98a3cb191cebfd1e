-- The role that owns the functions of the AI modules, with the rights that they need.
-- depends: 0011_idx_ai_signals_expiry

-- A `security definer` function runs with its owner's rights. The deploying login, often a
-- superuser, must not lend its own; migrator could drop the AI tables, and a trigger on the
-- platform's trade_plans would run with that right. So they belong to a role of their own that
-- cannot log in, creates nothing, and reads and writes just the columns that the functions name.
--
-- Bodies of these functions qualify every relation and every type that is not a word of the
-- grammar (`bigint` is, `text` is not): an empty search_path still lets a caller's temporary
-- schema come first for relations and types.
do $$
begin
    if not exists (select from pg_catalog.pg_roles where rolname = 'ai_functions') then
        create role ai_functions nologin;
        comment on role ai_functions is 'made by signal-marts';
    end if;
    -- So that every login that deploys can hand the functions over, and replace them later. It
    -- gives migrator little: what the role may do with the AI tables, their owner may anyway.
    if not pg_has_role('migrator', 'ai_functions', 'member') then
        grant ai_functions to migrator;
    end if;
end
$$;

grant usage on schema public to ai_functions;
grant select, insert, update (is_active) on public.ai_models to ai_functions;
grant select, insert, update (status, trade_plan_id) on public.ai_trading_signals to ai_functions;
grant select (id, model_id, episode_number) on public.rl_training_episodes to ai_functions;
grant select (id, model_id, generation_number) on public.genetic_generations to ai_functions;
grant select (id) on public.spectrum_analysis to ai_functions;
grant usage on sequence
    public.ai_trading_signals_id_seq,
    public.rl_training_episodes_id_seq,
    public.genetic_generations_id_seq,
    public.spectrum_analysis_id_seq
to ai_functions;
